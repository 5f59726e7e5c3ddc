"""What ``cupy.cuda`` offers, without a GPU: devices, events, streams, a pool of imagined memory.

Also a record of where Python would have waited for the GPU.
"""

from __future__ import annotations

import sys
from typing import Any


class Waiting:
    """The places where Python would have waited for the GPU, since ``reset``."""

    seen: list[str] = []

    @classmethod
    def reset(cls) -> None:
        cls.seen = []

    @classmethod
    def note(cls) -> None:
        frame = sys._getframe(2)
        while frame.f_back is not None and "anadrome" not in frame.f_globals.get("__name__", ""):
            frame = frame.f_back
        cls.seen.append(f"{frame.f_code.co_name} ({frame.f_code.co_filename}:{frame.f_lineno})")


class Device:
    """``cupy.cuda.Device``: the current one, or one by number; a context manager."""

    current = 0
    count = 2
    synchronized: list[int] = []

    def __init__(self, number: int | None = None) -> None:
        self.id = Device.current if number is None else number

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)

    def use(self) -> None:
        Device.current = self.id

    def synchronize(self) -> None:
        Waiting.note()
        Device.synchronized.append(self.id)

    def __enter__(self) -> Device:
        self._before = Device.current
        self.use()
        return self

    def __exit__(self, *exc: object) -> None:
        Device.current = self._before


class Event:
    """``cupy.cuda.Event``; ``reached`` says how far the imagined GPU has come."""

    reached = True

    time = 0.0

    def __init__(self, block: bool = False, disable_timing: bool = False) -> None:
        self.timing = not disable_timing

    def record(self, stream: Any = None) -> None:
        Event.time += 1.5
        self.at = Event.time
        self.stream = Stream.current if stream is None else stream

    def synchronize(self) -> None:
        if not Event.reached:
            Waiting.note()

    @property
    def done(self) -> bool:
        return Event.reached


class Stream:
    """``cupy.cuda.Stream``."""

    null: Stream
    current: Stream
    count = 0
    done = True

    def __init__(self, non_blocking: bool = False, priority: int | None = None) -> None:
        self.ptr = Stream.count
        Stream.count += 1
        self.device_id = Device.current
        self.waited_for: list[Any] = []

    def __enter__(self) -> Stream:
        self._before = Stream.current
        Stream.current = self
        return self

    def __exit__(self, *exc: object) -> None:
        Stream.current = self._before

    def synchronize(self) -> None:
        Waiting.note()

    def wait_event(self, event: Any) -> None:
        self.waited_for.append(event)


Stream.null = Stream.current = Stream()


class OutOfMemoryError(MemoryError):
    """``cupy.cuda.memory.OutOfMemoryError``."""


class MemoryHook:
    """``cupy.cuda.MemoryHook``: those entered see what the pool does."""

    entered: list[Any] = []

    def __enter__(self) -> None:
        MemoryHook.entered.append(self)


class Pool:
    """``cupy.cuda.MemoryPool`` of a device with ``room`` bytes; blocks are bare numbers."""

    def __init__(self, room: int = 1000) -> None:
        self.room, self.used, self.cached, self.freed = room, 0, 0, 0

    def malloc(self, size: int) -> int:
        if size > self.cached:
            if self.used + self.cached + size > self.room:
                raise OutOfMemoryError(size)
            self.cached += size
            self._tell("alloc_postprocess", size)
        self.cached -= size
        self.used += size
        self._tell("malloc_postprocess", size)
        return size

    def free(self, block: int) -> None:
        self.used -= block
        self.cached += block
        self._tell("free_postprocess", block)

    def _tell(self, name: str, size: int) -> None:
        for hook in MemoryHook.entered:
            getattr(hook, name)(device_id=Device.current, size=size, mem_size=size, mem_ptr=1)

    def used_bytes(self) -> int:
        return self.used

    def total_bytes(self) -> int:
        return self.used + self.cached

    def free_all_blocks(self) -> None:
        self.cached = 0
        self.freed += 1


class CUDARuntimeError(RuntimeError):
    """``cupy.cuda.runtime.CUDARuntimeError``, with its status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"cudaError {status}")
        self.status = status
