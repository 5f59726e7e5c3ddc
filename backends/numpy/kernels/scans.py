"""scans: running extremes and sums of exponentials, and values placed and reduced by index."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .common import HALVES, declared


def _along(x: Any, dim: int) -> bool:
    return x.ndim > 0 and -x.ndim <= dim < x.ndim and x.dtype not in HALVES


def _running(name: str, ufunc: Any) -> Callable[..., Any]:
    def kernel(x: Any, *, dim: int) -> Any:
        if not _along(x, dim) or x.dtype.kind == "b":
            return declared(name)(x, dim=dim)
        values = ufunc.accumulate(x, axis=dim)
        places = np.arange(x.shape[dim]).reshape(
            [-1 if i == dim % x.ndim else 1 for i in range(x.ndim)]
        )
        here = np.where((x == values) | (x != x), places, 0)
        return values, np.maximum.accumulate(here, axis=dim)

    return kernel


def logcumsumexp(x: Any, *, dim: int) -> Any:
    """The logarithm of the running sum of exponentials."""
    if not _along(x, dim) or x.dtype.kind != "f":
        return declared("logcumsumexp")(x, dim=dim)
    return np.logaddexp.accumulate(x, axis=dim)


def scatter(x: Any, index: Any, src: Any, *, dim: int) -> Any:
    """``x`` with ``src`` at the places that the index names along ``dim``."""
    if not _fits(x, index, dim):
        return declared("scatter")(x, index, src, dim=dim)
    out = x.copy()
    np.put_along_axis(_reached(out, index, dim), index, _reached(src, index, dim), dim)
    return out


def scatter_value(x: Any, index: Any, *, dim: int, value: Any) -> Any:
    """``x`` with one value at the places that the index names along ``dim``."""
    if not _fits(x, index, dim):
        return declared("scatter_value")(x, index, dim=dim, value=value)
    out = x.copy()
    np.put_along_axis(_reached(out, index, dim), index, np.asarray(value, x.dtype), dim)
    return out


def _fits(x: Any, index: Any, dim: int) -> bool:
    if not x.ndim or not index.size or not -x.ndim <= dim < x.ndim:
        return False
    return index.min() >= 0 and index.max() < x.shape[dim]  # else the declaration raises


def _reached(x: Any, index: Any, dim: int) -> Any:
    """The part of ``x`` that an index, which may be smaller, can reach."""
    return x[
        tuple(slice(None) if i == dim % x.ndim else slice(n) for i, n in enumerate(index.shape))
    ]


KERNELS: dict[str, Callable[..., Any]] = {
    "cummax": _running("cummax", np.maximum),
    "cummin": _running("cummin", np.minimum),
    "logcumsumexp": logcumsumexp,
    "scatter": scatter,
    "scatter_value": scatter_value,
}
