"""finite: whether all values are finite, at the price of reading them once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..blas import brief
from .common import F32, F64

#: Arrays of up to so many elements are looked at together: a call costs more than they do.
_SMALL = 16384
#: Also of NumPy's scalars and arrays without dimensions, in half of the time of theirs.
_is_finite = math.isfinite


def all_finite(*tensors: Any) -> Any:
    """A sum of squares is finite only if all of them are. It may overflow though they are."""
    small = []
    for t in tensors:
        kind = t.dtype
        if kind is not F32 and kind is not F64:
            if not np.isfinite(t).all():
                return np.False_
        elif not t.ndim:
            if not _is_finite(t):
                return np.False_
        elif t.size <= _SMALL and kind is tensors[0].dtype:
            small.append(t)
        elif not _squares(t):  # by this thread alone: another would have to fetch it
            return np.bool_(_each(tensors))
    if small and not _squares(np.concatenate(small, None) if len(small) > 1 else small[0]):
        return np.bool_(_each(tensors))
    return np.True_


def _squares(t: Any) -> bool:
    flat = t if t.ndim == 1 else t.ravel("K")
    if flat.size <= _SMALL:
        return _is_finite(flat.dot(flat))
    with brief():
        return _is_finite(flat.dot(flat))


def _each(tensors: tuple[Any, ...]) -> bool:
    return all(np.isfinite(t).all() for t in tensors)


KERNELS: dict[str, Callable[..., Any]] = {"all_finite": all_finite}
