"""scatter: adding at indices that repeat: long rows in passes over them, values by NumPy's fast
path, which is one-dimensional.
"""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

_HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
_ALL = slice(None)
#: Rows shorter than this, and less in all than this, are added value by value.
_WIDE, _MUCH = 32, 2**15
#: Values added at a time, which stay in a core's cache.
_BLOCK = 2**15
#: A row to which so many are added is summed by itself.
_OFTEN = 24


def scatter_add(target: Any, index: Any, source: Any) -> None:
    """``target[index] += source``, in place, where an index that occurs twice adds twice."""
    if target.dtype in _HALVES:  # summed in float32, rounded once
        total = np.zeros(target.shape, np.float32)
        scatter_add(total, index, np.asarray(source, np.float32))
        np.add(target, total, out=target, casting="same_kind")
        return
    rows = _rows(target, index)
    if rows is None:
        np.add.at(target, index, source)
        return
    rest = target.shape[len(index) :]
    width = math.prod(rest)
    shape = (*rows.shape, *rest)
    values = source if source.shape == shape else np.broadcast_to(source, shape)
    if width >= _WIDE and values.size >= _MUCH and values.dtype == target.dtype:
        _add_rows(target.reshape(-1, width), rows.reshape(-1), values.reshape(-1, width))
        return
    if rest:
        rows = rows.reshape(-1, 1) * width + np.arange(width)
    np.add.at(target.reshape(-1), rows.reshape(-1), values.reshape(-1))


def _rows(target: Any, index: Any) -> Any:
    """Where the index leads, of the flattened dimensions that it is for.

    None unless it is integer arrays. Full slices may stand before them.
    """
    if not (target.flags.c_contiguous and target.ndim and isinstance(index, tuple) and index):
        return None
    arrays = [i for i in index if i.__class__ is not slice]
    lead = len(index) - len(arrays)
    if any(i.__class__ is not slice or i != _ALL for i in index[:lead]):
        return None
    if not arrays or not all(isinstance(i, np.ndarray) and i.dtype.kind in "iu" for i in arrays):
        return None
    out: Any = None
    for n, i in zip(target.shape[lead:], arrays):
        if i.size:
            lowest = np.minimum.reduce(i, None)
            if lowest < -n or np.maximum.reduce(i, None) >= n:
                return None  # np.add.at says what is out of range
            if lowest < 0:
                i = np.where(i < 0, i + n, i)
        out = i if out is None else out * n + i
    if lead:
        shape = target.shape[:lead]
        before = np.arange(math.prod(shape)) * math.prod(target.shape[lead : len(index)])
        out = before.reshape(*shape, *(1,) * out.ndim) + out
    return out


def _add_rows(target: Any, index: Any, source: Any) -> None:
    """``target[i] += row`` for each row of ``source``, in their order.

    In passes over whole rows: the first for each target, then the second for those that have one,
    and so on.
    """
    count = len(index)
    if count * len(target) >= 2**62:
        np.add.at(target, index, source)
        return
    # Sorted by target and then place: faster than a stable sort of places.
    source = np.ascontiguousarray(source)  # take copies all of another
    order = np.sort(index.astype(np.int64) * count + np.arange(count))
    row = order // count
    order -= row * count
    starts = np.concatenate(([0], np.flatnonzero(row[1:] != row[:-1]) + 1))
    fewer = starts - np.append(starts[1:], count)  # minus the number of each
    by = fewer.argsort(kind="stable")
    starts, fewer = starts[by], fewer[by]
    row = row[starts]
    often = int(fewer.searchsorted(-_OFTEN))
    for r, start, n in zip(row[:often], starts[:often], fewer[:often]):
        target[r] += np.add.reduce(source.take(order[start : start - n], 0), 0)
    step = max(_BLOCK // source.shape[1], 1)
    for at in range(often, len(row), step):
        span = slice(at, at + step)
        first, less = starts[span], fewer[span]
        total = source.take(order[first], 0)
        for k in range(1, -int(less[0])):
            some = int(less.searchsorted(-k))
            total[:some] += source.take(order[first[:some] + k], 0)
        target[row[span]] += total
