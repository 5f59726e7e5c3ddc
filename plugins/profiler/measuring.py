"""measuring: times of a statement, and what they say (``utils.benchmark.Measurement``)."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import statistics
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from anadrome import settings

_UNITS = {"ns": (1e-9, "nanosecond"), "us": (1e-6, "microsecond"), "ms": (1e-3, "millisecond"),
          "s": (1.0, "second")}  # fmt: skip
#: Above which share of the median the quartiles' distance is worth a word, and two.
_WIDE, _VERY_WIDE = 0.1, 0.25


def select_unit(t: float) -> tuple[str, float]:
    """The unit for a time in seconds, and how long that is."""
    fitting = [(name, size) for name, (size, _) in _UNITS.items() if t >= size]
    return fitting[-1] if fitting else ("ns", 1e-9)


def unit_to_english(u: str) -> str:
    """The word for a unit."""
    return _UNITS[u][1]


def trim_sigfig(x: float, n: int) -> float:
    """A number of ``n`` digits.

    >>> from anadrome.utils.benchmark import trim_sigfig
    >>> trim_sigfig(3.14159, 2)
    3.1
    """
    if n != int(n):
        raise AssertionError("Number of significant figures must be an integer")
    scale = 10.0 ** (math.ceil(math.log10(abs(x))) - n)
    return float(round(x / scale) * scale)


def ordered_unique(elements: Iterable[Any]) -> list[Any]:
    """Each element once, in order."""
    return list(dict.fromkeys(elements))


@contextlib.contextmanager
def set_torch_threads(n: int) -> Iterator[None]:
    """So many threads inside."""
    before = settings.get_num_threads()
    settings.set_num_threads(n)
    try:
        yield
    finally:
        settings.set_num_threads(before)


@dataclasses.dataclass(repr=False, frozen=True)
class TaskSpec:
    """What was measured (``torch.utils.benchmark.TaskSpec``)."""

    stmt: str
    setup: str
    global_setup: str = ""
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def title(self) -> str:
        """In a line, if the statement is one."""
        if self.label is None and "\n" in self.stmt:
            part = f" ({self.sub_label})" if self.sub_label else ""
            return f"stmt:{part}\n{textwrap.indent(self.stmt, '  ')}"
        name = self.stmt if self.label is None else self.label
        return f"{name}: {self.sub_label}" if self.sub_label else name

    def setup_str(self) -> str:
        """What was done before; nothing if nothing."""
        if not self.setup or self.setup == "pass":
            return ""
        if "\n" in self.setup:
            return f"setup:\n{textwrap.indent(self.setup, '  ')}"
        return f"setup: {self.setup}"

    def summarize(self) -> str:
        """Some lines of it."""
        parts = [self.title, self.description, self.setup_str()]
        return "\n".join(f"{part}\n" if "\n" in part else part for part in parts if part)


_FIELDS = frozenset(field.name for field in dataclasses.fields(TaskSpec))


@dataclasses.dataclass(repr=False)
class Measurement:
    """Times of a statement; each of ``raw_times`` is of ``number_per_run`` calls, in seconds.

    (``torch.utils.benchmark.Measurement``.) What was measured is ``task_spec``, and each of its
    fields is here as well.
    """

    number_per_run: int
    raw_times: list[float]
    task_spec: TaskSpec
    metadata: dict[Any, Any] | None = None

    def __getattr__(self, name: str) -> Any:
        if name in _FIELDS:
            return getattr(self.task_spec, name)
        raise AttributeError(f"'Measurement' object has no attribute {name!r}")

    @property
    def times(self) -> list[float]:
        """Seconds a call, of each run."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def mean(self) -> float:
        """Seconds a call, on average over the runs."""
        return statistics.fmean(self.times)

    @property
    def median(self) -> float:
        """Seconds a call, in the middle of the runs."""
        return statistics.median(self.times)

    @property
    def iqr(self) -> float:
        """How far apart the quartiles of the runs are."""
        low, high = self._quartiles()
        return high - low

    def _quartiles(self) -> tuple[float, float]:
        if len(self.times) < 2:
            return self.median, self.median
        low, _, high = statistics.quantiles(self.times, n=4, method="inclusive")
        return low, high

    @property
    def significant_figures(self) -> int:
        """How many digits of the median say something, from 1 to 4; from the inner half."""
        times = sorted(self.times)
        inner = times[len(times) // 4 : math.ceil(3 * len(times) / 4)]
        interval = max(1.645 * statistics.pstdev(inner) / math.sqrt(len(inner)), 25e-9)
        return min(max(math.floor(math.log10(self.median / interval)), 1), 4)

    def meets_confidence(self, threshold: float = _WIDE) -> bool:
        """Whether the quartiles are apart less than that part of the median."""
        return self.iqr / self.median < threshold

    @property
    def has_warnings(self) -> bool:
        """Whether they are further apart than they should."""
        return bool(self._warning)

    @property
    def _warning(self) -> str:
        if self.meets_confidence(_WIDE):
            return ""
        wide = self.meets_confidence(_VERY_WIDE)
        why = (
            "This could indicate system fluctuation."
            if wide
            else "This suggests significant environmental influence."
        )
        share = self.iqr / self.median * 100
        return (
            f"  WARNING: Interquartile range is {share:.1f}% of the median measurement.\n"
            f"           {why}"
        )

    @property
    def title(self) -> str:
        """What was measured."""
        return self.task_spec.title

    @property
    def as_row_name(self) -> str:
        """What its row is called in a table."""
        return self.task_spec.sub_label or self.task_spec.stmt or "[Unknown]"

    @staticmethod
    def merge(measurements: Iterable[Measurement]) -> list[Measurement]:
        """One of all those of the same statement."""
        grouped: dict[TaskSpec, list[float]] = {}
        for measurement in measurements:
            grouped.setdefault(measurement.task_spec, []).extend(measurement.times)
        return [Measurement(1, times, task) for task, times in grouped.items()]

    def __repr__(self) -> str:
        unit, size = select_unit(self.median)
        n = len(self.times)
        lines = [object.__repr__(self), self.task_spec.summarize()]
        lines.append(f"  {'Median: ' if n > 1 else ''}{self.median / size:.2f} {unit}")
        if n >= 4:
            low, high = (q / size for q in self._quartiles())
            lines.append(f"  IQR:    {high - low:.2f} {unit} ({low:.2f} to {high:.2f})")
        each = " per measurement," if n > 1 else " ,"
        threads = _many(self.task_spec.num_threads, "thread")
        lines.append(f"  {_many(n, 'measurement')}, {self.number_per_run} runs{each} {threads}")
        return "\n".join([*lines, self._warning] if self._warning else lines)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + ("s" if count > 1 else "")
