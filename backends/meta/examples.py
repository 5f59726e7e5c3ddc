"""examples: the shape of a result where a forward looks at values on its way.

A factorisation asks which pivot is largest, a series whether it is done. What they return has the
same shape whatever the values are, so they are given some: where that is little work, on NumPy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from anadrome import backend

from .array import MetaArray, empty

#: Elements up to which an op is computed for the shape of its result.
_MOST = 2**14


def by_example(op: Any, arrays: Any, keywords: Any, otherwise: Exception) -> Any:
    """What the op returns of values made up; raises ``otherwise`` where they are too many."""
    if sum(math.prod(a.shape) for a in arrays if isinstance(a, MetaArray)) > _MOST:
        raise otherwise
    forward = backend.get("numpy").implementation(op)
    try:
        found = forward(*[_example(a) for a in arrays], **keywords)
    except Exception:
        raise otherwise from None
    return tuple([_of(f) for f in found]) if isinstance(found, tuple) else _of(found)


def _example(value: Any) -> Any:
    """Identity matrices, and elsewhere ones: what can be inverted, and counts from one."""
    if not isinstance(value, MetaArray):
        return value
    if value.ndim < 2 or value.dtype.kind in "iub":
        return np.ones(value.shape, value.dtype)
    matrix = np.eye(*value.shape[-2:], dtype=value.dtype)
    return np.broadcast_to(matrix, value.shape).copy()


def _of(found: Any) -> MetaArray:
    return empty(np.shape(found), np.asarray(found).dtype)
