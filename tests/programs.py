"""Random programs: compositions of ops on shared values, in-place writes and views among them.

A program is a list of instructions, each an op of ``OPS`` and numbers that choose its operands. It
runs on any library with PyTorch's names, so it can be compared between backends and with PyTorch.
All values have shapes that broadcast with (3, 3), and all ops keep values moderate.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

from hypothesis import strategies as st

SHAPES = ((3, 3), (3, 3), (3,), (3, 1), (1, 3), ())


def full(x: Any) -> Any:
    """As a matrix."""
    return x.expand(3, 3)


#: name: (number of operands, function of (library, operands, a number from 0 to 11))
OPS: dict[str, tuple[int, Any]] = {
    "add": (2, lambda L, a, b, n: a + b),
    "sub": (2, lambda L, a, b, n: a - b),
    "mul": (2, lambda L, a, b, n: L.tanh(a) * L.tanh(b)),
    "div": (2, lambda L, a, b, n: a / (b * b + 1.5)),
    "rsub": (1, lambda L, a, n: 1.5 - a),
    "rdiv": (1, lambda L, a, n: 2 / (a * a + 1)),
    "pow": (1, lambda L, a, n: (a.abs() + 0.5) ** (0, 1, 2, 0.5, 1.5, -1)[n % 6] * 0.5),
    "neg": (1, lambda L, a, n: -a),
    "maximum": (2, lambda L, a, b, n: L.maximum(a, b)),
    "minimum": (2, lambda L, a, b, n: L.minimum(a, b)),
    "where": (3, lambda L, a, b, c, n: L.where(a > 0.1, b, c)),
    "clamp": (1, lambda L, a, n: a.clamp(min=-0.7, max=0.9)),
    "exp": (1, lambda L, a, n: L.exp(L.sin(a))),
    "log": (1, lambda L, a, n: L.log(a * a + 0.5)),
    "sqrt": (1, lambda L, a, n: L.sqrt(a * a + 0.3)),
    "tanh": (1, lambda L, a, n: L.tanh(a)),
    "sigmoid": (1, lambda L, a, n: L.sigmoid(a)),
    "relu": (1, lambda L, a, n: L.relu(a)),
    "erf": (1, lambda L, a, n: L.erf(a)),
    "cos": (1, lambda L, a, n: L.cos(a)),
    "atan2": (2, lambda L, a, b, n: L.atan2(a, b * b + 0.5)),
    "lerp": (2, lambda L, a, b, n: L.lerp(full(a), full(b), 0.1 * n)),
    "sum": (1, lambda L, a, n: full(a).sum(n % 2, keepdim=n % 3 > 0) * 0.4),
    "mean": (1, lambda L, a, n: full(a).mean(-1 - n % 2, keepdim=n % 3 > 0)),
    "sum_all": (1, lambda L, a, n: a.sum() * 0.2),
    "amax": (1, lambda L, a, n: full(a).amax(n % 2, keepdim=True)),
    "max": (1, lambda L, a, n: full(a).max(n % 2)[0]),
    "var": (1, lambda L, a, n: full(a).var(n % 2, keepdim=True)),
    "logsumexp": (1, lambda L, a, n: L.logsumexp(full(a), n % 2, keepdim=True) * 0.5),
    "cumsum": (1, lambda L, a, n: L.cumsum(full(a), n % 2) * 0.4),
    "prod": (1, lambda L, a, n: L.prod(L.tanh(full(a)), n % 2)),
    "softmax": (1, lambda L, a, n: L.softmax(full(a), n % 2)),
    "log_softmax": (1, lambda L, a, n: L.log_softmax(full(a), -1)),
    "matmul": (2, lambda L, a, b, n: full(a) @ full(b) * 0.3),
    "mv": (2, lambda L, a, b, n: full(a) @ full(b)[n % 3] * 0.3),
    "einsum": (2, lambda L, a, b, n: L.einsum("ij,jk->ki", full(a), full(b)) * 0.3),
    "t": (1, lambda L, a, n: full(a).t()),
    "flip": (1, lambda L, a, n: L.flip(full(a), (n % 2,))),
    "roll": (1, lambda L, a, n: L.roll(full(a), n % 3, n % 2)),
    "tril": (1, lambda L, a, n: L.tril(full(a), n % 3 - 1)),
    "cat": (2, lambda L, a, b, n: L.cat([full(a), full(b)], n % 2)[
        (slice(None),) * (n % 2) + (slice(n % 4, n % 4 + 3), Ellipsis)]),
    "stack": (2, lambda L, a, b, n: L.stack([full(a), full(b)], n % 3).mean(n % 3)),
    "reshape": (1, lambda L, a, n: (full(a) * 1.0).reshape(9)[n % 7:n % 7 + 3]),
    "index": (1, lambda L, a, n: full(a)[n % 3]),
    "index_reversed": (1, lambda L, a, n: full(a)[L.tensor([2, 0, 2]), L.tensor([n % 3, 1, 1])]),
    "index_select": (1, lambda L, a, n: L.index_select(full(a), n % 2, L.tensor([1, 1, 0]))),
    "mask": (1, lambda L, a, n: full(a).masked_fill(full(a) > 0.4, 0.25)),
    "detach": (1, lambda L, a, n: a.detach() * 0.5),
    "clone": (1, lambda L, a, n: a.clone()),
    "double_use": (1, lambda L, a, n: a * a * 0.3 + a),
}  # fmt: skip

#: Those that write: into a value that an op made, or through a view of it.
WRITES: dict[str, tuple[int, Any]] = {
    "add_": (2, lambda L, a, b, n: a.add_(L.tanh(b))),
    "mul_": (2, lambda L, a, b, n: a.mul_(L.cos(b))),
    "tanh_": (1, lambda L, a, n: a.tanh_()),
    "iadd": (1, lambda L, a, n: a.__iadd__(0.25)),
    "zero_": (1, lambda L, a, n: a.detach().zero_() if n == 0 else a.zero_()),
    "copy_": (2, lambda L, a, b, n: a.copy_(_apart(b))),
    "fill_": (1, lambda L, a, n: a.fill_(0.5)),
    "set_row": (2, lambda L, a, b, n: _set(a, n % 3, _apart(b))),
    "set_number": (1, lambda L, a, n: _set(a, Ellipsis, 0.3)),
    "set_column": (2, lambda L, a, b, n: _set(a, _column(a, n), _apart(b))),
    "write_view": (2, lambda L, a, b, n: _through(a, n).mul_(0.5)),
    "write_view_of_view": (2, lambda L, a, b, n: _through(_through(a, n), n + 1).add_(0.1)),
    "keep_view": (1, lambda L, a, n: _through(a, n)),
}


def _apart(b: Any) -> Any:
    """What is written shares no memory with where it goes: else PyTorch refuses, or scrambles."""
    return b * 1.0


def _set(a: Any, index: Any, value: Any) -> Any:
    if isinstance(index, int) and a.ndim:
        index %= a.shape[0]
    a[index if a.ndim else Ellipsis] = value
    return a


def _column(a: Any, n: int) -> Any:
    first = n % a.shape[-1] if a.ndim else 0
    return Ellipsis, slice(first, first + 1)


def _through(a: Any, n: int) -> Any:
    """Some view of a value."""
    if a.ndim == 2:
        return (a.t(), a[n % a.shape[0]], a[:, n % a.shape[1] :], a.unsqueeze(0)[0])[n % 4]
    if a.ndim == 1:
        return (a[n % a.shape[0] :], a.unsqueeze(1), a[n % a.shape[0]])[n % 3]
    return a.reshape(())  # fmt: skip


class Step(NamedTuple):
    """One instruction; ``picks`` choose operands among the values so far, counted from the last."""

    name: str
    picks: tuple[int, int, int]
    number: int


class Program(NamedTuple):
    """Steps, the seed of the leaves' values, and whether to differentiate twice."""

    steps: tuple[Step, ...]
    seed: int
    twice: bool


def programs(*, writes: bool, length: int = 8) -> st.SearchStrategy[Program]:
    """Programs of 2 to ``length`` steps."""
    names = list(OPS) + (list(WRITES) * 2 if writes else [])
    step = st.builds(
        Step,
        st.sampled_from(names),
        st.tuples(*[st.integers(0, 9)] * 3),
        st.integers(0, 11),
    )
    return st.builds(
        Program,
        st.lists(step, min_size=2, max_size=length).map(tuple),
        st.integers(0, 1000),
        st.booleans(),
    )


class Outcome(NamedTuple):
    """What a run gave: values, gradients of the leaves, second ones; or the kind of error."""

    values: list[Any]
    grads: list[Any]
    second: list[Any]
    error: str | None
    loss: float = 0.0


def cuts(program: Program) -> bool:
    """Whether a gradient is cut off on purpose, so that finite differences do not agree."""
    return any(s.name == "detach" or (s.name == "zero_" and s.number == 0) for s in program.steps)


def run(program: Program, library: Any, leaf: Any, numbers: Any = None) -> Outcome:
    """Run on ``library``; ``leaf(values)`` makes a leaf of nested lists of numbers."""
    leaves = [leaf(n) for n in numbers or leaf_numbers(program)]
    values = list(leaves)
    try:
        for step in program.steps:
            count, function = OPS.get(step.name) or WRITES[step.name]
            operands = [values[-1 - p % len(values)] for p in step.picks[:count]]
            if step.name in WRITES:
                made = values[len(leaves) :] or [leaves[0] * 1.0]
                operands[0] = made[-1 - step.picks[0] % len(made)]
            values.append(function(library, *operands, step.number))
        made = values[len(leaves) :]
        loss = sum((v * (0.5 + 0.1 * i)).sum() for i, v in enumerate(made[-3:]))
        shown = [v.detach().clone() for v in made]
        if not loss.requires_grad:
            return Outcome(shown, [None] * len(leaves), [None] * len(leaves), None, float(loss))
        grads = library.autograd.grad(loss, leaves, create_graph=program.twice, allow_unused=True)
        second: Any = [None] * len(leaves)
        if program.twice:
            squares = [(g * g).sum() for g in grads if g is not None and g.requires_grad]
            if squares:
                second = library.autograd.grad(sum(squares), leaves, allow_unused=True)
        return Outcome(shown, list(grads), list(second), None, float(loss.detach()))
    except RuntimeError as error:
        return Outcome([], [], [], kind(str(error)))


def kind(text: str) -> str:
    """What an error is about, in words that both libraries' texts share."""
    for word in (
        "modified by an inplace operation", "leaf Variable that requires grad",
        "refers to a single memory location",
    ):  # fmt: skip
        if word in text:
            return word
    for word in ("broadcast shape", "shape mismatch", "must match the", "expand", "broadcast"):
        if word in text:
            return "shapes"
    return text


def leaf_numbers(program: Program) -> list[Any]:
    """The leaves' values, by the program's seed."""
    stream = random.Random(program.seed)
    return [_numbers(stream, shape) for shape in SHAPES]


def _numbers(stream: random.Random, shape: tuple[int, ...]) -> Any:
    if not shape:
        return stream.uniform(-1.5, 1.5)
    return [_numbers(stream, shape[1:]) for _ in range(shape[0])]


def show(program: Program) -> str:
    """The program as text, for a failing test's report."""
    return "\n".join(f"  {s.name} picks={s.picks} n={s.number}" for s in program.steps)
