"""profiling: a mode that notes when each op began and ended."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import gzip
import json
import operator
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from anadrome import Mode, Tensor
from anadrome.border import enclose
from anadrome.cuda import nvtx

from .names import name_of
from .schedules import ProfilerAction, always


class ProfilerActivity(enum.Enum):
    """What can be profiled (PyTorch's names); ops are timed on the CPU."""

    CPU = 0
    CUDA = 2


class Event(NamedTuple):
    """One op or one labelled block: its times are in microseconds."""

    name: str
    start: float
    duration: float
    shapes: tuple[tuple[int, ...], ...]
    thread: int

    @property
    def key(self) -> str:
        """What it is counted under."""
        return self.name

    @property
    def count(self) -> int:  # type: ignore[override]
        """One call."""
        return 1

    @property
    def cpu_time_total(self) -> float:
        """As `duration`."""
        return self.duration

    @property
    def cpu_time(self) -> float:
        """As `duration`."""
        return self.duration

    @property
    def self_cpu_time_total(self) -> float:
        """As `duration`: an op calls no other."""
        return self.duration

    @property
    def input_shapes(self) -> list[list[int]]:
        """Of the Tensors given."""
        return [list(shape) for shape in self.shapes]


#: What PyTorch's columns of devices and of memory are called: nothing of them is measured here.
_UNMEASURED = frozenset(
    f"{where}_{what}"
    for where in ("cpu", "cuda", "device", "xpu")
    for what in ("memory_usage", "time", "time_total")
    if (where, what) not in (("cpu", "time"), ("cpu", "time_total"))
)


@dataclasses.dataclass(frozen=True)
class Averages:
    """All calls of one op together; times in microseconds.

    What PyTorch counts of devices and memory (`cuda_time_total`, `cpu_memory_usage`, …) is 0.
    """

    key: str
    count: int
    cpu_time_total: float
    #: Of the Tensors given, where calls were grouped by them too.
    input_shapes: list[list[int]] = dataclasses.field(default_factory=list)

    @property
    def self_cpu_time_total(self) -> float:
        """As `cpu_time_total`: an op calls no other."""
        return self.cpu_time_total

    @property
    def cpu_time(self) -> float:
        """The mean time of a call."""
        return self.cpu_time_total / self.count

    def __getattr__(self, name: str) -> int:
        if name.removeprefix("self_") in _UNMEASURED:
            return 0
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


class EventList(list):
    """The events of a profile, or their averages, one an op (PyTorch: `EventList`)."""

    def key_averages(self, group_by_input_shapes: bool = False, **options: Any) -> EventList:
        """The events grouped by op, and by shapes on request, in order of the first one."""
        grouped: dict[tuple[str, Any], list[float]] = {}
        for event in self:
            shapes = event.shapes if group_by_input_shapes else ()
            grouped.setdefault((event.name, shapes), []).append(event.duration)
        return EventList(
            Averages(name, len(times), sum(times), [list(s) for s in shapes])
            for (name, shapes), times in grouped.items()
        )

    def table(self, sort_by: str | None = None, row_limit: int = 100, **options: Any) -> str:
        """As text. `sort_by`: `cpu_time_total`, `cpu_time` or `count`.

        By what is not measured here (`cuda_time_total`, `cpu_memory_usage`, …) nothing is moved.
        """
        rows = list(self)
        field = sort_by and sort_by.removeprefix("self_")
        if field and field not in _UNMEASURED:
            if field not in ("cpu_time_total", "cpu_time", "count"):
                raise ValueError(
                    f"cannot sort by {sort_by!r}; there are cpu_time_total, cpu_time and count"
                )
            rows.sort(key=operator.attrgetter(field), reverse=True)
        total = sum(row.cpu_time_total for row in self) or 1.0
        shaped = any(row.input_shapes for row in rows)
        head = ("Name", "CPU total %", "CPU total", "CPU time avg", "# of Calls")
        lines = [(*head, "Input Shapes") if shaped else head]
        for row in rows[:row_limit]:
            share = f"{100 * row.cpu_time_total / total:.2f}%"
            times = f"{row.cpu_time_total:.3f}us", f"{row.cpu_time:.3f}us"
            line = (row.key, share, *times, str(row.count))
            lines.append((*line, str(row.input_shapes)) if shaped else line)
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        rule = "  ".join("-" * w for w in widths)
        text = ["  ".join(c.rjust(w) for c, w in zip(line, widths)) for line in lines]
        return "\n".join([rule, text[0], rule, *text[1:], rule])

    def __str__(self) -> str:
        return self.table()

    def total_average(self) -> Averages:
        """All of it as one."""
        return Averages("Total", sum(r.count for r in self), sum(r.cpu_time_total for r in self))

    def export_chrome_trace(self, path: str) -> None:
        """Write a trace for `chrome://tracing` or Perfetto; compressed, if it ends in `.gz`."""
        trace = [
            {"name": e.name, "ph": "X", "ts": e.start, "dur": e.duration, "pid": 0,
             "tid": e.thread, "cat": "cpu_op", "args": {"Input Dims": e.shapes}}
            for e in self
        ]  # fmt: skip
        opened: Any = gzip.open if str(path).endswith(".gz") else open
        with opened(path, "wt", encoding="utf-8") as file:
            json.dump({"traceEvents": trace, "displayTimeUnit": "ms"}, file)


_running: list[profile] = []
#: PyTorch's further arguments of ``profile``: accepted, without effect.
_ACCEPTED = (
    "acc_events", "custom_trace_id_callback", "execution_trace_observer", "experimental_config",
    "post_processing_timeout_s", "profile_memory", "use_cuda", "use_cpu", "use_device",
    "use_kineto", "with_flops", "with_modules", "with_stack",
)  # fmt: skip
_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)


def _known(activities: list[Any]) -> None:
    if not activities:
        raise ValueError("no valid profiler activities found; give e.g. [ProfilerActivity.CPU]")
    for activity in activities:
        if not isinstance(activity, (ProfilerActivity, dict)):
            kind = type(activity).__name__
            raise TypeError(f"profile(): expected ProfilerActivity or dict, not {kind}")


@enclose
class profile(Mode):
    """Time each op inside (PyTorch: `torch.profiler.profile`, `torch.autograd.profiler.profile`).

    Ops of the forward are timed one by one; a backward over arrays is one call. `record_shapes`
    notes shapes for the trace. `on_trace_ready` is called with the profile at the end, and at the
    end of each window of a `schedule` (see `torch.profiler.schedule`), which asks the loop to call
    `step()`; the events are those of the last window.

    >>> import anadrome as ad
    >>> with ad.profiler.profile() as prof:
    ...     y = ad.ones(3).exp() + 1
    >>> [event.key for event in prof.key_averages()]
    ['aten::exp', 'aten::add']
    """

    def __init__(
        self, enabled: bool = True, *, activities: Any = None, record_shapes: bool = False,
        on_trace_ready: Callable[[profile], None] | None = None, schedule: Any = None,
        **others: Any,
    ) -> None:  # fmt: skip
        for name in others:
            if name not in _ACCEPTED:
                raise TypeError(f"profile() got an unexpected keyword argument {name!r}")
        if activities is not None and not hasattr(activities, "__iter__"):
            kind = type(activities).__name__
            raise TypeError(f"profile(): activities is a list, not {kind}")
        if activities is not None:
            _known(list(activities))
        for name, function in (("schedule", schedule), ("on_trace_ready", on_trace_ready)):
            if function is not None and not callable(function):
                kind = type(function).__name__
                raise TypeError(f"profile(): {name} is a function, not {kind}")
        self.enabled = enabled
        self.record_shapes = record_shapes
        self.on_trace_ready = on_trace_ready
        self.function_events = EventList()
        self.schedule = schedule or always
        self.step_num = 0
        self.current_action = ProfilerAction.NONE

    def intercept(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self._records():
            return op(*args, **kwargs)
        begin = time.perf_counter()
        try:
            return op(*args, **kwargs)
        finally:
            shapes = tuple(tuple(a.shape) for a in args if isinstance(a, Tensor))
            name = name_of(op, args, kwargs)
            self._note(name, begin, shapes if self.record_shapes else ())

    def _records(self) -> bool:
        return self.enabled and self.current_action in _RECORDING

    def _note(self, name: str, begin: float, shapes: tuple[Any, ...]) -> None:
        now = time.perf_counter()
        self.function_events.append(
            Event(name, begin * 1e6, (now - begin) * 1e6, shapes, threading.get_ident())
        )

    def __enter__(self) -> Any:
        _running.append(self)
        self._begin(self.schedule(self.step_num))
        return super().__enter__()

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        _running.remove(self)
        if self.current_action in _RECORDING and self.on_trace_ready is not None:
            self.on_trace_ready(self)
        self.current_action = ProfilerAction.NONE

    def _begin(self, action: ProfilerAction) -> None:
        """The next step's action; a window that begins forgets the one before."""
        if action in _RECORDING and self.current_action is not ProfilerAction.RECORD:
            self.function_events = EventList()
        self.current_action = action

    def start(self) -> None:
        """Begin, without a `with`."""
        self.__enter__()

    def stop(self) -> None:
        """End what `start` began."""
        self.__exit__(None, None, None)

    def step(self) -> None:
        """A training step is over: the schedule says what happens in the next one."""
        self.step_num += 1
        saves = self.current_action is ProfilerAction.RECORD_AND_SAVE
        if saves and self.on_trace_ready is not None:
            self.on_trace_ready(self)
        self._begin(self.schedule(self.step_num))

    def __repr__(self) -> str:
        """The table of all calls, once it is over."""
        if self in _running or not self.function_events:
            return f"<unfinished {type(self).__name__}>"
        return self.function_events.table()

    def events(self) -> EventList:
        """Each call, in order of its end."""
        return self.function_events

    def key_averages(self, group_by_input_shape: bool = False, **options: Any) -> EventList:
        """The calls grouped by op, in order of the first one."""
        return self.function_events.key_averages(group_by_input_shape)

    def table(self, sort_by: str | None = None, row_limit: int = 100, **options: Any) -> str:
        """`key_averages().table(...)`."""
        return self.key_averages().table(sort_by, row_limit)

    def export_chrome_trace(self, path: str) -> None:
        """Write a trace: see `EventList.export_chrome_trace`."""
        self.function_events.export_chrome_trace(path)


def _profiler_enabled() -> bool:
    """Whether a profile is running (PyTorch: `torch.autograd._profiler_enabled`)."""
    return bool(_running)


def supported_activities() -> set[ProfilerActivity]:
    """What can be profiled here: ops, as they are called (``torch.profiler``)."""
    return {ProfilerActivity.CPU}


def kineto_available() -> bool:
    """False: ops are timed by Python's clock, not by PyTorch's own library for it."""
    return False


class emit_nvtx(Mode):
    """A range of `cuda.nvtx` around each op (PyTorch: `torch.autograd.profiler.emit_nvtx`)."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        self.enabled = enabled
        self.record_shapes = record_shapes

    def intercept(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if not self.enabled:
            return op(*args, **kwargs)
        shapes = [list(a.shape) for a in args if isinstance(a, Tensor)]
        with nvtx.range(f"{op.__name__}, sizes = {shapes}" if self.record_shapes else op.__name__):
            return op(*args, **kwargs)


class record_function(contextlib.ContextDecorator):
    """Label a block in the running profiles (PyTorch: `torch.profiler.record_function`)."""

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self._begins: list[float] = []

    def __enter__(self) -> record_function:
        self._begins.append(time.perf_counter())
        return self

    def __exit__(self, *exc: object) -> None:
        begin = self._begins.pop()
        for running in _running:
            if running._records():
                running._note(self.name, begin, ())
