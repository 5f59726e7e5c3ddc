"""comparing: measurements as a table (``utils.benchmark.Compare``)."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from typing import Any

from .measuring import Measurement, ordered_unique, select_unit, trim_sigfig, unit_to_english

_BOLD, _END = "\033[1m", "\033[0m"
#: How many times the best time, and the colour of what is not above or not below it.
_FAST = ((1.01, "\033[92m"), (1.1, "\033[34m"))
_SLOW = ((5, "\033[31m" + _BOLD), (2, "\033[2m\033[91m"))


class Colorize(enum.Enum):
    """What a time's colour compares it with."""

    NONE = "none"
    COLUMNWISE = "columnwise"
    ROWWISE = "rowwise"


class Compare:
    """Measurements as a table, a row a ``sub_label``, a column a ``description``.

    (``torch.utils.benchmark.Compare``.) A table for each ``label``; in it the rows of each number
    of threads stand together.

    >>> from anadrome.utils.benchmark import Compare, Measurement, TaskSpec
    >>> task = TaskSpec("f(x)", "pass", label="sums", sub_label="8", description="first")
    >>> table = Compare([Measurement(10, [2e-5], task)])
    >>> for line in str(table).splitlines()[1:4]:
    ...     print(line.rstrip())
             |  first
    1 threads: ------
          8  |   2.0
    """

    def __init__(self, results: Iterable[Measurement]) -> None:
        self._results: list[Measurement] = []
        self.extend_results(results)
        self._trims = False
        self._colours = Colorize.NONE
        self._warns = False

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """More of them."""
        results = list(results)
        for result in results:
            if not isinstance(result, Measurement):
                raise ValueError(
                    f"Expected an instance of `Measurement`, got {type(result)} instead."
                )
        self._results += results

    def trim_significant_figures(self) -> None:
        """From now on times have only the digits that say something."""
        self._trims = True

    def colorize(self, rowwise: bool = False) -> None:
        """From now on times are coloured: against the best of their column, or row."""
        self._colours = Colorize.ROWWISE if rowwise else Colorize.COLUMNWISE

    def highlight_warnings(self) -> None:
        """From now on times that vary much are marked."""
        self._warns = True

    def __str__(self) -> str:
        labels: dict[Any, list[Measurement]] = {}
        for result in Measurement.merge(self._results):
            labels.setdefault(result.task_spec.label, []).append(result)
        return "\n".join(self._table(label, results) for label, results in labels.items())

    def print(self) -> None:
        """Print the table."""
        print(self)

    def _table(self, label: str | None, results: list[Measurement]) -> str:
        unit, scale = select_unit(min(r.median for r in results))
        rows = ordered_unique(_row(r) for r in results)
        rows.sort(key=lambda row: (row[0], row[1] or ""))
        columns = ordered_unique(r.task_spec.description for r in results)
        cells = {(_row(r), r.task_spec.description): r for r in results}
        warns = self._warns and any(r.has_warnings for r in results)
        texts = [_names(rows, [r.task_spec.env for r in results])]
        texts += [self._column([cells.get((row, c)) for row in rows], scale) for c in columns]
        heads = ["", *(column or "" for column in columns)]
        widths = [max(map(len, [head, *text])) for head, text in zip(heads, texts)]
        lines = ["  |  ".join(h.center(w) for h, w in zip(heads, widths))]
        whole = len(lines[0])
        threads = None
        for number, row in enumerate(rows):
            if row[0] != threads:
                threads = row[0]
                lines.append(f"{threads} threads: ".ljust(whole, "-"))
            found = [cells.get((row, c)) for c in columns]
            shown = [texts[0][number].ljust(widths[0])]
            for place, (result, text) in enumerate(zip(found, texts[1:])):
                text_of_cell = text[number].center(widths[place + 1])
                group = [cells.get((r, columns[place])) for r in rows if r[0] == threads]
                best = group if self._colours is Colorize.COLUMNWISE else found
                shown.append(self._coloured(text_of_cell, result, best))
            lines.append("  |  ".join(shown))
        title = f" {label or ''} ".center(whole - 2, "-")
        note = "(! XX%) Measurement has high variance, where XX is the IQR / median * 100.\n"
        english = unit_to_english(unit)
        end = f"\nTimes are in {english}s ({unit}).\n" + (note if warns else "")
        return "\n".join([f"[{title}]", *lines, end])

    def _column(self, results: list[Measurement | None], scale: float) -> list[str]:
        """The times of a column, as wide as they must be."""
        there = [r for r in results if r is not None]
        warns = self._warns and any(r.has_warnings for r in there)
        digits = [math.ceil(math.log10(r.median / scale)) for r in there]
        decimals = 1
        if self._trims:
            decimals = min(max(r.significant_figures - d, 0) for r, d in zip(there, digits))
        width = max(digits) + decimals + (1 if decimals else 0)
        texts = []
        for result in results:
            if result is None:
                texts.append(" " * (max(width, len(f"{1:.{decimals}f}")) + (7 if warns else 0)))
                continue
            value = result.median / scale
            if self._trims:
                value = trim_sigfig(value, result.significant_figures)
            text = f"{value:>{max(width, 0)}.{decimals}f}"
            if warns:
                share = f" (! {result.iqr / result.median * 100:.0f}%)"
                text += f"{share if result.has_warnings else '':>7}"
            texts.append(text)
        return texts

    def _coloured(self, text: str, result: Any, among: list[Measurement | None]) -> str:
        if self._colours is Colorize.NONE or result is None:
            return text
        time, best = result.median, min(r.median for r in among if r is not None)
        for times, colour in _FAST:
            if time <= best * times or (times == _FAST[0][0] and time <= best + 100e-9):
                return colour + _BOLD + text + _END * 2
        for times, colour in _SLOW:
            if time >= best * times:
                return (
                    colour
                    + text
                    + _END * (2 if _BOLD in colour else 1)
                    + ("" if _BOLD in colour else _END)
                )
        return text


def _row(result: Measurement) -> tuple[int, str | None, str]:
    task = result.task_spec
    return task.num_threads, task.env, result.as_row_name


def _names(rows: list[Any], envs: list[str | None]) -> list[str]:
    """What the rows are called; with where they were measured, if that differs."""
    several = len(set(envs)) > 1
    width = max(len(str(env)) for env in envs) if several else 0
    names = []
    before: Any = None
    for threads, env, name in rows:
        shown = f"({env})" if several and (threads, env) != before else ""
        before = threads, env
        names.append(f"  {shown.ljust(width + 4)}{name}")
    return names
