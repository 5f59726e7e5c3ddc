"""pool: the largest or the mean value of each window, and the way back, planes side by side."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from anadrome.ops.pool import pooled_sizes

from .common import F32, Maker, large


def _planar(values: Any, first: int) -> tuple[int, ...]:
    """Two numbers, of which a pool along one dimension has the second."""
    return tuple(values) if len(values) == 2 else (first, *values)


def _room(shape: Any) -> tuple[int, int]:
    return _planar(shape[2:], 1)  # type: ignore[return-value]


def _max_pool(before: Any, team: Any) -> Any:
    def max_pool(
        x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool = False
    ) -> Any:
        if x.ndim not in (3, 4) or not large(x) or math.prod(kernel) > 255:
            how = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
            return before(x, **how, ceil_mode=ceil_mode)
        from ..loops import pool

        sizes = pooled_sizes(x.shape, kernel, stride, padding, dilation, ceil_mode)
        planes, plane = math.prod(x.shape[:2]), _room(x.shape)
        window = (*_planar(kernel, 1), *_planar(sizes, 1))
        how_ = (*_planar(stride, 1), *_planar(padding, 0), *_planar(dilation, 1))
        best = np.empty((*x.shape[:2], *sizes), F32)
        chosen = np.empty(best.shape, np.uint8)
        four = _four(window, how_, plane)
        source, values, places = (a.reshape(planes, -1) for a in (x, best, chosen))

        if four:
            pool.largest_of_four(*team(x.size), source, values, places, plane, window)
        else:
            pool.largest(*team(x.size), source, values, places, plane, window, how_)
        return best, chosen

    return max_pool


def _four(window: Any, how: Any, plane: Any) -> bool:
    """Whether the windows are of 2 × 2, side by side and within the input."""
    within = 2 * window[2] <= plane[0] and 2 * window[3] <= plane[1]
    return window[:2] == (2, 2) and how == (2, 2, 0, 0, 1, 1) and within


def _max_pool_backward(before: Any, team: Any) -> Any:
    def max_pool_backward(
        grad: Any, chosen: Any, *, shape: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
    ) -> Any:
        fits = grad.ndim in (3, 4) and grad.shape == chosen.shape and chosen.flags.c_contiguous
        if not fits or not large(grad) or chosen.dtype != np.uint8:
            how = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
            return before(grad, chosen, shape=shape, **how)
        from ..loops import pool

        planes, plane = math.prod(shape[:2]), _room(shape)
        window = (*_planar(kernel, 1), *_planar(grad.shape[2:], 1))
        how_ = (*_planar(stride, 1), *_planar(padding, 0), *_planar(dilation, 1))
        four = _four(window, how_, plane)
        covered = four and plane == (2 * window[2], 2 * window[3])
        out = (np.empty if covered else np.zeros)(shape, F32)
        values, places, target = (a.reshape(planes, -1) for a in (grad, chosen, out))

        if four:
            pool.largest_of_four_back(*team(out.size), values, places, target, plane, window)
        else:
            pool.largest_back(*team(out.size), values, places, target, plane, window, how_)
        return out

    return max_pool_backward


def _shares(n: int, count: int, k: int, s: int, p: int, count_pad: bool, whole: bool) -> Any:
    """One over how many values of a dimension each window's mean is over."""
    low, high = (-p, n + p) if count_pad else (0, n)
    counts = [min(i * s - p + k, high) - max(i * s - p, low) for i in range(count)]
    return np.asarray([1.0 if whole else 1.0 / max(c, 1) for c in counts], F32)


def _averaging(
    shape: Any, sizes: Any, kernel: Any, stride: Any, padding: Any, count_pad: bool, divisor: Any
) -> Any:
    """The shares of rows and of columns."""
    whole = divisor is not None
    each = zip(
        _room(shape), _planar(sizes, 1), _planar(kernel, 1), _planar(stride, 1), _planar(padding, 0)
    )
    rows, columns = (_shares(*numbers, count_pad, whole) for numbers in each)
    return (rows / F32.type(divisor) if whole else rows), columns


def _avg_pool(before: Any, team: Any) -> Any:
    def avg_pool(
        x: Any,
        *,
        kernel: Any,
        stride: Any,
        padding: Any,
        ceil_mode: bool = False,
        count_pad: bool = True,
        divisor: Any = None,
    ) -> Any:
        if x.ndim not in (3, 4) or not large(x):
            how = {"kernel": kernel, "stride": stride, "padding": padding, "divisor": divisor}
            return before(x, **how, ceil_mode=ceil_mode, count_pad=count_pad)
        from ..loops import pool

        ones = (1,) * len(kernel)
        sizes = pooled_sizes(x.shape, kernel, stride, padding, ones, ceil_mode)
        shares = _averaging(x.shape, sizes, kernel, stride, padding, count_pad, divisor)
        planes, plane = math.prod(x.shape[:2]), _room(x.shape)
        window = (*_planar(kernel, 1), *_planar(sizes, 1))
        how_ = (*_planar(stride, 1), *_planar(padding, 0))
        out = np.empty((*x.shape[:2], *sizes), F32)
        source, target = x.reshape(planes, -1), out.reshape(planes, -1)
        pool.mean(*team(x.size), source, target, plane, *shares, window, how_)
        return out

    return avg_pool


def _avg_pool_backward(before: Any, team: Any) -> Any:
    def avg_pool_backward(
        grad: Any,
        *,
        shape: Any,
        kernel: Any,
        stride: Any,
        padding: Any,
        ceil_mode: bool,
        count_pad: bool,
        divisor: Any,
    ) -> Any:
        sizes = grad.shape[2:]
        if grad.ndim not in (3, 4) or not large(grad):
            how = {"kernel": kernel, "stride": stride, "padding": padding, "divisor": divisor}
            return before(grad, shape=shape, **how, ceil_mode=ceil_mode, count_pad=count_pad)
        from ..loops import pool

        shares = _averaging(shape, sizes, kernel, stride, padding, count_pad, divisor)
        planes, plane = math.prod(shape[:2]), _room(shape)
        window = (*_planar(kernel, 1), *_planar(sizes, 1))
        how_ = (*_planar(stride, 1), *_planar(padding, 0))
        out = np.zeros(shape, F32)
        source, target = grad.reshape(planes, -1), out.reshape(planes, -1)
        pool.mean_back(*team(out.size), source, target, plane, *shares, window, how_)
        return out

    return avg_pool_backward


MAKERS: dict[str, Maker] = {
    "avg_pool": _avg_pool,
    "avg_pool_backward": _avg_pool_backward,
    "max_pool": _max_pool,
    "max_pool_backward": _max_pool_backward,
}
