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
        return np.bool_(_each(tensors))
    total = 0.0
    small = []
    for t in tensors:
        if t.dtype is not kind:
            if not np.isfinite(t).all():
                return np.False_
        elif not t.ndim:
            total += abs(t.item())
        elif t.size <= _SMALL:
            small.append(t)
        else:  # by this thread alone: another would have it to read from the other core's cache
            flat = t.ravel("K")
            total += flat.dot(flat).item()
    if small:
        flat = np.concatenate(small, None) if len(small) > 1 else small[0].ravel("K")
        total += flat.dot(flat).item()
    return np.True_ if math.isfinite(total) else np.bool_(_each(tensors))


def _each(tensors: tuple[Any, ...]) -> bool:
    return all(np.isfinite(t).all() for t in tensors)


KERNELS: dict[str, Callable[..., Any]] = {"all_finite": all_finite}
