"""reference: the float64 answer of an op: its declared forward on the host, with no kernel."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from .. import autograd, dtypes
from .. import backend as backends
from ..op import NONE, Op, table
from ..tensor import Tensor, wrap
from .arguments import cotangents
from .compare import host

HOST = "numpy"


def widened(args: list[Any]) -> list[Any]:
    """The arguments' own (already rounded) values as float64 Tensors on the host."""
    adapter = backends.get(HOST)
    out = []
    for a in args:
        if isinstance(a, Tensor):
            kind = a.dtype
            if kind.is_complex:
                kind = dtypes.complex128
            elif kind.is_floating_point:
                kind = dtypes.float64
            a = wrap(adapter.asarray(host(a), dtype=adapter.dtype(kind)))
        out.append(a)
    return out


def as_float64(args: list[Any], sample: Any) -> list[Any]:
    """As ``widened``, and integers that stand for the dtype under test become float64 too."""
    from ..samples import Arr

    wide = widened(args)
    adapter = backends.get(HOST)
    for i, (a, given) in enumerate(zip(sample.args, wide)):
        if isinstance(a, Arr) and a.kind == "float" and not given.dtype.is_floating_point:
            wide[i] = wrap(adapter.asarray(host(given), dtype=adapter.dtype(dtypes.float64)))
    return wide


def value(op: Op, args: list[Any], keywords: dict[str, Any], drawn_by: str = HOST) -> list[Any]:
    """The declared forward over host arrays; a list of host arrays, one an output.

    What it draws by a key is what the backend ``drawn_by`` draws.
    """
    adapter = backends.get(HOST)
    arrays = [a._data if isinstance(a, Tensor) else a for a in args]
    with quiet(), drawing_as(drawn_by):
        result = op.forward(adapter.xp, *arrays, **keywords)
    return [adapter.asarray(r) for r in (result if len(op.outputs) > 1 else [result])]


def outputs(op: Op, args: list[Any], keywords: dict[str, Any]) -> list[Tensor]:
    """The op called as a user calls it; always a list."""
    with quiet():
        result = op.call(*args, **keywords)
    return list(result) if len(op.outputs) > 1 else [result]


def varied(op: Op, args: list[Any]) -> list[Tensor]:
    """The arguments with respect to which the op can be differentiated."""
    if not op.has_rules:
        return []
    rules = op.rules * len(args) if op.variadic else op.rules
    return [
        a
        for a, rule in zip(args, rules)
        if isinstance(a, Tensor) and a.dtype.category >= 2 and rule is not NONE
    ]


def vjp(
    op: Op, args: list[Any], keywords: dict[str, Any], *, create_graph: bool = False, seed: int = 0
) -> tuple[list[Tensor], list[Tensor | None]]:
    """Outputs, and the gradients of ``varied(op, args)`` for fixed gradients of the outputs."""
    over = varied(op, args)
    for a in over:
        if a.is_leaf:
            a.requires_grad_()
    outs = outputs(op, args, keywords)
    ends = [o for o in outs[: op.differentiable] if o.requires_grad]
    if not ends:
        return outs, [None] * len(over)
    with quiet():
        found = autograd.grad(
            ends, over, cotangents(ends, seed), create_graph=create_graph, allow_unused=True
        )
    return outs, list(found)


def draws(op: Op) -> bool:
    """Whether the op makes random numbers of a key that it is given."""
    return "key" in op.keywords


class _OnHost:
    """The masks of a backend, brought to the host: all that a forward draws."""

    def __init__(self, adapter: Any) -> None:
        self.adapter = adapter

    def keep_mask(self, key: Any, shape: Any, probability: float) -> Any:
        """The backend's own."""
        return self.adapter.to_host(self.adapter.generator().keep_mask(key, shape, probability))


@contextlib.contextmanager
def drawing_as(name: str) -> Iterator[None]:
    """Inside, ops on the host draw what that backend draws, without kernels.

    Two backends need not draw the same numbers of a key, and the host's kernels draw its own.
    """
    home = backends.get(HOST)
    drawing = [o for o in table.values() if draws(o)]
    before = [dict(o.implementations) for o in drawing]
    if name != HOST:
        brought = _OnHost(backends.get(name))
        home.generator = lambda device=None: brought  # type: ignore[method-assign]
    for o in drawing:
        o.implementations[home.array_type] = home.composed(o)
    try:
        yield
    finally:
        vars(home).pop("generator", None)
        for o, known in zip(drawing, before):
            o.implementations.clear()
            o.implementations.update(known)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Array libraries warn of overflow and NaN, which the checks provoke."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield
