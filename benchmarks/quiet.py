"""How much of the machine others took while we were timing.

A neighbour on one of two cores does not slow both frameworks alike: threads that wait for each
other at a barrier, as PyTorch's do, lose far more than a fifth. So a round is only worth keeping
when others left us our cores, and `timing` takes another one in its place.
"""

from __future__ import annotations

import time
from pathlib import Path

from .environment import THREADS

STAT = Path("/proc/stat")

TICKS = 100
"""Ticks a second in /proc/stat; fixed by the kernel's interface to user programs."""

TOLERATED = 0.15
"""Cores' worth of other work, beyond the cores that we do not use, that a round may see."""


class Watch:
    """Other work since this object was made, from the kernel's books; nothing outside Linux."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._own = time.process_time()
        self._busy, self._cores = _busy()

    def disturbance(self) -> float:
        """Cores' worth of work by others that took cores from us, theft by the hypervisor included.

        0 where the system does not tell.
        """
        wall = time.perf_counter() - self._wall
        own = time.process_time() - self._own
        busy, _ = _busy()
        others = (busy - self._busy - own) / wall
        spare = max(0, self._cores - THREADS)
        return max(0.0, others - spare)


def _busy() -> tuple[float, int]:
    """Seconds that all cores have worked or been stolen since the start, and how many there are."""
    try:
        lines = STAT.read_text().splitlines()
    except OSError:
        return 0.0, 0
    user, nice, system, _idle, _wait, irq, softirq, stolen = map(int, lines[0].split()[1:9])
    cores = sum(line.startswith("cpu") for line in lines) - 1
    return (user + nice + system + irq + softirq + stolen) / TICKS, cores
