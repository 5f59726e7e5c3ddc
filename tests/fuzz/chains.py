"""chains: short programs of views, writes, ops and backward, beside PyTorch.

A case is a list of steps drawn from a number; each takes Tensors that earlier steps made, so that
both libraries can be given it. Its outcome is what was raised, or the values, types and gradients
of all Tensors at the end. Writes through views, ``out=`` of other types and shapes, complex and
half-precision values, Tensors without elements and other layouts are among them.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from . import beside
from .explained import Reason

SHAPES = ((2, 3), (2, 3), (3,), (2, 2), (), (0, 3), (3, 1), (2, 3, 2), (4,), (1,))
DTYPES = ("float64", "float64", "float64", "float32", "complex128", "int64", "bool", "bfloat16",
          "float16", "complex64", "uint8", "int32")  # fmt: skip
#: Steps of one Tensor that share its memory, as expressions of it.
VIEWS = (
    "x.t()", "x.transpose(0, -1)", "x.view(-1)", "x.reshape(-1)", "x[0]", "x[1:]", "x[..., 0]",
    "x[..., ::2]", "x.unsqueeze(0)", "x.squeeze()", "x.expand(2, *x.shape)", "x.diagonal()",
    "x.narrow(0, 0, 1)", "x.select(-1, 0)", "x.flatten()", "x.detach()", "x.real", "x.imag",
    "x.unfold(0, 2, 1)", "x.movedim(0, -1)", "x.permute(*range(x.ndim))", "x.view_as(x)",
    "x.chunk(2)[0]", "x.split(1)[0]", "x.unbind()[0]", "x.T", "x.mT", "x.H", "x.swapaxes(0, -1)",
    "x.as_strided((2,), (1,))", "x.tensor_split(2)[1]", "x[None, ..., None]", "x.conj()",
    "torch.view_as_real(x)", "x.contiguous()", "x.view(x.shape)",
)  # fmt: skip
#: Steps that make another Tensor of one or two.
OPS = (
    "x + y", "x * y", "x - 2", "x / y", "x @ y", "x ** 2", "x.exp()", "x.sum()", "x.sum(0)",
    "x.mean(-1)", "x.cumsum(0)", "x.clone()", "x.abs()", "x * 1j", "torch.cat([x, y])",
    "torch.stack([x, y])", "torch.where(x == y, x, y)",
    "x.to(torch.float64)", "x.to(torch.float32)", "x.to(torch.complex64)", "x.bfloat16()",
    "x.half()", "x.sort(-1)[0]", "x.max(-1)[0]", "x.prod()", "x.prod(0)", "x.norm()", "x.var(0)",
    "torch.maximum(x, y)", "x.amax(0)", "x.flip(0)", "x.roll(1, 0)", "x.tril()", "x.softmax(-1)",
    "x.logsumexp(0)", "x.clamp(0, 1)", "x.masked_fill(x == 1, 2)", "x.index_select(0, i)",
    "x.gather(0, x.new_zeros(x.shape, dtype=torch.int64))", "x.repeat(2, *[1] * x.ndim)",
    "x.sigmoid()", "x.outer(y)", "torch.lerp(x, y, 0.25)", "torch.addcmul(x, y, y)", "x.angle()",
    "x.real + y", "x.mul(True)", "x.floor_divide(2)", "x % 3", "x.sign()", "x.round()", "x == y",
    "x.long()", "x.std()", "x.cumprod(0)", "x.topk(1)[0]", "x.nansum()",
    "torch.einsum('...i->...', x)",
    "torch.nn.functional.pad(x, (1, 0))", "x.unsqueeze(0).expand(2, *x.shape).sum(0)", "x.diag()",
)  # fmt: skip
#: Steps that write.
WRITES = (
    "x.add_(y)", "x.mul_(2)", "x.mul_(y)", "x.zero_()", "x.copy_(y)", "x.fill_(2)", "x.neg_()",
    "x.exp_()", "x.clamp_(0, 1)", "x.div_(2)", "x.sub_(y, alpha=2)", "x.pow_(2)", "x.abs_()",
    "x.masked_fill_(x == 1, 3)", "x.index_add_(0, i, x[:1])", "x.index_fill_(0, i, 7)",
    "x.index_copy_(0, i, y[:1])", "x.scatter_(0, x.new_zeros(x.shape, dtype=torch.int64), 5)",
    "x.t_()", "x.squeeze_()", "x.unsqueeze_(0)", "x.transpose_(0, -1)", "x.detach_()",
    "x.sigmoid_()",
    "x.cumsum_(0)", "x.lerp_(y, 0.5)", "x.addcmul_(y, y)", "x.triu_()", "x.requires_grad_()",
    "x.square_()", "x.relu_()", "x.floor_()", "x.logical_not_()",
    "x.fill_diagonal_(4)", "x.put_(i, x.new_ones(1))", "x.tanh_()",
)  # fmt: skip
#: Assignments.
SETS = (
    "x[0] = y", "x[0] = 3", "x[..., 0] += 2", "x[1:] *= y", "x[:] = y", "x += y", "x -= 1",
    "x *= x",
    "x[x == 1] = 9", "x[i] = 4", "x[...] = 1.5", "x.data.mul_(2)", "x.data = y", "x @= y",
    "x /= 2", "x **= 2", "x.real[...] = 1", "x.grad = None", "x[-1] += y[0]", "x[[0]] = y[:1]",
)  # fmt: skip
#: Functions with ``out=``.
OUTS = (
    "torch.add(x, y, out=z)", "torch.mul(x, 2, out=z)", "torch.sum(x, 0, out=z)",
    "torch.exp(x, out=z)", "torch.cat([x, y], out=z)", "torch.matmul(x, y, out=z)",
    "torch.eq(x, y, out=z)", "torch.cumsum(x, 0, out=z)", "torch.stack([x, x], out=z)",
    "torch.abs(x, out=z)", "torch.mean(x, -1, out=z)", "torch.where(x == y, x, y, out=z)",
    "torch.clamp(x, 0, 1, out=z)", "torch.index_select(x, 0, i, out=z)", "torch.sign(x, out=z)",
    "torch.argmax(x, out=z)", "torch.prod(x, 0, out=z)", "torch.neg(x, out=z)",
    "torch.amax(x, 0, out=z)", "torch.div(x, y, out=z)", "torch.pow(x, 2, out=z)",
    "torch.tril(x, out=z)", "torch.std(x, 0, out=z)", "torch.floor(x, out=z)",
)  # fmt: skip

#: What PyTorch refuses and anadrome takes, and the other way round.
LENIENT: tuple[Reason, ...] = (
    Reason("a result is computed before it is written", r"refers? to a single memory location"),
    Reason("what has no view of its shape is copied", r"view size is not compatible"),
    Reason("a write that changes no value leaves a saved value good, and so does one to what was "
           "cast before it was saved, or is not saved here", r"modified by an inplace"),
    Reason("what several views share is written as anything is", r"returns multiple views"),
    Reason("conj() is a copy, not a view", r"a view of a leaf", "", r"conj|\.H"),
    Reason("a result is cast to the type of out=",
           r"Expected out t|Found dtype|have the same dtype|expected dtype"),
    Reason("PyTorch's own failure", r"Could this error message be improved"),
    Reason("PyTorch has no kernel for the element type",
           r"not implemented for|not supported for|Unsupported dtype"),
)  # fmt: skip
STRICT: tuple[Reason, ...] = (
    Reason("conj() is a copy: what is written into it is not seen in what it was made of",
           r"^t\d+: \('complex", "", r"complex.*(conj\(\)|\.H).*_\("),
    Reason("NumPy marks all views of an expanded array as not to be written",
           r"refers to a single memory location", "", r"expand"),
    Reason("a real part's memory is its own numbers; an out= that was made smaller keeps no more",
           r"setStorage: ", "", r"(\.real|\.imag|out=).*as_strided"),
    Reason("there is no complex type of half precision", r"'complex32'"),
    Reason("an out= that requires a gradient is not overwritten",
           r"functions with out=\.\.\. arguments don't support"),
    Reason("a leaf that requires a gradient is overwritten by nothing, not even by truth values",
           r"a leaf Variable that requires grad", "", r"logical_not_"),
    Reason("of nothing PyTorch asks for no type", r"not implemented for|can't be cast", "",
           r"\((\d+, )*0[,)]"),
    Reason("out= of a type that cannot hold the result", r"can't be cast to the desired output"),
    Reason("of windows that overlap the last is written; PyTorch writes each in turn", r"^t\d", "",
           r"unfold|as_strided"),
)  # fmt: skip


class Case(NamedTuple):
    """Leaves as (shape, dtype, layout, whether a gradient is asked for), and steps on them."""

    leaves: tuple[tuple[Any, ...], ...]
    steps: tuple[str, ...]

    def __str__(self) -> str:
        made = [f"t{n} = {kind} {shape} {how}{' requires grad' * grad}"
                for n, (shape, kind, how, grad) in enumerate(self.leaves)]  # fmt: skip
        return "; ".join([*made, *self.steps])


def draw(number: int) -> Case:
    """Case ``number``."""
    rng = random.Random(f"chain#{number}")
    shape, kind = rng.choice(SHAPES), rng.choice(DTYPES)
    leaves = []
    for _ in range(2):
        floating = kind[:5] in ("float", "compl", "bfloa")
        how = rng.choice(("plain", "plain", "transposed", "strided", "expanded"))
        leaves.append((shape, kind, how, floating and rng.random() < 0.5))
        shape = shape if rng.random() < 0.7 else rng.choice(SHAPES)
        kind = kind if rng.random() < 0.7 else rng.choice(DTYPES)
    # What is written by ``out=`` shares no memory with what is read: see ``overlap``.
    leaves.append((rng.choice((shape, *SHAPES)), rng.choice((kind, *DTYPES)), "plain", False))
    steps: list[str] = []
    count, written = 3, False
    for _ in range(rng.choice((1, 2, 2, 3, 3, 4, 5))):
        names = [f"t{n}" for n in range(count) if n != 2 or written]
        x, y = rng.choice(names[-3:]), rng.choice(names)
        which = rng.randrange(9 if written else 10)
        table = VIEWS if which < 3 else OPS if which < 6 else WRITES if which < 8 else SETS
        table = OUTS if which == 9 else table
        text = rng.choice(table)
        text = _named(text, x, y, "t2")
        written |= which == 9
        if table is SETS:
            steps.append(text)
        else:
            steps.append(f"t{count} = {text}")
            count += 1
    return Case(tuple(leaves), tuple(steps))


def _named(text: str, x: str, y: str, z: str) -> str:
    """The step, of Tensors of these names."""
    words = {"x": x, "y": y, "z": z}
    out, word = "", ""
    for c in text + " ":
        if c.isidentifier() or (word and c.isalnum()):
            word += c
            continue
        before = out[-1:] if word else ""
        out += words.get(word, word) if before != "." and before != "'" else word
        word = ""
        out += c
    return out.rstrip()


def _leaf(L: Any, shape: Any, kind: str, how: str, grad: bool) -> Any:
    count = 1
    for n in shape:
        count *= n
    x = (L.arange(count, dtype=L.float64) % 5 + 1).reshape(shape)
    x = x % 2 == 0 if kind == "bool" else x.to(getattr(L, kind))
    if how == "transposed" and x.ndim > 1:
        x = x.transpose(0, -1).contiguous().transpose(0, -1)
    elif how == "strided" and x.ndim:
        x = L.stack([x, x], -1)[..., 0]
    elif how == "expanded" and x.ndim:
        x = x[:1].expand(x.shape) if x.shape[0] else x
    return x.detach().requires_grad_(grad)


def outcome(L: Any, case: Case) -> dict[str, Any]:
    """Run it; what came of it, as plain values."""
    scope: dict[str, Any] = {"torch": L, "i": L.tensor([0])}
    leaves = [_leaf(L, *leaf) for leaf in case.leaves]
    for n, leaf in enumerate(leaves):
        scope[f"t{n}"] = leaf
    for step in case.steps:
        exec(compile(step, "<docstring>", "exec"), scope)  # an error in it is the program's own
    found = {n: t for n, t in scope.items() if n[0] == "t" and n[1:].isdigit()}
    parts = [t for t in found.values() if isinstance(t, L.Tensor) and t.requires_grad]
    out = {n: beside.plain(t) for n, t in found.items()}
    if parts:
        total = sum([(t * t.detach().conj()).real.sum().double() if t.dtype.is_complex else
                     (t * t.detach()).sum().double() for t in parts])  # fmt: skip
        total.backward()
    out |= {f"grad of leaf {n}": beside.plain(leaf.grad) for n, leaf in enumerate(leaves)
            if leaf.is_leaf}  # fmt: skip
    return out


def judged(number: int) -> tuple[Case, str, bool]:
    """What is wrong with case ``number``, empty if nothing is; and whether it was carried out."""
    case = draw(number)
    wrong, done = beside.compared(lambda L: outcome(L, case), str(case), LENIENT, STRICT)
    return case, wrong, done
