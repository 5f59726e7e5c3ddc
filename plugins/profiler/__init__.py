"""A profiler: which ops took how long, as a table and as a trace for the browser's viewer.

Reading order: ``schedules``, ``profiling``; ``measuring``, ``timing``, ``comparing``, ``fuzzing``,
``instructions`` (``utils.benchmark``: a statement's time); ``flops`` (``utils.flop_counter``: how
much is computed).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)


#: ``utils.benchmark``, by file here and by PyTorch's file of it.
_BENCHMARKS = {
    ("comparing", "compare"): "Colorize Compare",
    ("fuzzing", "fuzzer"): "FuzzedParameter FuzzedTensor Fuzzer ParameterAlias",
    ("instructions", "valgrind_wrapper.timer_interface"): (
        "CallgrindStats CopyIfCallgrind FunctionCount FunctionCounts"
    ),
    ("measuring", "common"): (
        "Measurement TaskSpec ordered_unique select_unit set_torch_threads trim_sigfig "
        "unit_to_english"
    ),
    ("timing", "timer"): "Language Timer timer",
}


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's names, the older ones below `autograd` among them."""
    names = ("profile", "record_function")
    exports = {f"profiler.{n}": f"{__name__}.profiling:{n}" for n in names}
    exports.update({f"autograd.profiler.{n}": f"{__name__}.profiling:{n}" for n in names})
    older = ("EventList", "emit_nvtx")
    exports.update({f"autograd.profiler.{n}": f"{__name__}.profiling:{n}" for n in older})
    exports["autograd._profiler_enabled"] = f"{__name__}.profiling:_profiler_enabled"
    exports["profiler.supported_activities"] = f"{__name__}.profiling:supported_activities"
    for name in ("Event", "EventList", "Averages"):
        theirs = {"Event": "FunctionEvent", "Averages": "FunctionEventAvg"}.get(name, name)
        exports[f"autograd.profiler_util.{theirs}"] = f"{__name__}.profiling:{name}"
    exports["autograd.profiler.FunctionEvent"] = f"{__name__}.profiling:Event"
    exports["profiler.kineto_available"] = f"{__name__}.profiling:kineto_available"
    plans = ("ProfilerAction", "schedule", "tensorboard_trace_handler")
    exports.update({f"profiler.{n}": f"{__name__}.schedules:{n}" for n in plans})
    exports.update(_of_benchmarks())
    exports["utils.flop_counter.FlopCounterMode"] = f"{__name__}.flops:FlopCounterMode"
    exports["profiler.ProfilerActivity"] = f"{__name__}.profiling:ProfilerActivity"
    return exports


def _of_benchmarks() -> dict[str, str]:
    found = {}
    for (ours, theirs), names in _BENCHMARKS.items():
        for name in names.split():
            target = f"{__name__}.{ours}:{name}"
            found[f"utils.benchmark.{name}"] = target
            found[f"utils.benchmark.utils.{theirs}.{name}"] = target
    return found
