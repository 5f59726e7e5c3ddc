"""common: what kernels share: element types, the way back to the declaration, scratch memory."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import ml_dtypes
import numpy as np

from anadrome import backend
from anadrome.op import table

F32 = np.dtype(np.float32)
F64 = np.dtype(np.float64)
#: What BLAS multiplies, and what NumPy has vector instructions for.
BLAS = frozenset({F32, F64})
HALVES = frozenset({np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)})
#: Elements a block: four blocks of float32 fit a core's second-level cache.
BLOCK = 32768

#: Elements of the largest buffer that a thread keeps.
_KEPT = 2**21

_local = threading.local()


@functools.cache
def declared(name: str) -> Callable[..., Any]:
    """The op's declared forward on NumPy: for the dtypes and arguments a kernel leaves to it."""
    return backend.get("numpy").composed(table[name])


def in_float32(kernel: Callable[..., Any], *arrays: Any, **metadata: Any) -> Any:
    """Half precision computed by the float32 kernel, with each result rounded once."""
    kind = arrays[0].dtype
    wide = [a.astype(F32) if getattr(a, "dtype", None) in HALVES else a for a in arrays]
    out = kernel(*wide, **metadata)
    if out.__class__ is tuple:
        return tuple(o.astype(kind) if o.dtype is F32 else o for o in out)
    return out.astype(kind)


def scratch(count: int) -> Any:
    """``count`` float32 blocks of this thread's own, to be overwritten at will."""
    blocks = getattr(_local, "blocks", None)
    if blocks is None or len(blocks) < count:
        blocks = _local.blocks = np.empty((count, BLOCK), F32)
    return blocks[:count]


def buffer(size: int, dtype: Any) -> Any:
    """A flat array of this thread's own, to be overwritten at will; the same one every time."""
    out = getattr(_local, dtype.name, None)
    if out is None or out.size < size:
        out = np.empty(size, dtype)
        if size <= _KEPT:
            setattr(_local, dtype.name, out)
    return out[:size]


def spans(size: int) -> Iterator[tuple[int, int]]:
    """Where the blocks of a flat array begin and end."""
    for start in range(0, size, BLOCK):
        yield start, min(start + BLOCK, size)


def row_spans(rows: int, width: int, first: int = 0) -> Iterator[tuple[int, int]]:
    """The same in whole rows, from ``first`` on."""
    step = max(BLOCK // max(width, 1), 1)
    for start in range(first, rows, step):
        yield start, min(start + step, rows)


@functools.lru_cache(maxsize=256)
def ones(count: int, dtype: Any) -> Any:
    """A vector of ones: a sum is a product with it, and BLAS does that at the speed of memory."""
    out = np.ones(count, dtype)
    out.flags.writeable = False
    return out
