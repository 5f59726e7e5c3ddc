"""scans: running extremes, and sums of exponentials."""

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


KERNELS: dict[str, Callable[..., Any]] = {
    "cummax": _running("cummax", np.maximum),
    "cummin": _running("cummin", np.minimum),
    "logcumsumexp": logcumsumexp,
}
