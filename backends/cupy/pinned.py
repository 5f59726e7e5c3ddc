"""pinned: host memory that is page-locked, from which the GPU copies while Python goes on."""

from __future__ import annotations

from collections import deque
from typing import Any

import cupy
import cupyx
import numpy as np

#: cudaMemoryType of page-locked host memory.
_HOST = 1
#: Host arrays that are being copied from, with what is reached when they have been.
_read: deque[tuple[Any, Any]] = deque()


def copied(host: Any) -> Any:
    """The same values in page-locked memory."""
    out = cupyx.empty_pinned(host.shape, dtype=host.dtype)
    out[...] = host
    return out


def holds(host: Any) -> bool:
    """Whether an array lies in such memory."""
    if not isinstance(host, np.ndarray) or not host.nbytes:
        return False
    return int(cupy.cuda.runtime.pointerGetAttributes(host.ctypes.data).type) == _HOST


def received(host: Any, wait: bool) -> Any:
    """The values on the current device.

    From ordinary memory CuPy copies by way of a page-locked buffer of its own, and the array may be
    written at once. From page-locked memory the GPU copies by itself: that is waited for, unless
    the user said that it need not be.
    """
    if not (holds(host) and host.flags.c_contiguous):
        return cupy.array(host, copy=True)
    out = cupy.empty(host.shape, dtype=host.dtype)
    stream = cupy.cuda.get_current_stream()
    out.data.copy_from_host_async(host.ctypes.data, host.nbytes, stream)
    done = cupy.cuda.Event(disable_timing=True)
    done.record(stream)
    if wait:
        done.synchronize()
        return out
    while _read and _read[0][0].done:
        _read.popleft()
    _read.append((done, host))
    return out
