"""graphs: programs that record, write, detach and go backward, step by step beside PyTorch.

Unlike in ``chains`` each step is made in both libraries before the next is drawn, from what is
there then: one that is refused ends nothing, and after each one all values, gradients, versions and
names of nodes are PyTorch's, or the kind of refusal is. Modes, hooks, several backward passes,
``autograd.grad`` with and without a graph, checkpoints and custom functions are among them.
"""

from __future__ import annotations

import random
import re
import warnings
from typing import Any

import anadrome as ad

from . import beside, oracle
from .chains import _leaf
from .draws import Drawn
from .explained import Reason, reason

SHAPES = ((2, 3), (2, 3), (2, 3), (3,), (2, 1), (), (3, 3))
LEAVES = ("float64", "float64", "float64", "float32", "complex128")
VIEWS = (
    "x.t()", "x.view(-1)", "x[0]", "x[1:]", "x[..., 0]", "x[..., ::2]", "x.unsqueeze(0)",
    "x.squeeze()", "x.expand(2, *x.shape)", "x.diagonal()", "x.narrow(0, 0, 1)", "x.select(-1, 0)",
    "x.detach()", "x.data", "x.view_as(x)", "x.unbind(0)[0]", "x.chunk(2)[-1]", "x.split(1)[0]",
    "x.mT", "x.reshape(-1)", "x.contiguous()", "x.flatten()", "x.real", "x.imag", "x[...]",
    "x.as_strided((2,), (1,))", "x.view(x.shape)", "x.movedim(0, -1)", "x.unfold(0, 2, 1)",
)  # fmt: skip
OPS = (
    "x + y", "x * y", "x * x", "x.sin()", "x.tanh()", "x.exp()", "x.sigmoid()", "x / (y * y + 1)",
    "x.sum()", "x.sum(0)", "x.mean()", "x.clone()", "torch.cat([x, x])", "torch.stack([x, x])",
    "torch.where(x.abs() > 0.5, x, y)", "x * 2", "x - y.detach()", "x.cumsum(0)", "x.prod()",
    "x[[0, 0]]", "x.repeat(2, *[1] * x.ndim)", "x ** 2", "x.relu()", "x.flip(0)", "x @ y",
    "x.max()", "x.norm()", "x.masked_fill(x.abs() > 1, 0)", "x.index_select(0, i)", "x.to(x.dtype)",
    "x.to(torch.float32)", "x.clone().requires_grad_()", "torch.maximum(x, y)", "x.tanh() * y",
    "Twice.apply(x)", "Dirty.apply(x)", "checkpoint(lambda v: v.sin() * v, x, use_reentrant=False)",
    "x.softmax(-1)", "x.var()", "torch.addcmul(x, x, y)", "x.grad", "x.grad.clone()",
    "Same.apply(x)", "torch.broadcast_tensors(x, y)[0]", "x.positive()",
)  # fmt: skip
WRITES = (
    "x.add_(y)", "x.mul_(y)", "x.mul_(2)", "x.sin_()", "x.exp_()", "x.tanh_()", "x.zero_()",
    "x.copy_(y)", "x.fill_(2)", "x.detach_()", "x.requires_grad_()", "x.requires_grad_(False)",
    "x.masked_fill_(x.abs() > 1, 0)", "x.index_add_(0, i, y[:1])", "x.t_()", "x.unsqueeze_(0)",
    "x.clamp_(-1, 1)", "x.sub_(y, alpha=2)", "x.div_(2)", "x.neg_()", "x.addcmul_(y, y)",
    "x.sigmoid_()", "x.square_()", "x.relu_()", "x.cumsum_(0)", "x.index_copy_(0, i, y[:1])",
    "x.squeeze_()", "x.retain_grad()", "x.fill_(y.sum())", "x.lerp_(y, 0.5)",
)  # fmt: skip
SETS = (
    "x[0] = y", "x[0] = 3", "x[..., 0] += 2", "x[1:] *= y.clone()", "x[:] = y", "x += y", "x *= x",
    "x[x.abs() > 1] = 0.5", "x[i] = 4", "x.data.mul_(2)", "x.data = y", "x.data[0] = 1",
    "x.grad = None", "x.grad = y", "x.grad.zero_()", "x.grad.mul_(2)", "x.requires_grad = True",
    "x.detach().mul_(2)", "x -= x", "x /= 2", "x[-1] += y[0].clone()", "x.real.mul_(2)",
    "x.register_hook(lambda g: g * 2)", "x.register_hook(lambda g: None)", "x.view(-1).mul_(3)",
    "x.register_post_accumulate_grad_hook(lambda p: [p.grad.mul_(3), None][1])", "del x.grad",
    "torch.relu_(x)",
    "x.grad_fn.register_hook(lambda i, o: None)", "x.register_hook(lambda g: g.mul_(2))",
)  # fmt: skip
BACKWARD = (
    "x.sum().backward()", "x.sum().backward(retain_graph=True)", "x.backward()",
    "y.sum().backward()",
    "(x * y).sum().abs().backward()", "x.backward(torch.ones_like(x), retain_graph=True)",
    "x.sum().abs().backward(inputs=[y])", "(x.sin() * x).sum().abs().backward(create_graph=True)",
    "torch.autograd.backward([x.sum(), y.sum()])",
)  # fmt: skip
GRADS = (
    "torch.autograd.grad(x.sum().abs(), y)[0]", "torch.autograd.grad(x.sin().sum().abs(), x)[0]",
    "torch.autograd.grad(x.sum().abs(), y, allow_unused=True)[0]",
    "torch.autograd.grad(x.sum().abs(), y, create_graph=True)[0]",
    "torch.autograd.grad((x * x).sum().abs(), [x, y], create_graph=True, allow_unused=True)[0]",
    "torch.autograd.grad(x, y, torch.ones_like(x), retain_graph=True)[0]",
    "torch.autograd.grad(x.sum().abs(), y, materialize_grads=True)[0]",
)  # fmt: skip
MODES = ("",) * 8 + ("no_grad()", "no_grad()", "enable_grad()", "set_grad_enabled(False)",
                     "inference_mode()")  # fmt: skip
TABLES = (VIEWS, VIEWS, VIEWS, OPS, OPS, OPS, WRITES, WRITES, SETS, SETS, BACKWARD, GRADS)

#: Kinds of refusals, by PyTorch's words or ours.
KINDS = (
    "modified by an inplace", "leaf Variable that requires grad", "view of a leaf",
    "a second time", "does not require (a )?grad", "implicitly created only for scalar",
    "not have been used", "can only change requires_grad flags",
)  # fmt: skip

PRELUDE = """
from torch.utils.checkpoint import checkpoint
class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 2
    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_tensors
        return g * 2 + x * 0
class Dirty(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(3)
    @staticmethod
    def backward(ctx, g):
        return g * 3
class Same(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x
    @staticmethod
    def backward(ctx, g):
        return g * 3
i = torch.tensor([0])
"""


class Side:
    """One library, and what a program has made in it."""

    def __init__(self, L: Any) -> None:
        self.scope: dict[str, Any] = {"torch": L}
        self.versions: dict[str, int] = {}
        source = PRELUDE.replace("from torch.utils", f"from {L.__name__}.utils")
        exec(compile(source, "<docstring>", "exec"), self.scope)

    def tensors(self) -> dict[str, Any]:
        return {n: t for n, t in self.scope.items() if n[0] == "t" and n[1:].isdigit()}

    def live(self) -> list[Any]:
        return [t for t in self.tensors().values() if hasattr(t, "detach")]

    def nodes(self) -> list[str]:
        """Which Tensors are views with a node of PyTorch's own making."""
        made = {n: t.grad_fn for n, t in self.tensors().items() if hasattr(t, "detach")}
        return [n for n, f in made.items() if f is not None and "AsStrided" in f.name()]

    def state(self) -> dict[str, Any]:
        """What can be seen of each Tensor."""
        out = {}
        for name, t in self.tensors().items():
            if hasattr(t, "detach"):
                grad = t.grad if t.is_leaf or t.retains_grad else None
                version = -1 if t.is_inference() else t._version
                written = self.versions.get(name, version) != version
                self.versions[name] = version
                seen = (t.is_leaf, t.grad_fn is not None, written, version < 0 < t.numel())
                out[name] = [beside.plain(t), beside.plain(grad), *map(str, seen)]
        return out

    def step(self, text: str) -> None:
        exec(compile(text, "<docstring>", "exec"), self.scope)


def drawn(rng: random.Random, there: dict[str, Any]) -> str:
    """The next step, of what is there; mostly of Tensors that require a gradient."""
    names = [n for n, t in there.items() if hasattr(t, "detach")]
    live = [n for n in names if there[n].requires_grad] or names
    x = rng.choice(live[-4:] if rng.random() < 0.8 else names)
    alike = [n for n in names if there[n].shape == there[x].shape]
    table = rng.choice(TABLES)
    text = rng.choice(table)
    y = rng.choice(alike if rng.random() < 0.7 or "data = y" in text else names)
    text = re.sub(r"(?<![\w.])[xy](?!\w)", lambda m: x if m[0] == "x" else y, text)
    if table in (VIEWS, OPS, WRITES, GRADS):
        text = f"t{len(there)} = {text}"
    mode = rng.choice(MODES)
    if (table is VIEWS and "_grad" not in mode) or re.search(r"detach_|t_\(\)|squeeze_", text):
        mode = ""  # PyTorch's view of then says that it requires a gradient, and gives none
    return f"with torch.{mode}: {text}" if mode else text


def kind(text: str) -> str:
    """Which refusal it is; those of shapes and types are one kind."""
    return next((k for k in KINDS if re.search(k, text)), "of another kind")


def judged(number: int) -> tuple[str, str, bool]:
    """What is wrong with case ``number``, empty if nothing is; and whether it went backward."""
    import torch

    rng = random.Random(f"graph#{number}")
    ours, theirs = Side(ad), Side(torch)
    steps: list[str] = []
    for n in range(2):
        leaf = (rng.choice(SHAPES), rng.choice(LEAVES), "plain", rng.random() < 0.8)
        for side in (ours, theirs):
            side.scope[f"t{n}"] = _leaf(side.scope["torch"], *leaf) / 4
            side.scope[f"t{n}"] = side.scope[f"t{n}"].detach().requires_grad_(leaf[3])
        steps.append(f"t{n} = {leaf}")
    went = False
    for _ in range(rng.randint(5, 16)):
        text = drawn(rng, theirs.tensors())
        steps.append(text)
        found, _ = oracle.attempt(lambda t=text: ours.step(t), Drawn([2**30], {}, 0))
        refused = ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                theirs.step(text)
        except Exception as error:
            refused = f"{type(error).__name__}: {error}"
        wrong = _compared("; ".join(steps), found, refused, ours, theirs)
        if wrong is None:
            break
        if wrong:
            return "; ".join(steps), wrong, went
        went |= "grad(" in text or "backward" in text
    return "; ".join(steps), "", went


def _compared(program: str, found: Any, refused: str, ours: Side, theirs: Side) -> str | None:
    """What is wrong after a step; None if the two go on differently for a reason."""
    if found.kind not in (oracle.WORKED, oracle.REFUSED, oracle.BINDING):
        return str(found)
    if refused and found.kind == oracle.WORKED:
        known = reason(LENIENT, "", refused, program)
        return None if known else f"only PyTorch refuses: {refused[:300]}"
    if not refused and found.kind != oracle.WORKED:
        known = reason(STRICT, "", found.text, program)
        return None if known else f"only anadrome refuses: {found.text[:300]}"
    if "nference tensor" in refused:
        return None  # PyTorch writes before it refuses that
    if refused and "another" not in (a := kind(refused)) + (b := kind(found.text)) and a != b:
        return f"refused by {found.text[:200]}, PyTorch by {refused[:200]}"
    if refused and re.search(r"backward\(|autograd\.grad", program.rpartition("; ")[2]):
        return None  # how far it came is not compared
    try:
        for t in theirs.live():
            if t.requires_grad and (t.is_inference() or (t.is_leaf and t._is_view())):
                return None  # in half a graph: a view of no_grad, as above, for one
        seen = theirs.state()
    except RuntimeError:  # of several views one was written, and none can be looked at any more
        return None
    mine = ours.state()
    if ours.nodes() != theirs.nodes():
        return None  # PyTorch made another node for a view that was written without recording
    for name, state in seen.items():
        for what, a, b in zip(WHAT, mine.get(name, [None] * 6), state):
            if not beside.same(a, b):
                told = f"{what} of {name}: {a}, PyTorch's {b}"
                return None if reason(STRICT, "", told, program) else told
    return ""


WHAT = ("value", "grad", "is_leaf", "grad_fn", "version", "is_inference")
LENIENT: tuple[Reason, ...] = (
    Reason("a result is computed before it is written", r"refers? to a single memory location"),
    Reason("what a write changes is not what was saved: an in-place op keeps its own result, and "
           "a product of all values its factors", r"modified by an inplace",
           "", r"(sigmoid|tanh|exp|prod|square|sin)_?\(\)"),
    Reason("what several views share is written as anything is", r"returns multiple views|"
           r"created inside a custom Function"),
    Reason("a gradient is added to one that was made in inference mode", r"Inplace update to inf",
           "", r"backward\([^;]*$"),
    Reason("what keeps no Tensor, or is behind inputs=, is played again", r"a second time"),
    Reason("an input that a Function returns is no view", r"Can't detach views", "", r"Same"),
    Reason("what was cast before it was saved is another", r"Inference tensors cannot be saved"),
    Reason("what is made without recording is written as anything is", r"A view was created in"),
    Reason("one row of a number", r"source tensor shape must match self tensor shape"),
    Reason("a view outlives that its base required a gradient", r"a view of a leaf", "",
           r"requires_grad_\(False\)|detach_"),
)  # fmt: skip
_ZEROS = r"array\([\[\]0., \n]*\)"
STRICT: tuple[Reason, ...] = (
    Reason("what was made in inference mode is not written outside, not through detach() either",
           r"Inplace update to inference", "", r"detach\(\)|\.data"),
    Reason("a gradient that is zero everywhere has a graph",
           rf"(?s)^grad of t\d+: .*True, {_ZEROS}\), PyTorch's .*False, {_ZEROS}\)$"),
    Reason("what repeats a number is not written, as after sum(); PyTorch's gradient of mean() "
           "does not, and its index_put_ does not look", r"more than one element of the written-to",
           "", r"autograd\.grad|expand|broadcast"),
    Reason("a number that is selected is a view of the copy", r"Can't detach views", "",
           r"index_select"),
    Reason("of windows that overlap each number is written once", r"^(value|grad) of", "",
           r"unfold\(.*(Dirty|_\()"),
)  # fmt: skip
