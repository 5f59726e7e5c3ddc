"""parallel: one slow function over a large array, on every core.

NumPy lets go of the interpreter while it computes, so threads help where one call takes long
enough to pay for waking a thread (about 70 µs), and where each pass over a block is long enough
not to queue for the interpreter's lock (``kernels/common.py``). Products have BLAS's own threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from anadrome.settings import get_num_threads

#: Elements from which a slow function is worth dividing.
LARGE = 2**18


#: As many as BLAS may use.
threads = min(get_num_threads(), 16)
_pool: ThreadPoolExecutor | None = None


def _forget() -> None:
    """A forked child has none of its parent's threads."""
    global _pool
    _pool = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def fill(function: Callable[[Any, Any], Any], source: Any, target: Any) -> None:
    """``function(source, target)`` on pieces of two flat arrays, side by side if they are large."""
    side_by_side(lambda part: function(source[part], target[part]), target.size, target.size)


def side_by_side(function: Callable[[slice], Any], count: int, size: int) -> None:
    """``function(part)`` for the parts of ``range(count)``, at once if there is much to do."""
    global _pool
    if size < LARGE or threads < 2 or count < 2:
        function(slice(0, count))
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(threads - 1, "anadrome-numpy")
    step = -(-count // threads)
    cuts = [slice(start, min(start + step, count)) for start in range(0, count, step)]
    waiting = [_pool.submit(_piece, function, cut) for cut in cuts[1:]]
    try:
        function(cuts[0])
    finally:  # also on an interrupt: nobody may go on writing into what the caller gives up
        wait(waiting)
    for piece in waiting:
        piece.result()


def _piece(function: Callable[[slice], Any], part: slice) -> None:
    # In a frame of ours: NumPy's warnings are filtered by the module they are raised in.
    function(part)


def divided(ufunc: Any) -> Callable[[Any], Any]:
    """The ufunc as a kernel, which divides large arrays among the threads."""

    def kernel(x: Any) -> Any:
        if x.size < LARGE or x.dtype.kind != "f" or not x.flags.c_contiguous:
            return ufunc(x)
        out = np.empty(x.shape, x.dtype)
        fill(ufunc, x.reshape(-1), out.reshape(-1))
        return out

    return kernel
