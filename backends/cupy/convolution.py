"""convolution: the three ops of the family by cuDNN, where it is installed and takes the problem.

cuDNN sees two dimensions at least: a single one is one of two, the other of length 1. How many
groups there are it sees by how many channels image and filter have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy

from anadrome.ops.convolve import sizes_of

from . import graphs

_FIRST, _SECOND, _RESULT = 1, 2, 3


def _wide(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape[:2], 1, shape[2]) if len(shape) == 3 else tuple(shape)


def _geometry(stride: Any, padding: Any, dilation: Any) -> dict[str, list[int]]:
    one = len(stride) == 1
    return {
        "padding": [0, *padding] if one else list(padding),
        "stride": [1, *stride] if one else list(stride),
        "dilation": [1, *dilation] if one else list(dilation),
    }


def _run(op: str, names: tuple[str, str], a: Any, b: Any, shape: tuple[int, ...], how: Any) -> Any:
    """An array of ``shape``, by the graph's op of that name; None where cuDNN does not do it."""
    if a.dtype != b.dtype or not (a.size and b.size) or len(shape) not in (3, 4, 5):
        return None
    if graphs.LIBRARY.opened() is None:
        return None
    a, b = cupy.ascontiguousarray(a), cupy.ascontiguousarray(b)
    out = cupy.empty(shape, a.dtype)
    shapes = _wide(a.shape), _wide(b.shape), _wide(shape)
    geometry = _geometry(**how)

    def make(graph: graphs.Graph) -> None:
        given = [graph.input(number, shape) for number, shape in zip((_FIRST, _SECOND), shapes)]
        result = getattr(graph.whole, op)(**dict(zip(names, given)), **geometry)
        graph.output(_RESULT, result, shapes[2])

    problem = (op, shapes, tuple(map(tuple, geometry.values())))
    arrays = {_FIRST: a, _SECOND: b, _RESULT: out}
    return out if graphs.run(problem, a.dtype, make, arrays) else None


def _biased(out: Any, b: Any) -> Any:
    if b is not None:
        out += b.reshape(1, -1, *(1,) * (out.ndim - 2))
    return out


def kernels(composed: Callable[[str], Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """By name of the op; ``composed`` gives what runs it otherwise."""
    before = {name: composed(name) for name in ("convolution", "conv_input", "conv_weight")}

    def convolution(x: Any, w: Any, b: Any = None, *, groups: int = 1, **how: Any) -> Any:
        sizes = sizes_of(x.shape, w.shape[2:], **how)
        out = _run("conv_fprop", ("image", "weight"), x, w, (x.shape[0], w.shape[0], *sizes), how)
        if out is None:
            return before["convolution"](x, w, b, groups=groups, **how)
        return _biased(out, b)

    def conv_input(
        grad: Any, w: Any, b: Any = None, *, shape: Any, groups: int = 1, **how: Any
    ) -> Any:
        fits = tuple(grad.shape[2:]) == sizes_of(shape, w.shape[2:], **how)
        out = _run("conv_dgrad", ("loss", "filter"), grad, w, tuple(shape), how) if fits else None
        if out is None:
            return before["conv_input"](grad, w, b, shape=shape, groups=groups, **how)
        return _biased(out, b)

    def conv_weight(grad: Any, x: Any, *, shape: Any, groups: int = 1, **how: Any) -> Any:
        fits = tuple(grad.shape[2:]) == sizes_of(x.shape, shape[2:], **how)
        out = _run("conv_wgrad", ("image", "loss"), x, grad, tuple(shape), how) if fits else None
        if out is None:
            return before["conv_weight"](grad, x, shape=shape, groups=groups, **how)
        return out

    return {"convolution": convolution, "conv_input": conv_input, "conv_weight": conv_weight}
