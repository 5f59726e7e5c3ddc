"""scans: running extremes, and sums of exponentials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .common import BLAS, HALVES, declared

#: With fewer sequences than these, steps over all places at once are faster than one a place.
_SEQUENCES = 64


def _along(x: Any, dim: int) -> bool:
    return x.ndim > 0 and -x.ndim <= dim < x.ndim and x.dtype not in HALVES


def _running(name: str, ufunc: Any) -> Callable[..., Any]:
    def kernel(x: Any, *, dim: int) -> Any:
        if not _along(x, dim) or x.dtype.kind == "b":
            return declared(name)(x, dim=dim)
        values = ufunc.accumulate(x, axis=dim)
        length = x.shape[dim]
        places = np.arange(length, dtype=np.int32).reshape(
            [-1 if i == dim % x.ndim else 1 for i in range(x.ndim)]
        )
        here = x == values
        if x.dtype.kind == "f" and length and np.isnan(values.take(-1, dim)).any():
            here |= x != x
        # Of equal ones the last; half as wide as what is handed out, so twice as fast.
        last = np.multiply(here, places, dtype=np.int32)
        np.maximum.accumulate(last, axis=dim, out=last)
        return values, last.astype(np.int64)

    return kernel


def logcumsumexp(x: Any, *, dim: int) -> Any:
    """The logarithm of the running sum of exponentials."""
    if not _along(x, dim) or x.dtype.kind != "f":
        return declared("logcumsumexp")(x, dim=dim)
    return np.logaddexp.accumulate(x, axis=dim)


def linear_scan(a: Any, b: Any, *, dim: int) -> Any:
    """``h[i] = a[i] * h[i - 1] + b[i]``, place by place where there are many sequences."""
    known = a.dtype in BLAS and a.dtype is b.dtype and a.shape == b.shape
    if not known or not _along(b, dim) or b.size < _SEQUENCES * b.shape[dim]:
        return declared("linear_scan")(a, b, dim=dim)
    factors, out = (np.ascontiguousarray(np.moveaxis(v, dim, 0)) for v in (a, b))
    if np.may_share_memory(out, b):
        out = out.copy()
    term = np.empty(out.shape[1:], out.dtype)
    for i in range(1, len(out)):
        np.multiply(factors[i], out[i - 1], out=term)
        np.add(out[i], term, out=out[i])
    return np.ascontiguousarray(np.moveaxis(out, 0, dim))


KERNELS: dict[str, Callable[..., Any]] = {
    "cummax": _running("cummax", np.maximum),
    "cummin": _running("cummin", np.minimum),
    "linear_scan": linear_scan,
    "logcumsumexp": logcumsumexp,
}
