"""instructions: counts of instructions, by function (``utils.benchmark.CallgrindStats``).

Counting them needs Valgrind and a build of its own, which is not there; counts that were made with
PyTorch can be read here, compared and printed.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .measuring import TaskSpec, _many

_LINES = 18


class FunctionCount(NamedTuple):
    """How many instructions a function took."""

    count: int  # type: ignore[assignment]
    function: str


@dataclasses.dataclass(repr=False, eq=False, frozen=True)
class FunctionCounts:
    """Counts of several functions, most first; they can be added, subtracted and multiplied.

    >>> from anadrome.utils.benchmark import FunctionCount, FunctionCounts
    >>> before = FunctionCounts((FunctionCount(3, "f"), FunctionCount(1, "g")), inclusive=False)
    >>> after = before.transform(str.upper).transform(str.lower) * 2
    >>> [tuple(count) for count in after - before]
    [(3, 'f'), (1, 'g')]
    """

    _counted: tuple[FunctionCount, ...]
    inclusive: bool
    truncate_rows: bool = True
    _linewidth: int | None = None

    def __iter__(self) -> Iterator[FunctionCount]:
        yield from self._counted

    def __len__(self) -> int:
        return len(self._counted)

    def __getitem__(self, item: Any) -> Any:
        found = self._counted[item]
        if isinstance(item, slice):
            return FunctionCounts(found, self.inclusive, truncate_rows=False)  # type: ignore[arg-type]
        return found

    def __repr__(self) -> str:
        width = max((len(str(c)) + (c < 0) for c, _ in self), default=0)
        room = max((self._linewidth or 80) - width - 4, 40)
        lines = []
        for count, name in self:
            if len(name) > room:
                left = (room - 5) // 2
                name = f"{name[:left]} ... {name[-(room - left - 5) :]}"
            lines.append(f"  {count:>{width}}  {name}")
        if self.truncate_rows and len(lines) > _LINES:
            half = _LINES // 2
            lines = [*lines[:half], "...".rjust(width + 2), *lines[-half:]]
        if not self.inclusive:
            lines += ["", f"Total: {self.sum()}"]
        return "\n".join([object.__repr__(self), *lines])

    def __add__(self, other: FunctionCounts) -> FunctionCounts:
        return self._merged(other, 1)

    def __sub__(self, other: FunctionCounts) -> FunctionCounts:
        return self._merged(other, -1)

    def __mul__(self, other: float) -> FunctionCounts:
        return self._of({name: int(count * other) for count, name in self})

    def _merged(self, other: FunctionCounts, sign: int) -> FunctionCounts:
        if self.inclusive != other.inclusive:
            raise AssertionError("Cannot merge inclusive and exclusive counts.")
        counts: defaultdict[str, int] = defaultdict(int)
        for count, name in self:
            counts[name] += count
        for count, name in other:
            counts[name] += sign * count
        return self._of(counts)

    def _of(self, counts: dict[str, int]) -> FunctionCounts:
        rows = sorted((FunctionCount(c, name) for name, c in counts.items() if c), reverse=True)
        return FunctionCounts(tuple(rows), self.inclusive)

    def transform(self, map_fn: Callable[[str], str]) -> FunctionCounts:
        """By other names; those of one name are added."""
        counts: defaultdict[str, int] = defaultdict(int)
        for count, name in self:
            counts[map_fn(name)] += count
        return self._of(counts)

    def filter(self, filter_fn: Callable[[str], bool]) -> FunctionCounts:
        """Only those of whose names it says True."""
        return FunctionCounts(tuple(c for c in self if filter_fn(c.function)), self.inclusive)

    def sum(self) -> int:
        """All of them."""
        return sum(count for count, _ in self)

    def denoise(self) -> FunctionCounts:
        """Without the look-up of names in Python's dictionaries, which varies."""
        return self.filter(lambda name: "dictobject.c:lookdict_unicode" not in name)


#: What is left out of names so that those of two builds are equal.
_PLACES = (
    (r"^.+build/\.\./", "build/../"),
    (r"^.+/build/aten/", "build/aten/"),
    (r"^.+/Python/", "Python/"),
    (r"^.+/Objects/", "Objects/"),
    (r"\s\[.+\]$", ""),
)


@dataclasses.dataclass(repr=False, eq=False, frozen=True)
class CallgrindStats:
    """Counts of a statement, and of nothing for comparison (PyTorch's name)."""

    task_spec: TaskSpec
    number_per_run: int
    built_with_debug_symbols: bool
    baseline_inclusive_stats: FunctionCounts
    baseline_exclusive_stats: FunctionCounts
    stmt_inclusive_stats: FunctionCounts
    stmt_exclusive_stats: FunctionCounts
    stmt_callgrind_out: str | None

    def __repr__(self) -> str:
        base = self.baseline_exclusive_stats
        counts = self.counts(), self.counts(denoise=True)
        threads = _many(self.task_spec.num_threads, "thread")
        lines = [
            object.__repr__(self),
            self.task_spec.summarize(),
            f"{'All':>30}{'Noisy symbols removed':>31}",
            f"    Instructions: {counts[0]:>12}{counts[1]:>27}",
            f"    Baseline:     {base.sum():>12}{base.denoise().sum():>27}",
            f"{self.number_per_run} runs per measurement, {threads}",
        ]
        if not self.built_with_debug_symbols:
            lines.append("Warning: built without debug symbols; places in sources may be missing.")
        return "\n".join(lines)

    def stats(self, inclusive: bool = False) -> FunctionCounts:
        """The counts; ``inclusive``: with those of what each function calls."""
        return self.stmt_inclusive_stats if inclusive else self.stmt_exclusive_stats

    def counts(self, *, denoise: bool = False) -> int:
        """All instructions."""
        stats = self.stmt_exclusive_stats
        return (stats.denoise() if denoise else stats).sum()

    def delta(self, other: CallgrindStats, inclusive: bool = False) -> FunctionCounts:
        """How much more than another."""
        return self.stats(inclusive) - other.stats(inclusive)

    def as_standardized(self) -> CallgrindStats:
        """By names that do not say where the build was."""

        def bare(stats: FunctionCounts) -> FunctionCounts:
            for before, after in _PLACES:
                stats = stats.transform(functools.partial(re.sub, before, after))
            return stats

        return CallgrindStats(
            self.task_spec,
            self.number_per_run,
            self.built_with_debug_symbols,
            bare(self.baseline_inclusive_stats),
            bare(self.baseline_exclusive_stats),
            bare(self.stmt_inclusive_stats),
            bare(self.stmt_exclusive_stats),
            None,
        )


class CopyIfCallgrind:
    """A global that a counting process may have a copy of (PyTorch's name)."""

    def __init__(self, value: Any, *, setup: str | None = None) -> None:
        self.value = value
        self.setup = setup
