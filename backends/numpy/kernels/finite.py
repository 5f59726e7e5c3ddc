"""finite: whether all values are finite, at the price of reading them once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .common import BLAS

#: Arrays of up to so many elements are looked at together: a call costs more than they do.
_SMALL = 16384


def all_finite(*tensors: Any) -> Any:
    """A sum of squares is finite only if all of them are. It may overflow though they are."""
    kind = tensors[0].dtype
    if kind not in BLAS:
        return np.bool_(all(np.isfinite(t).all() for t in tensors))
    small = [t for t in tensors if t.size <= _SMALL and t.dtype is kind]
    total = 0.0
    if small:
        flat = np.concatenate(small, None)
        total = flat.dot(flat).item()
    if len(small) < len(tensors):
        for t in tensors:
            if t.dtype is not kind:
                if not np.isfinite(t).all():
                    return np.False_
            elif t.size > _SMALL:
                flat = t.ravel("K")
                total += flat.dot(flat).item()
    if math.isfinite(total):
        return np.True_
    return np.bool_(all(np.isfinite(t).all() for t in tensors))


KERNELS: dict[str, Callable[..., Any]] = {"all_finite": all_finite}
