"""objects: what is made of odd arguments and then used, beside PyTorch.

Modules and their forward and backward, optimizers and schedulers and three steps, loaders and their
batches, distributions and their densities, transforms of functions. A case is a program of few
lines, drawn from a number; its outcome is the values of the names that begin with ``o``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from . import beside, lenient, strict
from .explained import Reason
from .forms import (
    DISTRIBUTIONS,
    FLAGS,
    FUNCTIONS,
    INPUTS,
    INTS,
    LOSSES,
    MODULES,
    OPTIMIZERS,
    SCHEDULERS,
    VALUES,
)

#: What PyTorch refuses and anadrome takes, and the other way round; results that differ are there.
LENIENT = (
    *lenient.LENIENT,
    Reason("without workers there is nothing to wait for", r"requires timeout == 0"),
    Reason(
        "a list of one number is the number",
        r"Padding length must be div|expected stride equals to|is expected (dilation|padding)",
    ),
    Reason(
        "ContinuousBernoulli checks its probs in PyTorch also where it is told not to",
        r"parameter probs has invalid",
        "",
        r"ContinuousBernoulli.*validate_args=False",
    ),
    Reason("True is 1 beside numbers", r"Boolean alpha only supported", "", r"optim.*\bTrue\b"),
    Reason("of no draws there is nothing", r"cannot sample n_sample <= 0"),
    Reason(
        "parts of a distribution check no more than it does",
        r"of distribution (Chi2|Binomial|Gamma|Dirichlet)",
        "",
        r"validate_args=False",
    ),
    Reason("what is not used is not looked at", r"'momentum' \(position 7\) must be float"),
    Reason(
        "a map of no examples",
        r"select\(\): index 0|arg_spec must not|"
        r"expected t.size\(0\) to be 1, got 0",
        "",
        r"\(0, 2\)",
    ),
    Reason("True is a number of rows", r"new_zeros\(\) takes 1 positional"),
    Reason("of nothing the gradient is nothing", r"grad_output to have non-zero size"),
    Reason("None is the size that there is", r"'output_size'.* must be tuple of ints, not None"),
    Reason("one number of several", r"'other' \(position 1\) must be Tensor, not tuple"),
)
STRICT = (
    *strict.STRICT,
    Reason("two paddings for four sides", r"expected padding to be a single", "", r"ZeroPad2d"),
    Reason("sizes that differ, of which PyTorch warns", r"Using a target size"),
    Reason(
        "the loss is rounded once; PyTorch's to the narrower type of both first",
        r"^o_x: \('float32'",
        "",
        r"BCEWithLogitsLoss.*bfloat16",
    ),
    Reason(
        "a dampening is a number, also where there is no momentum to use it",
        r"for -: 'float' and 'tuple'",
        "",
        r"dampening=\(",
    ),
    Reason("which argument is meant, when it is made", r"argnums must be int or", "", r"None"),
    Reason("PyTorch's jacfwd of the last argument is zero", r"^o: ", "", r"jacfwd\(f, -1\)"),
    Reason("an eps beside which nothing is normalised", r"batch_norm eps must be positive"),
    Reason("a factor is a number", r"multiplicative factor expected", "", r"nan"),
    Reason(
        "of nothing PyTorch looks at no type",
        r"not implemented for|mixed dtype",
        "",
        r"reshape\(\((\d+,)*0,",
    ),
    Reason(
        "of no draws PyTorch looks at no type",
        r"must be a floating point Tensor",
        "",
        r"sample\(\(0,",
    ),
    Reason("the common type of both arguments", r"^o: ", "", r"SoftMarginLoss|half\(\)|bfloat16"),
    Reason("beyond what the type holds", r"(?s)^o_p: .*(nan|inf)", "", r"1e30"),
    Reason("PyTorch has no kernel for two real and complex arguments", r"softplus_cpu"),
    Reason("a parameter twice, of which PyTorch warns", r"^o_p", "", r"\[p, p\]"),
)


def _arguments(rng: random.Random, form: str, share: float = 0.45) -> str:
    """Some of a form's arguments; those that have one letter are drawn from its values."""
    given = []
    for part in form.split():
        name, _, kind = part.partition("=")
        if kind in VALUES:
            if given and rng.random() > share:
                continue
            choices = VALUES[kind]
            kind = rng.choice(choices[: len(choices) // 2] if rng.random() < 0.7 else choices)
        given.append(f"{name}={kind}")
    return ", ".join(given)


def _input(rng: random.Random, shapes: str) -> str:
    shape = rng.choice(shapes.split(" "))
    if shape[:1] == "i":
        return f"(torch.arange(24) % 4)[:{_count(shape[1:])}].reshape({_tuple(shape[1:])})"
    kind = rng.choice(("float32",) * 5 + ("float64", "bfloat16", "complex64", "int64"))
    shape = shape.lstrip("t")
    made = f"(torch.arange({_count(shape)}.) % 7 / 3 - 1).to(torch.{kind}).reshape({_tuple(shape)})"
    if rng.random() < 0.2 and shape.count(","):
        made += ".transpose(0, -1).contiguous().transpose(0, -1)"
    return made + ".requires_grad_()" * (kind[:3] != "int" and rng.random() < 0.6)


def _count(shape: str) -> int:
    count = 1
    for n in filter(None, shape.split(",")):
        count *= int(n)
    return count


def _tuple(shape: str) -> str:
    return f"({shape},)" if shape else "()"


def _module(rng: random.Random) -> list[str]:
    name = rng.choice(list(MODULES))
    form, shapes = MODULES[name]
    needed = " ".join(p for p in form.split())
    steps = [f"m = torch.nn.{name}({_arguments(rng, needed, 0.3)})"]
    if rng.random() < 0.2:
        steps.append(f"m = m.to(torch.{rng.choice(('float64', 'bfloat16', 'complex64'))})")
    steps.append(
        "for p in m.parameters(): p.data.copy_((torch.arange(p.numel()) % 5 / 5 - 0.3)"
        ".reshape(p.shape))"
    )
    if rng.random() < 0.4:
        steps.append("m.eval()")
    several = {"Bilinear": 2, "CosineSimilarity": 2, "MultiheadAttention": 3}.get(name, 1)
    x = _input(rng, shapes)
    return [
        *steps,
        f"x = {x}",
        f"o = m({', '.join(['x'] * several)})",
        *_BACKWARD,
        "o_buffers = [b.float() for b in m.buffers()]",
    ]


#: Gradients of the first result, where it has one; of the input and of all parameters.
_BACKWARD = [
    "y = o[0] if isinstance(o, tuple) else o",
    "if y.requires_grad: (y.real * y.real.detach()).sum().backward()",
    "o_x = x.grad if x.is_leaf else None",
    "o_p = [p.grad for p in m.parameters() if p.grad is not None]",
]


def _loss(rng: random.Random) -> list[str]:
    name = rng.choice(list(LOSSES))
    a, b = (rng.choice(("2,3", "2,3", "3", "2,1", "0,3", "")) for _ in range(2))
    return [
        f"m = torch.nn.{name}({_arguments(rng, LOSSES[name], 0.5)})",
        f"x = {_input(rng, a)}",
        f"o = m(x, {_input(rng, a if rng.random() < 0.8 else b)}.detach())",
        *_BACKWARD,
    ]


def _optimizer(rng: random.Random) -> list[str]:
    name = rng.choice(list(OPTIMIZERS))
    kind = rng.choice(("float32", "float64", "float32", "complex64", "bfloat16"))
    steps = [
        f"p = torch.arange(1, 5.).to(torch.{kind}).reshape(2, 2).requires_grad_()",
        "q = torch.ones(3).requires_grad_()",
    ]
    groups = rng.choice(
        (
            "[p, q]",
            "[p]",
            "[{'params': [p], 'lr': 0.3}, {'params': q}]",
            "iter([p])",
            "[('a', p), ('b', q)]",
            "p",
            "[]",
            "{'params': [p]}",
            "[p, p]",
            "[p.detach()]",
            "[p * 2]",
        )
    )
    groups = groups if rng.random() < 0.4 else "[p, q]"
    steps.append(f"m = torch.optim.{name}({groups}, {_arguments(rng, OPTIMIZERS[name], 0.4)})")
    scheduler = rng.random() < 0.5
    if scheduler:
        chosen = rng.choice(list(SCHEDULERS))
        form = _arguments(rng, SCHEDULERS[chosen], 0.5)
        steps.append(f"s = torch.optim.lr_scheduler.{chosen}(m, {form})")
    closure = (
        "def closure():\n    m.zero_grad()\n    l = (p * p.conj()).real.sum() + (q ** 2).sum()"
    )
    steps.append(closure + "\n    l.backward()\n    return l")
    for _ in range(3):
        steps += ["m.step(closure)"]
        if scheduler:
            steps.append("s.step(1.0)" if chosen == "ReduceLROnPlateau" else "s.step()")
    return [*steps, "o_p, o_q = p, q", "o_lr = [float(g['lr']) for g in m.param_groups]"]


def _loader(rng: random.Random) -> list[str]:
    data = rng.choice(
        (
            "list(range(7))",
            "range(5)",
            "torch.utils.data.TensorDataset(torch.arange(6.))",
            "[(n, float(n)) for n in range(5)]",
            "[{'a': n} for n in range(4)]",
            "[]",
            "5",
            "['a', 'b', 'c']",
            "torch.arange(5)",
            "[torch.ones(2)] * 3",
            "iter([1])",
            "[torch.ones(2), torch.ones(3)]",
            "[None, 1]",
            "{'a': 1}",
            "'abc'",
            "torch.utils.data.Subset(range(9), [1, 2, 8])",
        )
    )
    form = (
        "batch_size=i shuffle=z drop_last=f sampler=y batch_sampler=y num_workers=k collate_fn=c "
        "timeout=r pin_memory=z prefetch_factor=i persistent_workers=z"
    )
    given = []
    for part in form.split():
        name, _, kind = part.partition("=")
        if rng.random() > 0.25:
            continue
        values: Any = {
            **VALUES,
            "z": ("False", "None", "0"),
            "k": ("0", "0", "-1", "0.5", "None"),
            "y": (
                "None",
                "[2, 0, 1]",
                "[[0, 1], [2]]",
                "iter([0])",
                "3",
                "[]",
                "torch.utils.data.SequentialSampler(range(3))",
            ),
            "c": ("list", "len", "None", "3", "lambda b: b[0]"),
        }[kind]
        given.append(f"{name}={rng.choice(values[:4] if rng.random() < 0.6 else values)}")
    return [
        f"d = {data}",
        f"m = torch.utils.data.DataLoader(d, {', '.join(given)})",
        "o = [b for b in m]",
        "o_again = [b for b in m]",
        "o_len = len(m)",
    ]


def _distribution(rng: random.Random) -> list[str]:
    name = rng.choice(list(DISTRIBUTIONS))
    checked = rng.choice(("", "", ", validate_args=False"))
    made = f"torch.distributions.{name}({_arguments(rng, DISTRIBUTIONS[name], 0.9)}{checked})"
    value = rng.choice(VALUES["v"][:9])
    what = rng.choice(
        (
            "log_prob(v)",
            "log_prob(v)",
            "mean",
            "variance",
            "entropy()",
            "cdf(v)",
            "mode",
            "icdf(v)",
            "stddev",
            "expand((2, 2)).log_prob(v)",
            "sample().shape",
            "rsample((2,)).shape",
            "enumerate_support()",
            "perplexity()",
            "sample((0, 2)).shape",
            "support.check(v)",
        )
    )
    return [
        f"v = {value}",
        f"m = {made}",
        "o_shapes = [list(m.batch_shape), list(m.event_shape)]",
        f"o = m.{what}",
        "o = list(o) if isinstance(o, tuple) else o",
    ]


def _transform(rng: random.Random) -> list[str]:
    f = rng.choice(FUNCTIONS)
    x, y = rng.choice(INPUTS[:4] if rng.random() < 0.7 else INPUTS), rng.choice(INPUTS)
    both = f"{x}, {y}" if "x, y" in f else x
    dims = rng.choice(("0", "1", "-1", "None", "(0,)", "(0, None)", "2", "'a'", "(None, 0)", "1.0"))
    which = rng.choice(("0", "0", "1", "(0,)", "(0, 1)", "-1", "2", "None", "()", "(0, 0)"))
    call = rng.choice(
        (
            f"vmap(f, in_dims={dims})({both})",
            f"vmap(f, 0, {dims})({both})",
            f"vmap(f)({both})",
            f"grad(f, argnums={which})({both})",
            f"grad_and_value(f, {which})({both})",
            f"vmap(grad(f))({both})",
            f"jacrev(f, argnums={which})({both})",
            f"jacfwd(f, {which})({both})",
            f"hessian(f)({both})",
            f"vjp(f, {both})[0]",
            f"jvp(f, ({both},), ({both},))",
            f"vmap(f, chunk_size={rng.choice(INTS)})({both})",
            f"jacrev(f, chunk_size={rng.choice(INTS)})({both})",
            f"vmap(vmap(f))({both})",
            f"linearize(f, {both})[0]",
            f"grad(f, has_aux={rng.choice(FLAGS)})({both})",
        )
    )
    return [
        "from_ = torch.func",
        f"f = {f}",
        f"o = from_.{call}".replace("from_.vmap", "torch.vmap")
        .replace("(grad", "(from_.grad")
        .replace("(vmap", "(torch.vmap"),
        "o = list(o.values()) if isinstance(o, dict) else o",
    ]


KINDS: tuple[Callable[[random.Random], list[str]], ...] = (
    _module,
    _module,
    _module,
    _loss,
    _optimizer,
    _optimizer,
    _loader,
    _distribution,
    _distribution,
    _transform,
)


def draw(number: int) -> tuple[str, ...]:
    """Case ``number``: a program, step by step."""
    rng = random.Random(f"object#{number}")
    return tuple(rng.choice(KINDS)(rng))


def outcome(L: Any, steps: tuple[str, ...]) -> dict[str, Any]:
    """Run it; what came of it, as plain values."""
    L.manual_seed(0)
    scope: dict[str, Any] = {"torch": L}
    for step in steps:
        exec(compile(step, "<docstring>", "exec"), scope)  # an error in it is the program's own
    return {n: beside.plain(v) for n, v in scope.items() if n[0] == "o"}


def judged(number: int) -> tuple[str, str, bool]:
    """What is wrong with case ``number``, empty if nothing is; and whether it was carried out."""
    steps = draw(number)
    words = "; ".join(steps)
    wrong, done = beside.compared(lambda L: outcome(L, steps), words, LENIENT, STRICT)
    return words, wrong, done
