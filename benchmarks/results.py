"""What a measurement leaves behind. Every field is plain data, so that `asdict` gives the JSON."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """A median with its quartiles, in the unit of the row that holds it."""

    median: float
    low: float
    high: float

    def scaled(self, factor: float) -> Spread:
        """The same spread in another unit."""
        return Spread(self.median * factor, self.low * factor, self.high * factor)

    def minus_one_in_percent(self) -> Spread:
        """For a spread of ratios: how much more than one, in percent."""
        return Spread(
            100 * (self.median - 1),
            100 * (self.low - 1),
            100 * (self.high - 1),
        )


def spread(values: Sequence[float]) -> Spread:
    """Median and quartiles of at least one value; one value is its own quartiles."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high)


def ratios(over: Sequence[float], under: Sequence[float]) -> Spread:
    """Spread of the round-by-round ratios: what moved both sides in a round cancels."""
    return spread([a / b for a, b in zip(over, under, strict=True)])


@dataclass
class StepRow:
    """A workload, timed. Times in `unit`, ratios to PyTorch, memory in MB (1e6 bytes)."""

    name: str
    about: str
    unit: str
    target: float
    ours: Spread | None = None
    theirs: Spread | None = None
    ratio: Spread | None = None
    floor: Spread | None = None
    """Hand-written NumPy over PyTorch in this run; None where `floors` has none."""
    recorded_floor: float | None = None
    """The same ratio when the target was set."""
    recorded_torch: float | None = None
    """PyTorch's time, in `unit`, when the target was set."""
    peak_ours: float | None = None
    peak_theirs: float | None = None
    steps: int = 0
    """Timed steps of the framework under test, over all rounds."""
    note: str = ""
    failed: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the median ratio is within the target; None without PyTorch."""
        if self.failed:
            return False
        return None if self.ratio is None else self.ratio.median <= self.target


@dataclass
class CheckRow:
    """A measurement that is not a training step: `ours`, in `unit`, against a range."""

    name: str
    measure: str
    unit: str
    ours: Spread | None = None
    theirs: float | None = None
    """PyTorch's median of the same, where it has one."""
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""
    failed: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the median is in the range; None where no range is set or nothing measured."""
        if self.failed:
            return False
        if self.ours is None or (self.at_least is None and self.at_most is None):
            return None
        above = self.at_least is None or self.ours.median >= self.at_least
        below = self.at_most is None or self.ours.median <= self.at_most
        return above and below
