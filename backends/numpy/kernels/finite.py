"""finite: whether all values are finite, at the price of reading them once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .common import BLAS


def all_finite(*tensors: Any) -> Any:
    """A sum of squares is finite only if all of them are. It may overflow though they are."""
    total = 0.0
    for t in tensors:
        if t.dtype in BLAS:
            if t.size == 1:
                total += abs(t.item())
            else:
                flat = t.ravel("K")
                total += flat.dot(flat).item()
        elif not np.isfinite(t).all():
            return np.False_
    if math.isfinite(total):
        return np.True_
    return np.bool_(all(np.isfinite(t).all() for t in tensors))


KERNELS: dict[str, Callable[..., Any]] = {"all_finite": all_finite}
