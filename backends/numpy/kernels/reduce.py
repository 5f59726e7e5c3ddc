"""reduce: sums over the first or the last dimensions are products with ones, left to BLAS."""

from __future__ import annotations

import functools
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
    if lead >= 0 and x.dtype in BLAS:
        rest = x.shape[lead:]
        if lead and rest == tuple(size):
            return total(x, tuple(range(lead)), False)
        axes = [*range(lead), *[lead + i for i, n in enumerate(size) if n == 1 != rest[i]]]
        if axes and all(n in (1, m) for n, m in zip(size, rest)):
            out = total(x, axes, False)
            return out if out.shape == tuple(size) else out.reshape(size)
    return declared("sum_to_size")(x, size=size)


def total(x: Any, dim: Any, keepdim: bool) -> Any:
    """The sum of a float32 or float64 array with dimensions."""
    if dim is None or dim == ():
        return _reduce(x, None, keepdims=keepdim)
    axes = (dim,) if dim.__class__ is int else tuple(dim)
    if x.size >= _SMALL and x.flags.c_contiguous:
        plan = _plan(x.shape, axes, keepdim)
        if plan is not None:
            rows, width, first, shape = plan
            with brief():
                out = x.reshape(rows, width)
                if width > 1:
                    out = out.dot(ones(width, x.dtype))
                if first > 1:
                    out = ones(first, x.dtype).dot(out.reshape(first, -1))
            # As it is where nothing changes, for a view owns no memory.
            return out if out.shape == shape else out.reshape(shape)
    return _reduce(x, axes, keepdims=keepdim)


@functools.lru_cache(maxsize=512)
def _plan(shape: Any, axes: tuple[int, ...], keepdim: bool) -> tuple[int, int, int, Any] | None:
    """How the sum over the first, the last, or all but the second dimensions is made of products.

    The array as a matrix, of which the rows are summed over their ``width``, and what that gives,
    in rows again, over the ``first`` so many; and the result's shape. None for other dimensions.
    """
    ndim = len(shape)
    places = [a + ndim if a < 0 else a for a in axes]
    count = len(places)
    if places == [*range(ndim - count, ndim)]:
        first, width = 1, math.prod(shape[ndim - count :])
    elif places == [*range(count)]:
        first, width = math.prod(shape[:count]), 1
    elif places == [0, *range(2, ndim)]:
        first, width = shape[0], math.prod(shape[2:])
    else:
        return None
    if max(first, width) > _FEW:
        return None
    kept = tuple(1 if i in places else n for i, n in enumerate(shape))
    left = tuple(n for i, n in enumerate(shape) if i not in places)
    return math.prod(shape) // width, width, first, kept if keepdim else left


KERNELS: dict[str, Callable[..., Any]] = {"sum": sum, "mean": mean, "sum_to_size": sum_to_size}
