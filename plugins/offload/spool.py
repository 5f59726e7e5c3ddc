"""A file of regions that are written, read and given back, and that leaves nothing behind."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import deque
from typing import Any


class Spool:
    """One temporary file in ``directory``; without a name where the system has such files."""

    def __init__(self, directory: str) -> None:
        # Unlinked at once, or deleted when closed: it does not survive the process.
        self.file: Any = tempfile.TemporaryFile(prefix="anadrome-", dir=directory, buffering=0)  # noqa: SIM115
        self.owner = os.getpid()
        self.lock = threading.Lock()
        self.end = 0
        #: Given back by a collector that may have run in the middle of a write; see ``_settle``.
        self.returned: deque[tuple[int, int]] = deque()
        #: Regions that were given back, as start to size; no two of them touch.
        self.free: dict[int, int] = {}

    def write(self, raw: memoryview) -> Region:
        """Keep the bytes; what could not be written takes no place."""
        with self.lock:
            start = self._place(len(raw))
            try:
                self.file.seek(start)
                done = 0
                while done < len(raw):
                    done += self.file.write(raw[done:])
            except BaseException:
                self._give_back(start, len(raw))
                raise
        self._settle()
        return Region(self, start, len(raw))

    def read(self, start: int, size: int) -> bytearray:
        """The bytes of a region; fewer if the file was cut short."""
        raw = bytearray(size)
        view = memoryview(raw)
        with self.lock:
            self.file.seek(start)
            done = 0
            while done < size:
                count = self.file.readinto(view[done:])
                if not count:
                    break
                done += count
        self._settle()
        return raw

    def give_back(self, start: int, size: int) -> None:
        """The region is used no more. Called by the collector, at any time and in any thread."""
        self.returned.append((start, size))
        self._settle()

    def _settle(self) -> None:
        """Take in what was given back, unless somebody is at work, who does it at the end.

        A process that was forked from the owner leaves the owner's file alone.
        """
        while self.returned and os.getpid() == self.owner and not self.file.closed:
            if not self.lock.acquire(blocking=False):
                return
            try:
                while self.returned:
                    self._give_back(*self.returned.popleft())
            finally:
                self.lock.release()

    def _place(self, size: int) -> int:
        for start, room in self.free.items():
            if room >= size:
                del self.free[start]
                if room > size:
                    self.free[start + size] = room - size
                return start
        start = self.end
        self.end += size
        return start

    def _give_back(self, start: int, size: int) -> None:
        for other, room in list(self.free.items()):
            if other + room == start or start + size == other:
                del self.free[other]
                start, size = min(start, other), size + room
        if start + size == self.end:  # the rest of the file is free: the disk gets it back
            self.end = start
            self.file.truncate(start)
        else:
            self.free[start] = size


class Region:
    """A part of a spool, given back when nobody holds it."""

    __slots__ = ("size", "spool", "start")

    def __init__(self, spool: Spool, start: int, size: int) -> None:
        self.spool = spool
        self.start = start
        self.size = size

    def read(self) -> bytearray:
        """The bytes."""
        return self.spool.read(self.start, self.size)

    def __del__(self) -> None:
        self.spool.give_back(self.start, self.size)
