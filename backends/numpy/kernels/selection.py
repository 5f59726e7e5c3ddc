"""selection: some of the order along a dimension, by partitions, without sorting all of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .common import HALVES, declared

#: Shorter rows are sorted.
_LONG = 64


def _suits(x: Any, dim: int) -> bool:
    return (
        x.ndim > 0
        and -x.ndim <= dim < x.ndim
        and x.shape[dim] >= _LONG
        and x.size > 0
        and x.dtype.kind in "fiu"
        and x.dtype not in HALVES
    )


def topk(x: Any, *, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The ``k`` largest or smallest values, and where they are."""
    n = x.shape[dim] if _suits(x, dim) else 0
    if not 0 < k <= n // 4:
        return declared("topk")(x, k=k, dim=dim, largest=largest, sorted=sorted)
    rows = np.moveaxis(x, dim, -1)
    # NaN is last in NumPy's order and largest in PyTorch's.
    if largest:
        found = np.argpartition(rows, n - k, axis=-1)[..., n - k :]
    else:
        found = np.argpartition(rows, k - 1, axis=-1)[..., :k]
    values = np.take_along_axis(rows, found, -1)
    order = np.argsort(values, axis=-1, kind="stable")
    if largest:
        order = order[..., ::-1]
    found = np.take_along_axis(found, order, -1)
    values = np.take_along_axis(values, order, -1)
    return np.moveaxis(values, -1, dim), np.moveaxis(found, -1, dim)


def kthvalue(x: Any, *, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The ``k``-th smallest value, and where it is."""
    if not _suits(x, dim) or not 1 <= k <= x.shape[dim]:
        return declared("kthvalue")(x, k=k, dim=dim, keepdim=keepdim)
    return _at(x, k - 1, dim, keepdim)


def _at(x: Any, place: int, dim: int, keepdim: bool) -> Any:
    indices = np.argpartition(x, place, axis=dim).take([place], dim)
    values = np.take_along_axis(x, indices, dim)
    if keepdim:
        return values, indices
    return values.squeeze(dim), indices.squeeze(dim)


def median_dim(x: Any, *, dim: int, keepdim: bool = False) -> Any:
    """The middle value, and where it is."""
    if not _suits(x, dim) or _has_nan(x):
        return declared("median_dim")(x, dim=dim, keepdim=keepdim)
    return _at(x, (x.shape[dim] - 1) // 2, dim, keepdim)


def nanmedian_dim(x: Any, *, dim: int, keepdim: bool = False) -> Any:
    """The middle of the values that are not NaN, and where it is."""
    if not _suits(x, dim) or _has_nan(x):
        return declared("nanmedian_dim")(x, dim=dim, keepdim=keepdim)
    return _at(x, (x.shape[dim] - 1) // 2, dim, keepdim)


def median(x: Any) -> Any:
    """The middle of all values."""
    if x.size < _LONG or not _suits(x, -1) or _has_nan(x):
        return declared("median")(x)
    return np.partition(x, (x.size - 1) // 2, axis=None)[(x.size - 1) // 2]


def _has_nan(x: Any) -> bool:
    return x.dtype.kind == "f" and bool(np.isnan(x.max()))


KERNELS: dict[str, Callable[..., Any]] = {
    "topk": topk,
    "kthvalue": kthvalue,
    "median_dim": median_dim,
    "nanmedian_dim": nanmedian_dim,
    "median": median,
}
