"""finite: whether all values are finite, at the price of reading them once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .common import BLAS


#: Arrays up to this size are looked at together: a call costs more than their values do.
_SMALL = 16384


def all_finite(*tensors: Any) -> Any:
    kind = tensors[0].dtype
    if kind not in BLAS:
        return np.bool_(all(np.isfinite(t).all() for t in tensors))
    small = []
    total = 0.0
    for t in tensors:
        if t.dtype is not kind:
            if not all_finite(t):
                return np.False_
        elif t.size == 1:
            total += abs(t.item())
        elif t.size <= _SMALL:
            small.append(t)
        else:
            flat = t.ravel("K")
            total += flat.dot(flat).item()
    if small:
        flat = np.concatenate(small, None)
        total += flat.dot(flat).item()
    # A sum of squares is finite only if all of them are; it may overflow though they are.
    return np.bool_(math.isfinite(total) or all(np.isfinite(t).all() for t in tensors))


KERNELS: dict[str, Callable[..., Any]] = {"all_finite": all_finite}
