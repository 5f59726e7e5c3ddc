"""A framework on a device, with the clock and the memory of that device.

Both frameworks have PyTorch's names, so one class serves them.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from types import ModuleType
from typing import Any

MEGABYTE = 1e6


class Side:
    """`fw` on `device`. `compiled`: models go through `fw.compile`."""

    def __init__(self, fw: ModuleType, device: str = "cuda", compiled: bool = False) -> None:
        self.fw = fw
        self.device = device
        self.compiled = compiled

    def made(self, model: Any) -> Any:
        """The model as this side runs it."""
        model = model.to(self.device)
        return self.fw.compile(model) if self.compiled else model

    def synchronize(self) -> None:
        """Wait until the device is done."""
        self.fw.cuda.synchronize()

    def mark(self) -> Any:
        """A mark behind the work there is."""
        event = self.fw.cuda.Event(enable_timing=True)
        event.record()
        return event

    def between(self, start: Any, end: Any) -> float:
        """Milliseconds from one mark to another that has been reached."""
        return float(start.elapsed_time(end))

    def peak(self, run: Callable[[], Any]) -> float:
        """The most memory held while `run()` runs, in MB."""
        self.settle()
        self.fw.cuda.reset_peak_memory_stats()
        run()
        self.synchronize()
        return self.fw.cuda.max_memory_allocated() / MEGABYTE

    def rise(self, run: Callable[[], Any]) -> float:
        """The same, over what is held before."""
        self.settle()
        before = self.fw.cuda.memory_allocated() / MEGABYTE
        return self.peak(run) - before

    def settle(self) -> None:
        """Nothing is under way, and nothing waits to be collected."""
        gc.collect()
        self.synchronize()

    def release(self) -> None:
        """Give memory that no array holds to the others."""
        gc.collect()
        self.fw.cuda.empty_cache()
