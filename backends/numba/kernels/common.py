"""common: which arrays are given to compiled code, and what it is lent to work in."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

F32 = np.dtype(np.float32)
#: Elements from which a call is given to compiled code: below it NumPy has the answer sooner.
LARGE = 2**14

#: From what has run an op until now, and the team that shares loops, to the op's kernel.
Maker = Callable[[Any, Any], Callable[..., Any]]

_local = threading.local()


def enough(size: int) -> bool:
    """Whether so many elements are worth it."""
    return size >= max(LARGE, 1)


def suits(*arrays: Any) -> bool:
    """Whether all are contiguous and float32."""
    return all(
        a.__class__ is np.ndarray and a.dtype is F32 and a.flags.c_contiguous for a in arrays
    )


def large(*arrays: Any) -> bool:
    """Whether all suit, and the first has much to do."""
    return enough(arrays[0].size) and suits(*arrays)


def as_rows(x: Any) -> Any:
    return x.reshape(-1, x.shape[-1])


def buffer(size: int) -> Any:
    """Flat memory of this thread's own, to be overwritten at will; the same every time."""
    out = getattr(_local, "memory", None)
    if out is None or out.size < size:
        out = _local.memory = np.empty(size, F32)
    return out[:size]


class Sums:
    """What the pieces of a call add up, put together in their order: the same bits each time."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, Any]] = []

    def add(self, start: int, total: Any) -> None:
        self.parts.append((start, total))

    def total(self) -> Any:
        first, *rest = (t for _, t in sorted(self.parts, key=lambda pair: pair[0]))
        return sum(rest, first)
