"""blas: OpenBLAS with one thread, for as long as threads of ours share the work.

OpenBLAS divides each product among its threads, which wait for each other inside of it. Where the
work falls into parts anyway, whole parts side by side wait once, keep what they wrote in their own
core's cache, and lose little when other programs want the cores (a convolution beside three busy
processes: six times faster). The library is the one that NumPy's wheels bring; with another one
nothing is set.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import glob
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from anadrome.forking import forkable_lock

from . import parallel

_lock = forkable_lock()
_inside = 0
_before = 1


def _forget() -> None:
    """In a forked child no thread of its parent's is inside, and none will leave."""
    global _lock, _inside
    _lock = forkable_lock()
    found = _found() if _inside else None
    _inside = 0
    if found is not None:
        found[1](_before)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


@functools.cache
def _found() -> tuple[Any, Any, Any, Any] | None:
    """Of OpenBLAS: what gets and what sets how many threads it uses, its product of float32
    matrices, and the library; None if it is another one."""
    beside = os.path.dirname(np.__file__)
    for place in (f"{beside}.libs", os.path.join(beside, ".dylibs")):
        for path in glob.glob(os.path.join(place, "*openblas*")):
            with contextlib.suppress(OSError, AttributeError):
                library = ctypes.CDLL(path)
                return (
                    library.scipy_openblas_get_num_threads64_,
                    library.scipy_openblas_set_num_threads64_,
                    library.scipy_cblas_sgemm64_,
                    library,
                )
    return None


def addresses() -> dict[str, int]:
    """``Backend.addresses``."""
    found = _found()
    if found is None:
        return {}
    out = {"cblas_sgemm64": ctypes.cast(found[2], ctypes.c_void_p).value or 0}
    with contextlib.suppress(ValueError):
        out["blas_cpu_number"] = ctypes.addressof(ctypes.c_int.in_dll(found[3], "blas_cpu_number"))
    return out


def can_be_alone() -> bool:
    """Whether ``alone`` has an effect."""
    return _found() is not None


class _Alone:
    """See ``alone``; made once, since it is entered around calls of few microseconds."""

    def __enter__(self) -> None:
        global _inside, _before
        found = _found()
        if found is None:
            return
        with _lock:
            if not _inside:
                _before = found[0]()
                if _before > 1:
                    found[1](1)
            _inside += 1

    def __exit__(self, *exc: object) -> None:
        global _inside
        found = _found()
        if found is None:
            return
        with _lock:
            _inside -= 1
            if not _inside and _before > 1:  # at one it was left: by compiled code that is at it
                found[1](_before)


_alone = _Alone()
_nothing: contextlib.AbstractContextManager[None] = contextlib.nullcontext()
#: Whether threads share our work that must not find BLAS's own in their way. Those go on turning
#: for a while when they have nothing to do (OPENBLAS_THREAD_TIMEOUT: some 20 ms).
crowded = False


def alone() -> contextlib.AbstractContextManager[None]:
    """Products are computed by the thread that asks for them."""
    return _alone


def brief() -> contextlib.AbstractContextManager[None]:
    """The same for a pass over memory, to which BLAS's threads add little, where it is crowded."""
    return _alone if crowded else _nothing


def side_by_side(function: Callable[[slice], Any], count: int, size: int) -> None:
    """``parallel.side_by_side`` for a function that calls for products."""
    if size < parallel.LARGE or not 1 < parallel.threads <= count or not can_be_alone():
        function(slice(0, count))
    else:
        with alone():
            parallel.side_by_side(function, count, size)
