"""picking: values at given places of each flattened plane, and back: unpooling, adaptive maxima.

Layout: x (N, C, *spatial), ``indices`` (N, C, *out): numbers into the flattened spatial dimensions.
"""

from __future__ import annotations

from typing import Any

from .. import backend as backends
from ..dtypes import from_native
from ..errors import ShapeError
from ..op import KEEP, NONE, op
from ..samples import Arr, Sample, call
from .convolve import size_of
from .resample import listed

# fmt: off
pool_scatter = op("pool_scatter", lambda xp, grad, indices, *, shape:
                      _scatter(xp, grad, indices, shape),
                  grad=lambda g, indices: pool_gather(g, indices), indices=NONE,
                  dtype=KEEP, method=False,
                  samples=call(Arr((2, 3, 2)), Arr((2, 3, 2), 0, 8, "int"), shape=(2, 3, 2, 4)))
pool_gather = op("pool_gather", lambda xp, x, indices: _gather(xp, x, indices),
                 x=lambda g, indices, x_shape: pool_scatter(g, indices, shape=tuple(x_shape)),
                 indices=NONE, dtype=KEEP, method=False,
                 samples=call(Arr((2, 3, 2, 4)), Arr((2, 3, 2), 0, 8, "int")))
#: As ``pool_scatter``, but what meets at one place is one value, not a sum.
max_unpool = op("max_unpool", lambda xp, x, indices, *, shape: _unpool(xp, x, indices, shape),
                x=lambda g, indices: pool_gather(g, indices), indices=NONE,
                dtype=KEEP, method=False, node="MaxUnpool2DBackward0",
                samples=call(Arr((2, 3, 1)), Arr((2, 3, 1), 0, 6, "int"), shape=(2, 3, 2, 3)))
#: The largest value of each of ``size`` equal parts of every dimension, and where it was.
adaptive_max_pool = op("adaptive_max_pool",
                       lambda xp, x, *, size: _adaptive_max(xp, x, size),
                       x=lambda g, indices, x_shape: pool_scatter(
                           g[0] if isinstance(g, list) else g, indices, shape=tuple(x_shape)),
                       outputs=("values", "indices"), differentiable=1, method=False,
                       node="AdaptiveMaxPool2DBackward0", refuses=("bool", "int", "complex"),
                       samples=[Sample((Arr((2, 2, 5, 4), distinct=True),), {"size": (3, 2)}),
                                Sample((Arr((1, 2, 7), distinct=True),), {"size": (4,)})])
# fmt: on


def parts(n: int, count: int) -> list[tuple[int, int]]:
    """Where each of ``count`` parts of a dimension begins and ends; they may overlap."""
    listed(count)
    return [(i * n // count, -(-(i + 1) * n // count)) for i in range(count)]


def _flat_index(xp: Any, indices: Any) -> tuple[Any, Any]:
    lead, size = indices.shape[0] * indices.shape[1], size_of(indices.shape[2:])
    return xp.reshape(xp.arange(lead, dtype=xp.int64), (lead, 1)), xp.reshape(indices, (lead, size))


def _scatter(xp: Any, grad: Any, indices: Any, shape: Any) -> Any:
    out = xp.zeros((shape[0] * shape[1], size_of(shape[2:])), dtype=grad.dtype)
    index = _flat_index(xp, indices)
    backends.by_type[out.__class__].scatter_add(out, index, xp.reshape(grad, index[1].shape))
    return xp.reshape(out, shape)


def _gather(xp: Any, x: Any, indices: Any) -> Any:
    rows, columns = _flat_index(xp, indices)
    flat = xp.reshape(x, (rows.shape[0], size_of(x.shape[2:])))
    return xp.reshape(xp.take_along_axis(flat, columns, axis=1), indices.shape)


def _unpool(xp: Any, x: Any, indices: Any, shape: Any) -> Any:
    """Where windows overlap, a place is met by several equal values: their mean."""
    total = _scatter(xp, x, indices, shape)
    count = _scatter(xp, xp.ones(x.shape, dtype=x.dtype), indices, shape)
    once = xp.clip(count, 1, None)
    return total / once if from_native[x.dtype].is_floating_point else total // once


def _adaptive_max(xp: Any, x: Any, size: Any) -> Any:
    """One dimension after the other from the last, so that of equal values the first is taken."""
    if 0 in x.shape[2:]:
        raise ShapeError(f"the input {tuple(x.shape)} has no values to choose from")
    best = x
    places: list[Any] = []
    for axis in range(x.ndim - 1, 1, -1):
        bounds = parts(x.shape[axis], size[axis - 2])
        line = (-1,) + (1,) * (x.ndim - 1 - axis)
        source, best = best, None
        for j in range(max(stop - start for start, stop in bounds)):
            index = xp.asarray([min(a + j, b - 1) for a, b in bounds], dtype=xp.int64)
            candidate = xp.take(source, index, axis=axis)
            index = xp.broadcast_to(xp.reshape(index, line), candidate.shape)
            if best is None:
                best, chosen = candidate, index
                continue
            better = (candidate > best) | (candidate != candidate)
            best = xp.where(better, candidate, best)
            chosen = xp.where(better, index, chosen)
        places = [chosen, *(xp.take_along_axis(p, chosen, axis=axis) for p in places)]
    flat = places[0]
    for n, place in zip(x.shape[3:], places[1:]):
        flat = flat * n + place
    return best, xp.asarray(flat, copy=True)
