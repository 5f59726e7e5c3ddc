"""A profiler: which ops took how long, as a table and as a trace for the browser's viewer.

Reading order: ``schedules``, ``profiling``; ``timing`` (``utils.benchmark``: a statement's time),
``flops`` (``utils.flop_counter``: how much is computed).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's names, the older ones below `autograd` among them."""
    names = ("profile", "record_function")
    exports = {f"profiler.{n}": f"{__name__}.profiling:{n}" for n in names}
    exports.update({f"autograd.profiler.{n}": f"{__name__}.profiling:{n}" for n in names})
    older = ("EventList", "emit_nvtx")
    exports.update({f"autograd.profiler.{n}": f"{__name__}.profiling:{n}" for n in older})
    exports["autograd._profiler_enabled"] = f"{__name__}.profiling:_profiler_enabled"
    exports["profiler.kineto_available"] = f"{__name__}.profiling:kineto_available"
    plans = ("ProfilerAction", "schedule", "tensorboard_trace_handler")
    exports.update({f"profiler.{n}": f"{__name__}.schedules:{n}" for n in plans})
    timing = ("Compare", "Measurement", "Timer", "select_unit", "timer")
    exports.update({f"utils.benchmark.{n}": f"{__name__}.timing:{n}" for n in timing})
    exports["utils.flop_counter.FlopCounterMode"] = f"{__name__}.flops:FlopCounterMode"
    exports["profiler.ProfilerActivity"] = f"{__name__}.profiling:ProfilerActivity"
    return exports
