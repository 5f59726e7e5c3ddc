"""Peak memory, in megabytes of 1e6 bytes, measured in a process of its own.

Two meters, because no one meter sees both frameworks well:

`ResidentPeak` is what the operating system sees: the rise of the process's peak resident set.
It serves both frameworks and every allocator. On Linux it resets and reads the kernel's own mark
(`VmHWM`): `ru_maxrss` cannot be reset, and a process inherits it from its parent, PyTorch and all.
Elsewhere it is `ru_maxrss` after minus before; where there is neither, None.

`TracedPeak` is what NumPy reports to `tracemalloc`: exact to the byte, and blind to PyTorch.

The children run with `ALLOCATOR` in their environment, so that glibc gives every block of 64 KiB
and more back when it is freed. With its default, freed blocks stay in the heap, a step after the
first raises nothing, and the figure depends on the order of earlier frees.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from pathlib import Path
from types import ModuleType

from . import environment
from .workloads import WORKLOADS

MEGABYTE = 1e6

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")


class ResidentPeak:
    """The rise of the peak resident set since this object was made."""

    def __init__(self) -> None:
        gc.collect()
        self._resets = _reset_mark()
        self._before = _status("VmRSS") if self._resets else _highest_ever()

    def megabytes(self) -> float | None:
        """The rise so far; None where the system does not say."""
        now = _status("VmHWM") if self._resets else _highest_ever()
        if now is None or self._before is None:
            return None
        return (now - self._before) / MEGABYTE


class TracedPeak:
    """The rise of the peak of traced memory since this object was made; `start_tracing` first."""

    def __init__(self) -> None:
        gc.collect()
        tracemalloc.reset_peak()
        self._before, _ = tracemalloc.get_traced_memory()

    def megabytes(self) -> float:
        """The rise so far."""
        _, peak = tracemalloc.get_traced_memory()
        return (peak - self._before) / MEGABYTE


def start_tracing() -> None:
    """Let `tracemalloc` see all allocations from here on: call before anything is built."""
    tracemalloc.start(1)


def in_use() -> float:
    """Megabytes alive now: traced ones while tracing, else the resident set."""
    if tracemalloc.is_tracing():
        return tracemalloc.get_traced_memory()[0] / MEGABYTE
    return (_status("VmRSS") or 0) / MEGABYTE


def peak_of_training(framework: str, workload: str) -> float | None:
    """Rise of the peak over building the workload and three steps, above the imports.

    So it holds parameters, gradients, optimizer state, activations and temporaries.
    Meant for a child process of its own.
    """
    fw = environment.load(framework)
    build = WORKLOADS[workload].build
    _touch(fw)
    meter = ResidentPeak()
    step = build(fw)
    for _ in range(3):
        step()
    return meter.megabytes()


def _touch(fw: ModuleType) -> None:
    """Start threads and load what a framework loads at its first product and backward."""
    weight = fw.randn(256, 256, requires_grad=True)
    fw.relu(fw.randn(256, 256) @ weight).mean().backward()


def _reset_mark() -> bool:
    """Set the kernel's peak mark to the present resident set; False where that is impossible."""
    try:
        RESET.write_text("5")
    except OSError:
        return False
    return _status("VmHWM") is not None


def _status(field: str) -> int | None:
    """Bytes of a field of /proc/self/status, which counts in KiB."""
    try:
        lines = STATUS.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return None


def _highest_ever() -> int | None:
    """Bytes of the highest resident set of this process so far; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
