"""overlap: results that are written where the arguments lie.

``out=`` that is a part of an input or shares some elements with it, in-place methods of a view with
another view of the same memory, and outputs whose own elements overlap. The same call is made of
copies, which is what it has to give: all of it is right, nothing else in the memory has changed, or
it is refused. PyTorch refuses most of these.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import anadrome as ad

from . import oracle, surface
from .draws import Drawn

#: How many numbers there are in the memory; a view is of 3 by 3 of them, or a part of that.
COUNT = 40
DTYPES = ("float64", "float64", "float32", "int64", "bool", "complex128", "float16")
#: What is drawn, or means memory and not values.
_NOT = ("rand", "dropout", "bernoulli", "normal", "poisson", "exponential", "cauchy", "geometric",
        "uniform", "empty", "resize", "set_", "storage", "requires_grad", "retain_grad", "rrelu",
        "detach", "share", "multinomial", "data", "apply_", "map_", "map2_", "lowrank", "compile",
        "seed", "rng", "lstsq", "_is_", "rename", "swap_tensors", "squeeze_", "transpose_", "t_",
        "as_strided", "swapaxes", "swapdims", "register", "type", "new", "init", "from_", "set_",
        "manual", "save", "load", "print", "default", "grad", "is_", "fill_diagonal")  # fmt: skip


class Case(NamedTuple):
    """``function(*views, *numbers)``; ``target`` is the place of ``out``, None for in-place."""

    name: str
    function: Callable[..., Any]
    views: list[tuple[int, tuple[int, ...], tuple[int, ...]]]
    numbers: tuple[Any, ...]
    target: tuple[int, tuple[int, ...], tuple[int, ...]] | None
    dtype: str


@functools.cache
def functions() -> tuple[tuple[str, Callable[..., Any], bool], ...]:
    """Names, functions, and whether they write their first argument."""
    out = []
    for t in surface.targets():
        plain = t.path.rpartition(".")[2]
        if t.is_class or any(word in t.path for word in _NOT) or plain[:2] == "__":
            continue
        if t.is_method and plain.endswith("_"):
            out.append((t.path, t.value, True))
        elif t.family in ("anadrome", "linalg", "special", "fft") and not plain.endswith("_"):
            out.append((t.path, t.value, False))
    return tuple(out)


def _view(rng: random.Random, near: int | None = None) -> Any:
    """Offset, lengths and strides of a view; ``near``: of an offset close to another."""
    kind = rng.randrange(8)
    offset = rng.randrange(12) if near is None else max(0, min(12, near + rng.randrange(-4, 5)))
    if kind < 3:
        return offset, (3, 3), (3, 1)
    if kind == 3:
        return offset, (3, 3), (1, 3)
    if kind == 4:
        return offset, (3, 3), (6, 2)
    if kind == 5:
        return offset, (3, 3), rng.choice(((1, 1), (2, 1), (0, 1), (1, 0)))
    return offset, rng.choice(((9,), (3,), (1, 3), (2, 3))), ()


def _as(memory: ad.Tensor, view: Any) -> ad.Tensor:
    offset, lengths, strides = view
    if not strides:
        return memory[offset : offset + int(np.prod(lengths))].view(lengths)
    return memory.as_strided(lengths, strides, offset)


def draw(number: int) -> Case:
    """Case ``number``."""
    rng = random.Random(f"overlap#{number}")
    name, function, in_place = rng.choice(functions())
    first = _view(rng)
    views = [first]
    for _ in range(rng.choice((0, 1, 1, 2))):
        again = _view(rng, first[0])
        views.append(again if rng.random() < 0.5 else (again[0], *first[1:]))
    numbers = rng.choice(((), (), (), (0,), (1,), (0.5,), (2,)))
    target = None
    if not in_place:
        near = rng.choice(views)
        target = rng.choice((near, (_view(rng, near[0])[0], *near[1:]), _view(rng, near[0])))
    return Case(name, function, views, numbers, target, rng.choice(DTYPES))


def _forms(case: Case) -> Any:
    """The case, and what else the function may take."""
    for count in (len(case.views), 1, 2, 3):
        views = (case.views * 3)[:count]
        for numbers in (case.numbers, (), (1,), (0,), (0.5,), (0, 1)):
            yield views, numbers


def judged(number: int) -> tuple[Case, str, bool]:
    """What is wrong with case ``number``, empty if nothing is; and whether it was carried out."""
    case = draw(number)
    nothing = Drawn([], {}, 0)
    memory = _memory(case)
    for views, numbers in _forms(case):
        copies = [_as(memory, v).clone() for v in views]
        right, expected = oracle.attempt(lambda: case.function(*copies, *numbers), nothing)
        if right.kind == oracle.WORKED:
            break
    else:
        return case, "", False
    case = case._replace(views=views, numbers=numbers)
    views = [_as(memory, v) for v in case.views]
    if case.target is None:
        target: Any = views[0]
        done, _ = oracle.attempt(lambda: case.function(*views, *case.numbers), nothing)
        expected = copies[0]
    else:
        target = _as(memory, case.target)
        done, _ = oracle.attempt(lambda: case.function(*views, *case.numbers, out=target), nothing)
    before = _memory(case).numpy()
    if done.kind != oracle.WORKED:
        changed = not np.array_equal(memory.numpy(), before, equal_nan=case.dtype != "bool")
        if done.kind not in (oracle.REFUSED, oracle.BINDING):
            return case, str(done), False
        return case, f"refused, but changed: {done.text}" if changed else "", False
    if not isinstance(expected, ad.Tensor):
        return case, "", False
    if target.shape != expected.shape:
        return case, f"shape {target.shape}, not {expected.shape}", True
    wanted = expected.to(target.dtype).numpy()
    if not np.allclose(target.numpy(), wanted, 1e-6, 1e-6, equal_nan=True):
        return case, f"{target.tolist()}, not {expected.tolist()}", True
    apart = np.ones(COUNT, bool)
    where = _as(ad.arange(COUNT), case.target or case.views[0])
    if tuple(where.shape) == tuple(target.shape):
        apart[where.numpy().reshape(-1)] = False
    if not np.array_equal(memory.numpy()[apart], before[apart]):
        return case, "what lies beside the output has changed", True
    return case, "", True


def _memory(case: Case) -> ad.Tensor:
    x = (ad.arange(COUNT, dtype=ad.float64) % 7) / 7 + 0.1
    if case.dtype == "bool":
        return x > 0.4
    return (
        (x * 7).to(getattr(ad, case.dtype))
        if case.dtype == "int64"
        else x.to(getattr(ad, case.dtype))
    )
