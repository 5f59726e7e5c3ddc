"""pool: the largest value of each window, and the way back, on bits and in pieces side by side.

A window's position that has a larger value is noted as a byte, so what is kept for the backward is
a quarter of the values. ``np.where`` is left out: it mispredicts a branch a value.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from anadrome.ops.picking import parts
from anadrome.ops.pool import inner, lowest, pooled_sizes, spread, surrounded

from ..choosing import BITS
from ..parallel import side_by_side
from .common import BLAS, HALVES, declared, in_float32

#: Below this many elements the declared forward is as fast.
_SMALL = 1024
#: Parts of a plane up to which each is looked at for itself.
_CELLS = 256
#: Elements of the output that are worked on at a time.
_PIECE = 65536


def max_pool(
    x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool = False
) -> Any:
    """The largest values, and which position of its window each one had."""
    how = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    if x.dtype in HALVES:
        return in_float32(functools.partial(max_pool, **how, ceil_mode=ceil_mode), x)
    if x.size < _SMALL or x.dtype not in BLAS or np.prod(kernel) > 255:
        return declared("max_pool")(x, **how, ceil_mode=ceil_mode)
    sizes = pooled_sizes(x.shape, kernel, stride, padding, dilation, ceil_mode)
    lengths, windows = spread(x.shape, sizes, kernel, stride, padding, dilation)
    whole = surrounded(np, x, lengths, padding, lowest(np, x)).reshape(-1, *lengths)
    best = np.empty((len(whole), *sizes), x.dtype)
    chosen = np.empty(best.shape, np.uint8)
    missing = []

    def work(part: slice) -> None:
        for piece in _pieces(part, best):
            missing.append(_largest(whole[piece], windows, best[piece], chosen[piece]))

    side_by_side(work, len(best), x.size)
    if any(missing):  # which of a window's values is not a number takes more than a comparison
        return declared("max_pool")(x, **how, ceil_mode=ceil_mode)
    shape = (*x.shape[:2], *sizes)
    return best.reshape(shape), chosen.reshape(shape)


def _largest(source: Any, windows: Any, best: Any, chosen: Any) -> bool:
    """Fill ``best`` and ``chosen``; whether a value was no number."""
    np.copyto(best, source[windows[0]])
    chosen[...] = 0
    better = np.empty(best.shape, np.bool_)
    number = better.view(np.uint8)
    for i, window in enumerate(windows[1:], 1):
        candidate = source[window]
        np.greater(candidate, best, out=better)
        np.maximum(candidate, best, out=best)
        # Later positions have larger numbers, so the last one that was better stays.
        np.multiply(number, np.uint8(i), out=number)
        np.maximum(chosen, number, out=chosen)
    return bool(best.size) and bool(np.isnan(np.maximum.reduce(best, None)))


def max_pool_backward(
    grad: Any, chosen: Any, *, shape: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> Any:
    """``grad`` where the largest values were, added up, and zero elsewhere."""
    how = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    fits = getattr(grad, "dtype", None) in BLAS and chosen.dtype == np.uint8
    if not fits or grad.size < _SMALL or grad.shape != chosen.shape:
        return declared("max_pool_backward")(grad, chosen, shape=shape, **how)
    sizes = grad.shape[2:]
    lengths, windows = spread(shape, sizes, kernel, stride, padding, dilation)
    apart = all(s >= d * (k - 1) + 1 for s, d, k in zip(stride, dilation, kernel))
    tiled = apart and lengths == tuple(k * n for k, n in zip(kernel, sizes))
    out = (np.empty if tiled else np.zeros)((shape[0] * shape[1], *lengths), grad.dtype)
    bits = BITS[grad.dtype]
    values = np.ascontiguousarray(grad).reshape(-1, *sizes).view(bits)
    places = chosen.reshape(values.shape)

    def work(part: slice) -> None:
        for piece in _pieces(part, values):
            target = out[piece]
            for i, window in enumerate(windows):
                keep = np.subtract((places[piece] != i).view(np.int8), 1, dtype=bits)
                if apart:
                    np.bitwise_and(values[piece], keep, out=target[window].view(bits))
                else:
                    np.bitwise_and(values[piece], keep, out=keep)
                    target[window] += keep.view(grad.dtype)

    side_by_side(work, len(out), out.size)
    return out.reshape(*shape[:2], *lengths)[inner(shape, padding)]


def adaptive_max_pool(x: Any, *, size: Any) -> Any:
    """The largest value of each of ``size`` equal parts of every dimension, and where it was."""
    cells = math.prod(size)
    if x.size < _SMALL or x.dtype not in BLAS or x.ndim < 3 or not 0 < cells <= _CELLS:
        return declared("adaptive_max_pool")(x, size=size)
    lead, spatial = x.shape[:2], x.shape[2:]
    planes = np.arange(math.prod(spatial)).reshape(spatial)
    values = np.empty((*lead, cells), x.dtype)
    places = np.empty(values.shape, np.int64)
    bounds = [[slice(*p) for p in parts(n, count)] for n, count in zip(spatial, size)]
    for i, cell in enumerate(itertools.product(*bounds)):
        rows = x[(..., *cell)].reshape(*lead, -1)
        found = rows.argmax(-1)
        values[..., i] = np.take_along_axis(rows, found[..., None], -1)[..., 0]
        places[..., i] = planes[cell].reshape(-1).take(found)
    if np.isnan(np.maximum.reduce(values, None)):  # of these the last is taken
        return declared("adaptive_max_pool")(x, size=size)
    return values.reshape(*lead, *size), places.reshape(*lead, *size)


def _pieces(part: slice, like: Any) -> list[slice]:
    """The part in pieces of some 65,536 elements of an array that has ``like``'s planes."""
    step = max(_PIECE * len(like) // max(like.size, 1), 1)
    return [slice(i, min(i + step, part.stop)) for i in range(part.start, part.stop, step)]


KERNELS: dict[str, Callable[..., Any]] = {
    "max_pool": max_pool,
    "max_pool_backward": max_pool_backward,
    "adaptive_max_pool": adaptive_max_pool,
}
