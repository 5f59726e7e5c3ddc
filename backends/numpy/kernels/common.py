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

from .. import parallel
from ..parallel import LARGE, side_by_side

F32 = np.dtype(np.float32)
F64 = np.dtype(np.float64)
#: What BLAS multiplies, and what NumPy has vector instructions for.
BLAS = frozenset({F32, F64})
HALVES = frozenset({np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)})
#: Elements a block: four blocks of float32 fit a core's second-level cache.
BLOCK = 32768
#: The same where threads work side by side: each pass over a block takes the interpreter's lock
#: once, and in shorter passes the threads spend their time waiting for it.
WIDE_BLOCK = 8 * BLOCK

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


def buffer(size: int, dtype: Any) -> Any:
    """A flat array of this thread's own, to be overwritten at will; the same one every time."""
    out = getattr(_local, dtype.char, None)
    if out is None or out.size < size:
        out = np.empty(size, dtype)
        if size <= _KEPT:
            setattr(_local, dtype.char, out)
    return out[:size]


def block(size: int) -> int:
    """Elements a block in a pass over ``size`` of them."""
    if size < LARGE:
        return BLOCK
    return WIDE_BLOCK if parallel.threads > 1 else 2 * BLOCK


def spans(part: slice, size: int, width: int = 1) -> Iterator[slice]:
    """The blocks of a part of an array of ``size`` elements, in whole rows of ``width``."""
    step = max(block(size) // max(width, 1), 1)
    for start in range(part.start, part.stop, step):
        yield slice(start, min(start + step, part.stop))


def in_blocks(function: Callable[..., None], *arrays: Any) -> Any:
    """A new array by ``function(*blocks, out)`` over blocks of arrays alike."""
    first = arrays[0]
    out = np.empty(first.shape, first.dtype)
    flat, target = [a.reshape(-1) for a in arrays], out.reshape(-1)

    def piece(part: slice) -> None:
        for span in spans(part, target.size):
            function(*[a[span] for a in flat], target[span])

    side_by_side(piece, target.size, target.size)
    return out


def alike(grad: Any, x: Any) -> bool:
    """Whether a gradient, which may be a number, is an array like ``x``, of what BLAS knows."""
    kind = getattr(grad, "dtype", None)
    return kind is x.dtype and kind in BLAS and grad.shape == x.shape


@functools.lru_cache(maxsize=256)
def ones(count: int, dtype: Any) -> Any:
    """A vector of ones: a sum is a product with it, and BLAS does that at the speed of memory."""
    out = np.ones(count, dtype)
    out.flags.writeable = False
    return out
