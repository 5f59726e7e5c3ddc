"""pool: the largest or the mean value of each window."""

from __future__ import annotations

import functools
import itertools
from typing import Any

from ..errors import ShapeError
from ..op import FLOAT, KEEP, NONE, op
from ..samples import Arr, Sample, call
from .convolve import offsets

_WINDOW = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0)}
_OVERLAP = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 1)}
_CEIL = {"kernel": (3, 2), "stride": (2, 2), "padding": (0, 0), "ceil_mode": True}
_CLOSE = {"dilation": (1, 1)}
_LINE = {"kernel": (3,), "stride": (3,), "padding": (1,), "dilation": (1,)}

# fmt: off
#: ``chosen``: which position of the window the largest value had, counted row by row.
max_pool = op("max_pool",
              lambda xp, x, *, kernel, stride, padding, dilation, ceil_mode=False:
                  _max_pool(xp, x, kernel, stride, padding, dilation, ceil_mode),
              x=lambda g, chosen, x_shape, kernel, stride, padding, dilation: max_pool_backward(
                  _first(g), chosen, shape=tuple(x_shape), kernel=kernel, stride=stride,
                  padding=padding, dilation=dilation),
              outputs=("values", "chosen"), differentiable=1, method=False,
              node="MaxPool2DWithIndicesBackward0", named=lambda kernel: _name_of(
                  "MaxPool{}DWithIndicesBackward0", len(kernel)),
              samples=[Sample((Arr((2, 3, 4, 4), distinct=True),), {**_WINDOW, **_CLOSE}),
                       Sample((Arr((1, 2, 5, 5), distinct=True),), {**_OVERLAP, **_CLOSE}),
                       Sample((Arr((1, 2, 6, 5), distinct=True),), {**_CEIL, **_CLOSE}),
                       Sample((Arr((2, 2, 7), distinct=True),), _LINE)])
max_pool_backward = op("max_pool_backward",
                       lambda xp, grad, chosen, *, shape, kernel, stride, padding, dilation:
                           _max_back(xp, grad, chosen, shape, kernel, stride, padding, dilation),
                       grad=lambda g, chosen, kernel, stride, padding, dilation: max_pool_pick(
                           g, chosen, kernel=kernel, stride=stride, padding=padding,
                           dilation=dilation),
                       chosen=NONE, dtype=KEEP, method=False,
                       samples=call(Arr((2, 2, 3)), Arr((2, 2, 3), 0, 3, "int"), shape=(2, 2, 7),
                                    **_LINE))
#: What ``x`` has where the largest values of another array of its shape were.
max_pool_pick = op("max_pool_pick",
                   lambda xp, x, chosen, *, kernel, stride, padding, dilation:
                       _max_pick(xp, x, chosen, kernel, stride, padding, dilation),
                   x=lambda g, chosen, x_shape, kernel, stride, padding, dilation:
                       max_pool_backward(g, chosen, shape=tuple(x_shape), kernel=kernel,
                                         stride=stride, padding=padding, dilation=dilation),
                   chosen=NONE, dtype=KEEP, method=False,
                   samples=call(Arr((2, 2, 7)), Arr((2, 2, 3), 0, 3, "int"), **_LINE))
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
              named=lambda kernel: _name_of("AvgPool{}DBackward0", len(kernel)),
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


def _name_of(name: str, spatial: int) -> str:
    """PyTorch's name: one dimension is pooled as two, and what was added squeezed away."""
    return "SqueezeBackward1" if spatial == 1 else name.format(spatial)


def _first(g: Any) -> Any:
    return g[0] if isinstance(g, list) else g


def pooled_size(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """Length of a pooled dimension; a last window may not start in the right padding."""
    span = n + 2 * p - d * (k - 1) - 1
    size = (-(-span // s) if ceil_mode else span // s) + 1
    if ceil_mode and (size - 1) * s >= n + p:
        size -= 1
    return size


def spread(
    shape: Any, sizes: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[tuple[int, ...], tuple[tuple[Any, ...], ...]]:
    """How long the input must be for each window to be whole, and the windows' slices of it."""
    return _spread(*map(tuple, (shape[2:], sizes, kernel, stride, padding, dilation)))


# Small images are pooled sooner than this is worked out.
@functools.lru_cache(maxsize=256)
def _spread(
    spatial: Any, sizes: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> tuple[tuple[int, ...], tuple[tuple[Any, ...], ...]]:
    lengths = tuple(
        max((o - 1) * s + d * (k - 1) + 1, n + 2 * p)
        for o, k, s, p, d, n in zip(sizes, kernel, stride, padding, dilation, spatial)
    )
    return lengths, tuple([(..., *o) for o in offsets(kernel, sizes, stride, dilation)])


def surrounded(xp: Any, x: Any, lengths: Any, padding: Any, fill: float) -> Any:
    """The input with ``fill`` around it."""
    if lengths == tuple(x.shape[2:]):
        return x
    whole = xp.full((*x.shape[:2], *lengths), fill, dtype=x.dtype)
    whole[inner(x.shape, padding)] = x
    return whole


def inner(shape: Any, padding: Any) -> tuple[Any, ...]:
    """Where in the padded input the input lies."""
    return (..., *(slice(p, p + n) for p, n in zip(padding, shape[2:])))


def pooled_sizes(
    shape: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[int, ...]:
    """The lengths of the pooled dimensions."""
    sizes = tuple(
        pooled_size(n, k, s, p, d, ceil_mode)
        for n, k, s, p, d in zip(shape[2:], kernel, stride, padding, dilation)
    )
    if min(sizes) <= 0 or 0 in shape[2:]:
        raise ShapeError(
            f"the input {tuple(shape[2:])} is smaller than the window {tuple(kernel)}: the output "
            f"would be {sizes}"
        )
    return sizes


def _max_pool(
    xp: Any, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> Any:
    sizes = pooled_sizes(x.shape, kernel, stride, padding, dilation, ceil_mode)
    lengths, windows = spread(x.shape, sizes, kernel, stride, padding, dilation)
    whole = surrounded(xp, x, lengths, padding, lowest(xp, x))
    best = xp.asarray(whole[windows[0]], copy=True)
    chosen = xp.zeros(best.shape, dtype=xp.uint8 if len(windows) <= 256 else xp.int32)
    for i, window in enumerate(windows[1:], 1):
        candidate = whole[window]
        better = (candidate > best) | (candidate != candidate)
        best = xp.where(better, candidate, best)
        chosen = xp.where(better, xp.asarray(i, dtype=chosen.dtype), chosen)
    return best, chosen


def lowest(xp: Any, x: Any) -> float:
    return -float("inf") if xp.isdtype(x.dtype, "real floating") else xp.iinfo(x.dtype).min


def _max_back(
    xp: Any, grad: Any, chosen: Any, shape: Any, kernel: Any, stride: Any, padding: Any,
    dilation: Any,
) -> Any:  # fmt: skip
    lengths, windows = spread(shape, grad.shape[2:], kernel, stride, padding, dilation)
    out = xp.zeros((*shape[:2], *lengths), dtype=grad.dtype)
    zero = xp.zeros((), dtype=grad.dtype)
    for i, window in enumerate(windows):
        out[window] += xp.where(chosen == i, grad, zero)
    return out[inner(shape, padding)]


def _max_pick(
    xp: Any, x: Any, chosen: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> Any:
    lengths, windows = spread(x.shape, chosen.shape[2:], kernel, stride, padding, dilation)
    whole = surrounded(xp, x, lengths, padding, 0)
    out = xp.zeros(chosen.shape, dtype=x.dtype)
    for i, window in enumerate(windows):
        out = xp.where(chosen == i, whole[window], out)
    return out


def places(
    xp: Any, chosen: Any, spatial: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> Any:
    """Position in the window to position in the flattened input, as int64."""
    ndim = len(spatial)
    positions = list(itertools.product(*(range(k) for k in kernel)))
    picked = xp.reshape(xp.astype(chosen, xp.int64), (-1,))
    flat = xp.zeros(chosen.shape, dtype=xp.int64)
    for axis, size in enumerate(chosen.shape[2:]):
        table = xp.asarray([p[axis] * dilation[axis] for p in positions], dtype=xp.int64)
        inside = xp.reshape(xp.take(table, picked, axis=0), chosen.shape)
        start = xp.arange(size, dtype=xp.int64) * stride[axis] - padding[axis]
        shape = tuple(size if j == axis else 1 for j in range(ndim))
        # Among values of -inf the padding may have been chosen; then the nearest real place is.
        place = xp.clip(inside + xp.reshape(start, shape), 0, spatial[axis] - 1)
        flat = flat * spatial[axis] + place
    return flat


def _counts(
    xp: Any, x: Any, shape: Any, kernel: Any, stride: Any, padding: Any, sizes: Any,
    count_pad: bool, divisor: Any,
) -> Any:  # fmt: skip
    """How many values each window's mean is over; padding counts, what ceil_mode adds does not."""
    if divisor is not None:
        return divisor
    ndim = len(kernel)
    total: Any = 1.0
    for axis, (n, k, s, p, o) in enumerate(zip(shape[2:], kernel, stride, padding, sizes)):
        low, high = (-p, n + p) if count_pad else (0, n)
        if low <= -p and (o - 1) * s - p + k <= high:  # every window is whole
            total = total * k
            continue
        counts = [min(i * s - p + k, high) - max(i * s - p, low) for i in range(o)]
        shape = tuple(o if j == axis else 1 for j in range(ndim))
        total = total * xp.reshape(xp.asarray(counts, dtype=x.dtype), shape)
    return total


def _avg_pool(
    xp: Any, x: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool, count_pad: bool,
    divisor: Any,
) -> Any:  # fmt: skip
    ones = (1,) * len(kernel)
    sizes = pooled_sizes(x.shape, kernel, stride, padding, ones, ceil_mode)
    lengths, windows = spread(x.shape, sizes, kernel, stride, padding, ones)
    whole = surrounded(xp, x, lengths, padding, 0)
    total = xp.asarray(whole[windows[0]], copy=True)
    for window in windows[1:]:
        total += whole[window]
    return total / _counts(xp, x, x.shape, kernel, stride, padding, sizes, count_pad, divisor)


def _avg_back(
    xp: Any, grad: Any, shape: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_pad: bool, divisor: Any,
) -> Any:  # fmt: skip
    ones = (1,) * len(kernel)
    sizes = pooled_sizes(shape, kernel, stride, padding, ones, ceil_mode)
    lengths, windows = spread(shape, sizes, kernel, stride, padding, ones)
    out = xp.zeros((*shape[:2], *lengths), dtype=grad.dtype)
    share = grad / _counts(xp, out, shape, kernel, stride, padding, sizes, count_pad, divisor)
    for window in windows:
        out[window] += share
    return out[inner(shape, padding)]
