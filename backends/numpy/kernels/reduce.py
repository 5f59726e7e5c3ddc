"""reduce: sums over the first or the last dimensions are products with ones, left to BLAS."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..blas import brief
from .common import BLAS, declared, ones

_reduce: Any = np.add.reduce
#: A product sums plainly, NumPy pairwise: up to here the one is as exact as the other.
_FEW = 4096
#: Below this many elements NumPy's own reduction is as fast.
_SMALL = 256


def sum(x: Any, *, dim: Any = None, keepdim: bool = False) -> Any:
    """The sum over the dimensions."""
    if x.dtype not in BLAS or not x.ndim:
        return declared("sum")(x, dim=dim, keepdim=keepdim)
    try:
        return total(x, dim, keepdim)
    except ValueError:  # dimensions that are not there, or twice
        return declared("sum")(x, dim=dim, keepdim=keepdim)


def mean(x: Any, *, dim: Any = None, keepdim: bool = False) -> Any:
    """The mean over the dimensions."""
    if x.dtype not in BLAS or not x.ndim or not x.size:
        return declared("mean")(x, dim=dim, keepdim=keepdim)
    try:
        out = total(x, dim, keepdim)
    except ValueError:
        return declared("mean")(x, dim=dim, keepdim=keepdim)
    return out / (x.size // out.size)


def sum_to_size(x: Any, *, size: Any) -> Any:
    """The sum over what broadcasting repeated."""
    lead = x.ndim - len(size)
    if lead > 0 and x.shape[lead:] == tuple(size) and x.dtype in BLAS:
        return total(x, tuple(range(lead)), False)
    return declared("sum_to_size")(x, size=size)


def total(x: Any, dim: Any, keepdim: bool) -> Any:
    """The sum of a float32 or float64 array with dimensions."""
    if dim is None or dim == ():
        return _reduce(x, None, keepdims=keepdim)
    axes = (dim,) if dim.__class__ is int else tuple(dim)
    if x.size >= _SMALL and x.flags.c_contiguous:
        out = _by_products(x, [a + x.ndim if a < 0 else a for a in axes])
        if out is not None:
            if not keepdim:
                return out
            places = [a % x.ndim for a in axes]
            return out.reshape([1 if i in places else n for i, n in enumerate(x.shape)])
    return _reduce(x, axes, keepdims=keepdim)


def _by_products(x: Any, axes: list[int]) -> Any:
    """The sum over the first, the last, or all but the second dimensions; None for others."""
    shape = x.shape
    ndim = len(shape)
    count = len(axes)
    if axes == [*range(ndim - count, ndim)]:
        width = math.prod(shape[ndim - count :])
        if width <= _FEW:
            with brief():
                out = x.reshape(-1, width).dot(ones(width, x.dtype))
            return _shaped(out, shape[: ndim - count])
    elif axes == [*range(count)]:
        rows = math.prod(shape[:count])
        if rows <= _FEW:
            with brief():
                out = ones(rows, x.dtype).dot(x.reshape(rows, -1))
            return _shaped(out, shape[count:])
    elif axes == [0, *range(2, ndim)]:
        inner = _by_products(x, axes[1:])
        return None if inner is None else _by_products(inner, [0])
    return None


def _shaped(out: Any, shape: Any) -> Any:
    """A vector in another shape; as it is where nothing changes, for a view owns no memory."""
    return out if len(shape) == 1 else out.reshape(shape)


KERNELS: dict[str, Callable[..., Any]] = {"sum": sum, "mean": mean, "sum_to_size": sum_to_size}
