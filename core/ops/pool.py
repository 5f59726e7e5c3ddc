"""pool: the largest or the mean value of each window."""

from __future__ import annotations

import itertools
from typing import Any

from .. import backend as backends
from ..errors import ShapeError
from ..op import FLOAT, KEEP, NONE, op
from ..samples import Arr, Sample, call
from .convolve import offsets, size_of

_WINDOW = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0)}
_OVERLAP = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 1)}
_CEIL = {"kernel": (3, 2), "stride": (2, 2), "padding": (0, 0), "ceil_mode": True}

# fmt: off
#: ``indices``: where in the flattened spatial dimensions the largest value was.
max_pool = op("max_pool",
              lambda xp, x, *, kernel, stride, padding, dilation=(1, 1), ceil_mode=False:
                  _max_pool(xp, x, kernel, stride, padding, dilation, ceil_mode),
              x=lambda g, indices, x_shape: pool_scatter(_first(g), indices, shape=tuple(x_shape)),
              outputs=("values", "indices"), differentiable=1, method=False,
              node="MaxPool2DWithIndicesBackward0",
              samples=[Sample((Arr((2, 3, 4, 4), distinct=True),), _WINDOW),
                       Sample((Arr((1, 2, 5, 5), distinct=True),), _OVERLAP),
                       Sample((Arr((1, 2, 6, 5), distinct=True),), _CEIL)])
pool_scatter = op("pool_scatter", lambda xp, grad, indices, *, shape:
                      _scatter(xp, grad, indices, shape),
                  grad=lambda g, indices: pool_gather(g, indices), indices=NONE,
                  dtype=KEEP, method=False,
                  samples=call(Arr((2, 3, 2)), Arr((2, 3, 2), 0, 8, "int"),
                               shape=(2, 3, 2, 4)))
pool_gather = op("pool_gather", lambda xp, x, indices: _gather(xp, x, indices),
                 x=lambda g, indices, x_shape: pool_scatter(g, indices, shape=tuple(x_shape)),
                 indices=NONE, dtype=KEEP, method=False,
                 samples=call(Arr((2, 3, 2, 4)), Arr((2, 3, 2), 0, 8, "int")))
#: ``divisor``: divides every sum by it, instead of by the number of values in the window.
avg_pool = op("avg_pool",
              lambda xp, x, *, kernel, stride, padding, ceil_mode=False, count_pad=True,
                  divisor=None:
                  _avg_pool(xp, x, kernel, stride, padding, ceil_mode, count_pad, divisor),
              x=lambda g, x_shape, kernel, stride, padding, ceil_mode, count_pad, divisor:
                  avg_pool_backward(
                      g, shape=tuple(x_shape), kernel=kernel, stride=stride, padding=padding,
                      ceil_mode=ceil_mode, count_pad=count_pad, divisor=divisor),
              dtype=FLOAT, method=False, node="AvgPool2DBackward0",
              samples=[Sample((Arr((2, 3, 4, 4)),), _WINDOW),
                       Sample((Arr((1, 2, 5, 5)),), _OVERLAP),
                       Sample((Arr((1, 2, 5, 5)),), {**_OVERLAP, "count_pad": False}),
                       Sample((Arr((1, 2, 5, 5)),), {**_OVERLAP, "divisor": 3}),
                       Sample((Arr((1, 2, 6, 5)),), _CEIL)])
avg_pool_backward = op("avg_pool_backward",
                       lambda xp, grad, *, shape, kernel, stride, padding, ceil_mode, count_pad,
                           divisor:
                           _avg_back(xp, grad, shape, kernel, stride, padding, ceil_mode, count_pad,
                                     divisor),
                       grad=lambda g, kernel, stride, padding, ceil_mode, count_pad, divisor:
                           avg_pool(g, kernel=kernel, stride=stride, padding=padding,
                                    ceil_mode=ceil_mode, count_pad=count_pad, divisor=divisor),
                       dtype=FLOAT, method=False,
                       samples=[Sample((Arr((1, 2, 3, 6)),),
                                       {"shape": (1, 2, 5, 5), **_OVERLAP, "ceil_mode": False,
                                        "count_pad": False, "divisor": None})])
# fmt: on


def _first(g: Any) -> Any:
    return g[0] if isinstance(g, list) else g


def pooled_size(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """Length of a pooled dimension; a last window may not start in the right padding."""
    span = n + 2 * p - d * (k - 1) - 1
    size = (-(-span // s) if ceil_mode else span // s) + 1
    if ceil_mode and (size - 1) * s >= n + p:
        size -= 1
    return size


def _windows(
    xp: Any,
    x: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    ceil_mode: bool,
    fill: float,
) -> tuple[Any, Any, Any]:
    """The input padded so that each window is whole, the output's sizes, the windows' slices."""
    spatial = x.shape[2:]
    sizes = tuple(
        pooled_size(n, k, s, p, d, ceil_mode)
        for n, k, s, p, d in zip(spatial, kernel, stride, padding, dilation)
    )
    if min(sizes) <= 0 or 0 in spatial:
        raise ShapeError(
            f"the input {tuple(spatial)} is smaller than the window {tuple(kernel)}: the output "
            f"would be {sizes}"
        )
    lengths = tuple(
        max((o - 1) * s + d * (k - 1) + 1, n + 2 * p)
        for o, k, s, p, d, n in zip(sizes, kernel, stride, padding, dilation, spatial)
    )
    if lengths != tuple(spatial):
        whole = xp.full((*x.shape[:2], *lengths), fill, dtype=x.dtype)
        whole[(..., *(slice(p, p + n) for p, n in zip(padding, spatial)))] = x
        x = whole
    return x, sizes, [(..., *o) for o in offsets(kernel, sizes, stride, dilation)]


def _max_pool(
    xp: Any, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Any:
    spatial = x.shape[2:]
    dilation = tuple(dilation)[: len(spatial)]
    whole, sizes, windows = _windows(
        xp, x, kernel, stride, padding, dilation, ceil_mode, _lowest(xp, x)
    )
    best = xp.asarray(whole[windows[0]], copy=True)
    chosen = xp.zeros(best.shape, dtype=xp.int64)
    for i, window in enumerate(windows[1:], 1):
        candidate = whole[window]
        better = (candidate > best) | (candidate != candidate)
        best = xp.where(better, candidate, best)
        chosen = xp.where(better, i, chosen)
    return best, _places(xp, chosen, spatial, kernel, stride, padding, dilation, sizes)


def _lowest(xp: Any, x: Any) -> float:
    return -float("inf") if xp.isdtype(x.dtype, "real floating") else xp.iinfo(x.dtype).min


def _places(
    xp: Any,
    chosen: Any,
    spatial: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    sizes: Any,
) -> Any:
    """Position in the window to position in the flattened input."""
    ndim = len(spatial)
    positions = list(itertools.product(*(range(k) for k in kernel)))
    flat = xp.zeros(chosen.shape, dtype=xp.int64)
    for axis in range(ndim):
        table = xp.asarray([p[axis] * dilation[axis] for p in positions], dtype=xp.int64)
        inside = xp.reshape(xp.take(table, xp.reshape(chosen, (-1,)), axis=0), chosen.shape)
        start = xp.arange(sizes[axis], dtype=xp.int64) * stride[axis] - padding[axis]
        shape = tuple(sizes[axis] if j == axis else 1 for j in range(ndim))
        # Among values of -inf the padding may have been chosen; then the nearest real place is.
        place = xp.clip(inside + xp.reshape(start, shape), 0, spatial[axis] - 1)
        flat = flat * spatial[axis] + place
    return flat


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


def _counts(
    xp: Any,
    x: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    sizes: Any,
    count_pad: bool,
    divisor: Any,
) -> Any:
    """How many values each window's mean is over; padding counts, what ceil_mode adds does not."""
    if divisor is not None:
        return divisor
    ndim = len(kernel)
    total: Any = 1.0
    for axis, (n, k, s, p, o) in enumerate(zip(x.shape[2:], kernel, stride, padding, sizes)):
        low, high = (-p, n + p) if count_pad else (0, n)
        counts = [min(i * s - p + k, high) - max(i * s - p, low) for i in range(o)]
        shape = tuple(o if j == axis else 1 for j in range(ndim))
        total = total * xp.reshape(xp.asarray(counts, dtype=x.dtype), shape)
    return total


def _avg_pool(
    xp: Any,
    x: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_pad: bool,
    divisor: Any,
) -> Any:
    ones = (1,) * len(kernel)
    whole, sizes, windows = _windows(xp, x, kernel, stride, padding, ones, ceil_mode, 0.0)
    total = xp.asarray(whole[windows[0]], copy=True)
    for window in windows[1:]:
        total += whole[window]
    return total / _counts(xp, x, kernel, stride, padding, sizes, count_pad, divisor)


def _avg_back(
    xp: Any,
    grad: Any,
    shape: Any,
    kernel: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_pad: bool,
    divisor: Any,
) -> Any:
    ones = (1,) * len(kernel)
    empty = xp.zeros(shape, dtype=grad.dtype)
    whole, sizes, windows = _windows(xp, empty, kernel, stride, padding, ones, ceil_mode, 0.0)
    share = grad / _counts(xp, empty, kernel, stride, padding, sizes, count_pad, divisor)
    for window in windows:
        whole[window] += share
    inner = tuple(slice(p, p + n) for p, n in zip(padding, shape[2:]))
    return whole[(..., *inner)]
