"""memory: the allocator, which tries again and explains itself, and the peaks of what is held."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from typing import Any

import cupy

from anadrome import device
from anadrome.backend import MemoryInfo
from anadrome.cuda.holding import holders, told
from anadrome.errors import OutOfMemoryError


def install() -> None:
    """Put ourselves before CuPy's allocator, whichever it is."""
    given = cupy.cuda.get_allocator()
    if getattr(given, "anadrome", False):
        return

    def allocate(size: int) -> Any:
        try:
            return given(size)
        except cupy.cuda.memory.OutOfMemoryError:
            return _again(given, size)

    allocate.anadrome = True  # type: ignore[attr-defined]
    cupy.cuda.set_allocator(allocate)


def _again(given: Callable[[int], Any], size: int) -> Any:
    """Once more, with what nobody holds given back to the device first."""
    gc.collect()
    release()
    try:
        return given(size)
    except cupy.cuda.memory.OutOfMemoryError as error:
        raise OutOfMemoryError(_explained(size)) from error


def _explained(size: int) -> str:
    index = int(cupy.cuda.Device().id)
    now = info(index)
    cached = now.reserved - now.allocated
    found = holders(device("cuda", index))
    rest = now.allocated - sum(held for _, held in found)
    if rest > 0:
        found.append(("values saved for backward, and temporaries", rest))
    who = ", ".join(f"{name} {told(held)}" for name, held in found) or "nothing that we know of"
    return (
        f"CUDA out of memory. Tried to allocate {told(size)}. GPU {index} has a total capacity of "
        f"{told(now.total)} of which {told(now.free)} is free; arrays of this process hold "
        f"{told(now.allocated)}, and {told(cached)} is cached. Cached blocks were freed and it was "
        f"tried again. Held: {who}. A smaller batch, `autocast` or `utils.checkpoint` needs less; "
        "a loss or output kept from an earlier step keeps its whole graph."
    )


def release() -> None:
    """Give blocks that no array holds back to the device."""
    cupy.get_default_memory_pool().free_all_blocks()
    cupy.get_default_pinned_memory_pool().free_all_blocks()
    _watch.reserved.clear()


class _Watch(cupy.cuda.MemoryHook):  # type: ignore[misc]
    """Sees allocations, in the threads that it was entered in, and keeps the peaks by device."""

    name = "anadrome_peak"

    def __init__(self) -> None:
        self.used: dict[int, int] = {}
        self.most_used: dict[int, int] = {}
        self.reserved: dict[int, int] = {}
        self.most_reserved: dict[int, int] = {}

    def malloc_postprocess(self, **facts: Any) -> None:
        number = facts["device_id"]
        if facts["mem_ptr"] and number in self.used:
            used = self.used[number] = self.used[number] + facts["mem_size"]
            if used > self.most_used[number]:
                self.most_used[number] = used

    def free_postprocess(self, **facts: Any) -> None:
        number = facts["device_id"]
        if number in self.used:
            self.used[number] -= facts["mem_size"]

    def alloc_postprocess(self, **facts: Any) -> None:
        number = facts["device_id"]
        if facts["mem_ptr"] and number in self.most_reserved:
            taken = self.reserved.get(number)
            if taken is not None:
                taken = self.reserved[number] = taken + facts["mem_size"]
                self.most_reserved[number] = max(self.most_reserved[number], taken)


_watch = _Watch()
_entered = threading.local()


def reset_peak(index: int) -> None:
    """Count the peaks of a device from now on."""
    if not getattr(_entered, "yes", False):  # CuPy keeps its hooks by thread
        _watch.__enter__()
        _entered.yes = True
    with cupy.cuda.Device(index):
        pool = cupy.get_default_memory_pool()
        _watch.used[index] = _watch.most_used[index] = pool.used_bytes()
        _watch.reserved[index] = _watch.most_reserved[index] = pool.total_bytes()


def info(index: int) -> MemoryInfo:
    """What is held on a device."""
    if index not in _watch.most_used:
        reset_peak(index)
    with cupy.cuda.Device(index):
        pool = cupy.get_default_memory_pool()
        used, reserved = int(pool.used_bytes()), int(pool.total_bytes())
        free, total = cupy.cuda.runtime.memGetInfo()
    # Counted by what the pool says: other threads may have allocated and freed, too.
    _watch.used[index], _watch.reserved[index] = used, reserved
    _watch.most_used[index] = max(_watch.most_used[index], used)
    _watch.most_reserved[index] = max(_watch.most_reserved[index], reserved)
    return MemoryInfo(
        used, reserved, _watch.most_used[index], _watch.most_reserved[index], int(free), int(total)
    )
