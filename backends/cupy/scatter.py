"""scatter: what goes to places that may occur twice: sums, by atomic additions or in order, and the
last value."""

from __future__ import annotations

from typing import Any

import cupy
import ml_dtypes
import numpy as np

from .source import WIDE

_HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
#: What CuPy's atomic addition lacks, and what is added in its place.
_ADDED_AS: dict[Any, Any] = {
    np.dtype(np.int64): np.dtype(np.uint64),  # the same bits: addition wraps around
    **{half: np.dtype(np.float32) for half in _HALVES},
    **{np.dtype(k): np.dtype(np.int32) for k in (np.int8, np.int16, np.uint8, np.bool_)},
}


def atomically(target: Any, index: Any, source: Any) -> None:
    """``target[index] += source``. Threads add as they come, so rounding varies."""
    kind = target.dtype
    wide = _ADDED_AS.get(kind)
    if wide is None:
        cupy.add.at(target, index, source)
    elif wide.itemsize == kind.itemsize:
        cupy.add.at(target.view(wide), index, cupy.asarray(source, dtype=kind).view(wide))
    else:  # summed in the wider type, rounded once
        total = cupy.zeros(target.shape, dtype=wide)
        cupy.add.at(total, index, cupy.asarray(source).astype(wide))
        target += total.astype(kind)


#: The thread at the first of a run of equal places adds up the whole run, one after the other.
_ordered = cupy.ElementwiseKernel(
    "raw int64 places, raw int64 order, raw T source, int64 count", "raw T target",
    """
    long long place = places[i];
    if (i == 0 || places[i - 1] != place) {
        wide<T>::type sum = (wide<T>::type)target[place];
        for (long long k = i; k < count && places[k] == place; ++k)
            sum += (wide<T>::type)source[order[k]];
        target[place] = (T)sum;
    }
    """,
    "anadrome_ordered_add", preamble=WIDE,
)  # fmt: skip


def in_order(target: Any, index: Any, source: Any) -> None:
    """The same, where each place adds what it is given in the order of the source.

    A stable sort brings equal places together: the same bits each time, for the price of the sort.
    """
    kind = target.dtype
    if kind.kind in "biu":  # whole numbers have no rounding to vary
        atomically(target, index, source)
        return
    places = cupy.arange(target.size).reshape(target.shape)[index]
    values = cupy.broadcast_to(cupy.asarray(source, dtype=kind), places.shape).reshape(-1)
    places = places.reshape(-1)
    order = cupy.argsort(places, kind="stable")
    flat = cupy.ascontiguousarray(target).reshape(-1)
    _ordered(places[order], order, values, places.size, flat, size=places.size)
    if not cupy.may_share_memory(flat, target):
        target[...] = flat.reshape(target.shape)


def assign_last(target: Any, index: Any, value: Any) -> None:
    """``target[index] = value`` where of a place that is named twice the last value stays.

    CuPy's threads write as they come. So each is given the value of the last: a stable sort brings
    equal places together, and the end of each run is looked up.
    """
    parts = index if isinstance(index, tuple) else (index,)
    if not any(getattr(part, "dtype", None) is not None and part.dtype.kind in "iu"
               for part in parts):  # fmt: skip
        target[index] = value
        return
    places = cupy.arange(target.size).reshape(target.shape)[index]
    values = cupy.broadcast_to(cupy.asarray(value, dtype=target.dtype), places.shape).reshape(-1)
    flat = places.reshape(-1)
    order = cupy.argsort(flat, kind="stable")
    ordered = flat[order]
    last = order[cupy.searchsorted(ordered, ordered, side="right") - 1]
    winners = cupy.empty_like(values)
    winners[order] = values[last]
    target[index] = winners.reshape(places.shape)
