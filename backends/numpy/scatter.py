"""scatter: adding at indices that repeat, through NumPy's fast path, which is one-dimensional."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

_HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
_ALL = slice(None)


def scatter_add(target: Any, index: Any, source: Any) -> None:
    """``target[index] += source``, in place, where an index that occurs twice adds twice."""
    if target.dtype in _HALVES:  # summed in float32, rounded once
        total = np.zeros(target.shape, np.float32)
        scatter_add(total, index, np.asarray(source, np.float32))
        np.add(target, total, out=target, casting="same_kind")
        return
    places = _places(target, index)
    if places is None:
        np.add.at(target, index, source)
        return
    values = np.broadcast_to(source, places.shape)
    np.add.at(target.reshape(-1), places.reshape(-1), values.reshape(-1))


def _places(target: Any, index: Any) -> Any:
    """Where in the flattened target the index leads; None unless it is integer arrays.

    Full slices may stand before them.
    """
    if not (target.flags.c_contiguous and target.ndim and isinstance(index, tuple) and index):
        return None
    arrays = [i for i in index if i.__class__ is not slice]
    lead = len(index) - len(arrays)
    if any(i.__class__ is not slice or i != _ALL for i in index[:lead]):
        return None
    if not arrays or not all(isinstance(i, np.ndarray) and i.dtype.kind in "iu" for i in arrays):
        return None
    out: Any = 0
    for n, i in zip(target.shape[lead:], arrays):
        if i.size and (i.min() < -n or i.max() >= n):
            return None  # np.add.at says what is out of range
        out = out * n + np.where(i < 0, i + n, i)
    rest = target.shape[len(index) :]
    if rest:
        size = int(np.prod(rest))
        out = out[..., None] * size + np.arange(size)
        out = out.reshape(*out.shape[:-1], *rest)
    if lead:
        shape = target.shape[:lead]
        step = int(np.prod(target.shape[lead:]))
        before = np.arange(int(np.prod(shape))) * step
        out = before.reshape(*shape, *(1,) * out.ndim) + out
    return out
