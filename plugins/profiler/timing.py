"""timing: how long a statement takes (PyTorch: ``torch.utils.benchmark``)."""

from __future__ import annotations

import statistics
import textwrap
import timeit
from collections.abc import Callable, Iterable
from typing import Any

import anadrome as ad
from anadrome import settings

#: Calls in one run, at most.
_MOST = 10**7
_UNITS = ((1e-9, "ns"), (1e-6, "us"), (1e-3, "ms"), (1.0, "s"))


def timer() -> float:
    """The time in seconds, once the GPU (if there is one) has done all it was given."""
    if ad.cuda.is_available():
        ad.cuda.synchronize()
    return timeit.default_timer()


def select_unit(t: float) -> tuple[str, float]:
    """The unit for a time in seconds, and how long that is."""
    fitting = [(name, size) for size, name in _UNITS if t >= size]
    return fitting[-1] if fitting else ("ns", 1e-9)


class Measurement:
    """Times of a statement; each of ``raw_times`` is of ``number_per_run`` calls, in seconds."""

    def __init__(self, number_per_run: int, raw_times: list[float], task: dict[str, Any]) -> None:
        self.number_per_run = number_per_run
        self.raw_times = raw_times
        self.task_spec = task

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
    def title(self) -> str:
        """What was measured."""
        names = (self.task_spec[n] for n in ("label", "sub_label") if self.task_spec[n])
        return ": ".join(names) or str(self.task_spec["stmt"])

    def __repr__(self) -> str:
        unit, size = select_unit(self.median)
        setup = self.task_spec["setup"]
        lines = [object.__repr__(self), self.title, self.task_spec["description"]]
        if setup and setup != "pass":
            lines += (
                ["setup:", textwrap.indent(setup, "  ")] if "\n" in setup else [f"setup: {setup}"]
            )
        n = len(self.times)
        lines.append(f"  {'Median: ' if n > 1 else ''}{self.median / size:.2f} {unit}")
        if n >= 4:
            low, high = (q / size for q in self._quartiles())
            lines.append(f"  IQR:    {high - low:.2f} {unit} ({low:.2f} to {high:.2f})")
        each = " per measurement," if n > 1 else " ,"
        threads = _many(self.task_spec["num_threads"], "thread")
        lines.append(f"  {_many(n, 'measurement')}, {self.number_per_run} runs{each} {threads}")
        return "\n".join(line for line in lines if line)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + ("s" if count > 1 else "")


class Timer:
    """Times a statement (PyTorch: ``torch.utils.benchmark.Timer``).

    ``stmt`` and ``setup`` are code, which sees ``globals``. ``num_threads``: set for as long as it
    is timed. ``label``, ``sub_label``, ``description`` and ``env``: for the report.

    >>> import anadrome as ad
    >>> from anadrome.utils.benchmark import Timer
    >>> result = Timer("x + 1", globals={"x": ad.ones(4)}).timeit(100)
    >>> result.number_per_run, result.mean > 0
    (100, True)
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: str = "python",
    ) -> None:
        if not isinstance(stmt, str):
            raise ValueError("Currently only a `str` stmt is supported.")
        if global_setup or str(language).lower() not in ("python", "py", "language.python"):
            raise ValueError("only statements in Python are timed here; leave global_setup out")
        if num_threads < 1:
            raise ValueError(f"num_threads must be positive, not {num_threads}")
        self._threads = num_threads
        self._task = {
            "stmt": stmt, "setup": setup, "label": label, "sub_label": sub_label,
            "description": description, "env": env, "num_threads": num_threads,
        }  # fmt: skip
        names = {"torch": ad, "anadrome": ad} | (globals or {})
        self._timer = timeit.Timer(stmt, setup, timer, names)

    def _timed(self, number: int) -> float:
        before = settings.get_num_threads()
        settings.set_num_threads(self._threads)
        try:
            return max(self._timer.timeit(number), 1e-9)
        finally:
            settings.set_num_threads(before)

    def _measured(self, number: int, times: list[float]) -> Measurement:
        return Measurement(number, times, self._task)

    def timeit(self, number: int = 1_000_000) -> Measurement:
        """``number`` calls, after some to warm up."""
        self._timed(max(number // 100, 2))
        return self._measured(number, [self._timed(number)])

    def repeat(self, repeat: int = -1, number: int = -1) -> None:
        """Raises NotImplementedError, as in PyTorch: see ``timeit`` and ``blocked_autorange``."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def autorange(self, callback: Any = None) -> None:
        """Raises NotImplementedError, as in PyTorch: see ``blocked_autorange``."""
        raise NotImplementedError("See `Timer.blocked_autorange.`")

    def _block(self, min_run_time: float) -> int:
        """So many calls a run that the clock's own time is a thousandth of it."""
        overhead = statistics.median(self._clock() for _ in range(5))
        number = 1
        while True:
            taken = self._timed(number)
            if (overhead / taken <= 1e-4 and taken >= min_run_time / 1000) or taken > min_run_time:
                return number
            number *= 10

    def _clock(self) -> float:
        start = self._timer.timer()  # type: ignore[attr-defined]
        return self._timer.timer() - start  # type: ignore[attr-defined]

    def blocked_autorange(
        self, callback: Callable[[int, float], Any] | None = None, min_run_time: float = 0.2
    ) -> Measurement:
        """Runs of as many calls as the clock needs, until ``min_run_time`` seconds have passed.

        ``callback``: told of each run, ``callback(number, seconds)``.
        """
        number = self._block(min_run_time)
        times: list[float] = []
        while not times or sum(times) < min_run_time:
            times.append(self._timed(number))
            if callback is not None:
                callback(number, times[-1])
        return self._measured(number, times)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:
        """The same until the quartiles differ by less than ``threshold``, or the time is up."""
        number = self._block(0.05)
        times: list[float] = []
        while True:
            times.append(self._timed(number))
            if callback is not None:
                callback(number, times[-1])
            found = self._measured(number, times)
            steady = len(times) > 3 and found.iqr / found.median < threshold
            if sum(times) > max_run_time or (steady and sum(times) >= min_run_time):
                return found


class Compare:
    """Measurements as a table, a row a ``sub_label``, a column a ``description``.

    (PyTorch: ``torch.utils.benchmark.Compare``.)
    """

    def __init__(self, results: Iterable[Measurement]) -> None:
        self._results = list(results)

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """More of them."""
        self._results.extend(results)

    def trim_significant_figures(self) -> None:
        """Accepted: numbers have three digits."""

    def colorize(self, rowwise: bool = False) -> None:
        """Accepted: the table has no colours."""

    def highlight_warnings(self) -> None:
        """Accepted."""

    def __str__(self) -> str:
        parts = []
        for label in dict.fromkeys(r.task_spec["label"] for r in self._results):
            parts.append(_table(label, [r for r in self._results if r.task_spec["label"] == label]))
        return "\n".join(parts)

    def print(self) -> None:
        """Print the table."""
        print(self)


def _table(label: str | None, results: list[Measurement]) -> str:
    rows = list(dict.fromkeys(_row(r) for r in results))
    columns = list(dict.fromkeys(r.task_spec["description"] or "" for r in results))
    unit, size = select_unit(min(r.median for r in results))
    cells = {(_row(r), r.task_spec["description"] or ""): r.median / size for r in results}
    first = max([len(str(row)) for row in rows] + [0])
    widths = [max(len(c), 8) for c in columns]
    title = f"[{label or '-'}]".center(first + sum(widths) + 3 * len(widths), "-")
    lines = [title, " | ".join([" " * first] + [c.rjust(w) for c, w in zip(columns, widths)])]
    for row in rows:
        values = [cells.get((row, c)) for c in columns]
        shown = ["" if v is None else f"{v:.4g}" for v in values]
        lines.append(" | ".join([row.ljust(first)] + [v.rjust(w) for v, w in zip(shown, widths)]))
    return "\n".join([*lines, f"Times are in {unit}."])


def _row(result: Measurement) -> str:
    return str(result.task_spec["sub_label"] or result.task_spec["stmt"])
