"""finite: whether all values are finite, at the price of reading them once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .common import BLAS


def all_finite(*tensors: Any) -> Any:
    total = 0.0
    for t in tensors:
        if t.ndim == 0 and t.dtype.kind == "f":
            total += abs(float(t))
        elif t.dtype in BLAS:
            flat = t.ravel("K")
            total += float(flat.dot(flat))
        elif not np.isfinite(t).all():
            return np.False_
    # A sum of squares is finite only if all of them are; it may overflow though they are.
    return np.bool_(math.isfinite(total) or all(np.isfinite(t).all() for t in tensors))


KERNELS: dict[str, Callable[..., Any]] = {"all_finite": all_finite}
