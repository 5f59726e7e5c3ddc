"""utils: names that plugins give, such as ``anadrome.utils.checkpoint`` (``torch.utils``)."""

from __future__ import annotations

from typing import Any

from .swapping import swap_tensors as swap_tensors


def __getattr__(name: str) -> Any:
    if name == "ThroughputBenchmark":
        from ..places.throughput import ThroughputBenchmark

        return ThroughputBenchmark
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
