"""team: the threads that share compiled loops, and wait for them in compiled code.

`loops/team.py` is what they do there. Here they are started when first wanted, put to sleep when
nothing has come for a while, and woken.
"""

from __future__ import annotations

import atexit
import contextlib
import math
import os
import threading
import time
from collections.abc import Callable

import numpy as np

from anadrome import Backend
from anadrome.forking import forkable_lock

#: Elements from which a loop is shared: below, another core has not fetched them sooner.
LARGE = 2**16
#: As many threads as there are in a team, at most: one that waits for a core would be waited for.
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
#: How long a member waits for the next loop before it sleeps, in seconds. In a training step they
#: follow each other faster.
PATIENCE = 3e-3


#: Of whom there is room for words in a team's memory.
MEMBERS = 64


class _Member:
    """A thread of the team."""

    def __init__(self, team: _Team, number: int) -> None:
        self.team = team
        self.number = number
        self.called = threading.Semaphore(0)
        self.thread = threading.Thread(
            target=self._run, name=f"anadrome-numba-{number}", daemon=True
        )
        self.thread.start()

    def _run(self) -> None:
        from .loops.team import serve

        seen = 1
        while not self.team.over:
            seen = serve(self.team.memory.address, self.number, seen, self.team.patience)
            self.called.acquire()

    def wake(self) -> None:
        self.team.asleep[self.number] = 0
        self.called.release()


class _Memory:
    """What the threads tell each other; see ``loops/team.py``."""

    def __init__(self) -> None:
        from .loops import team

        self.words = np.zeros((team.SIZE + team.LINE) // 8, np.int64)
        unaligned = self.words.ctypes.data
        self.address = -(-unaligned // team.LINE) * team.LINE
        self.words = self.words[(self.address - unaligned) // 8 :]
        self.words[0] = 1
        self.asleep = self.words[team.ASLEEP // 8 :: team.EACH // 8]


def _looks(seconds: float) -> int:
    """How many looks take so long: that differs tenfold between processors."""
    from .loops.team import serve

    spare, some, best = _Memory(), 2000, math.inf
    for _ in range(4):  # the first may compile
        start = time.perf_counter()
        serve(spare.address, 1, 1, some)
        best = min(best, time.perf_counter() - start)
    return int(some * seconds / max(best, 1e-6))


class _Team:
    """The threads of this process."""

    def __init__(self) -> None:
        self.memory = _Memory()
        self.asleep = self.memory.asleep
        self.members: list[_Member] = []
        self.over = False
        self.patience = _looks(PATIENCE)
        self.lock = threading.Lock()
        atexit.register(self.end)

    def ready(self, parts: int) -> None:
        """Have as many threads awake, with the caller's."""
        members = self.members
        if len(members) < parts - 1:
            with self.lock:
                while len(members) < parts - 1:
                    members.append(_Member(self, len(members) + 1))
        for member in members[: parts - 1]:
            if self.asleep[member.number]:
                member.wake()

    def end(self) -> None:
        """Let the threads go: none may be in compiled code when that is taken away."""
        self.over = True
        for member in self.members:
            member.wake()
        for member in self.members:
            member.thread.join(1)


_team: _Team | None = None
_lock = forkable_lock()


def _forget() -> None:
    """A forked child has none of its parent's threads."""
    global _team, _lock
    _team, _lock = None, forkable_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


class Team:
    """What kernels are given to share their loops with."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        addresses = backend.addresses
        #: The addresses of BLAS's product of float32 matrices, and of the number of its threads,
        #: which loops that call for products set to one; 0 if they are not known.
        self.blas = addresses.get("cblas_sgemm64", 0), addresses.get("blas_cpu_number", 0)
        self.has_blas = self.blas[0] != 0
        #: To be entered around those loops: where they cannot set it, it is set from here.
        self.outside = contextlib.nullcontext() if self.blas[1] else backend.alone()

    def __call__(self, size: int) -> tuple[int, int]:
        """The team, and in how many parts a loop over so many elements falls."""
        global _team
        team = _team
        if team is None:
            with _lock:
                team = _team = _team or _Team()
            self.backend.configure("crowded", True)
        parts = min(self.backend.threads, CORES, MEMBERS) if size >= LARGE else 1
        if parts > 1:
            team.ready(parts)
        return team.memory.address, parts

    def spread(
        self, function: Callable[[slice], object], count: int, size: int, **how: bool
    ) -> None:
        """The backend's ``side_by_side``, for work that is Python between its loops; the threads
        that do it find the cores free."""
        if _team is not None and _team.members:
            from .loops.team import send_to_rest

            send_to_rest(_team.memory.address)
        self.backend.side_by_side(function, count, size, **how)
