"""The ways into the tables: `@workload` for a training step, `@experiment` for the rest, and
`@device_experiment` for what is measured on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from .results import CheckRow
from .timing import Plan

Step = Callable[[], Any]
"""One whole training step; returns its loss, a tensor that nobody has read yet."""

Build = Callable[[ModuleType], Step]
"""Makes model, data and optimizer from a framework, and gives the step."""


@dataclass(frozen=True)
class Session:
    """One run of the benchmarks: the two sides and how long to look at them."""

    ours: ModuleType
    theirs: ModuleType | None
    plan: Plan
    quick: bool

    def sides(self) -> dict[str, ModuleType]:
        """The frameworks there are, under the keys "ours" and "theirs"."""
        if self.theirs is None:
            return {"ours": self.ours}
        return {"ours": self.ours, "theirs": self.theirs}


@dataclass(frozen=True)
class Workload:
    """A training step both frameworks can run.

    `target` and `recorded_floor` are ratios to PyTorch. A time is shown as seconds times
    `per_second`, in `unit`; `recorded_torch` is in that unit too.
    """

    name: str
    about: str
    build: Build
    target: float
    recorded_floor: float | None
    recorded_torch: float | None
    unit: str
    per_second: float


@dataclass(frozen=True)
class Experiment:
    """Any other measurement: it runs as it likes and returns its rows."""

    name: str
    about: str
    run: Callable[[Session], list[CheckRow]]


@dataclass(frozen=True)
class DeviceSession:
    """One run on a GPU: the sides by "ours", "eager", "compiled"; `notes` are for the report."""

    sides: dict[str, Any]
    plan: Any
    sizes: Any
    notes: list[str]


@dataclass(frozen=True)
class DeviceExperiment:
    """A measurement on a GPU."""

    name: str
    about: str
    run: Callable[[DeviceSession], list[CheckRow]]


WORKLOADS: dict[str, Workload] = {}
EXPERIMENTS: dict[str, Experiment] = {}
DEVICE_EXPERIMENTS: dict[str, DeviceExperiment] = {}


def workload(
    name: str,
    about: str,
    *,
    target: float,
    floor: float | None = None,
    torch: float | None = None,
    unit: str = "ms",
    per_second: float = 1e3,
) -> Callable[[Build], Build]:
    """Register the decorated builder; `floor` and `torch` are what was recorded for the target."""

    def register(build: Build) -> Build:
        _refuse_twice(name)
        WORKLOADS[name] = Workload(name, about, build, target, floor, torch, unit, per_second)
        return build

    return register


def experiment(
    name: str, about: str
) -> Callable[[Callable[[Session], list[CheckRow]]], Callable[[Session], list[CheckRow]]]:
    """Register the decorated experiment."""

    def register(run: Callable[[Session], list[CheckRow]]) -> Callable[[Session], list[CheckRow]]:
        _refuse_twice(name)
        EXPERIMENTS[name] = Experiment(name, about, run)
        return run

    return register


def device_experiment(
    name: str, about: str
) -> Callable[
    [Callable[[DeviceSession], list[CheckRow]]], Callable[[DeviceSession], list[CheckRow]]
]:
    """Register the decorated measurement for `python -m benchmarks gpu`."""

    def register(
        run: Callable[[DeviceSession], list[CheckRow]],
    ) -> Callable[[DeviceSession], list[CheckRow]]:
        if name in DEVICE_EXPERIMENTS:
            raise ValueError(f"two measurements on a GPU are named {name!r}")
        DEVICE_EXPERIMENTS[name] = DeviceExperiment(name, about, run)
        return run

    return register


def select(patterns: Sequence[str]) -> tuple[list[Workload], list[Experiment]]:
    """What the patterns name, in the table's order; everything for no pattern.

    A pattern is a name or the start of one up to a hyphen: "op-chain" takes "op-chain-0d" too.
    Raises ValueError for a pattern that names nothing.
    """
    names = [*WORKLOADS, *EXPERIMENTS]
    for pattern in patterns:
        if not any(_matches(name, pattern) for name in names):
            raise ValueError(f"no benchmark named {pattern!r}; there are: {', '.join(names)}")
    chosen = {
        name for name in names if not patterns or any(_matches(name, one) for one in patterns)
    }
    return (
        [entry for name, entry in WORKLOADS.items() if name in chosen],
        [entry for name, entry in EXPERIMENTS.items() if name in chosen],
    )


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or name.startswith(f"{pattern}-")


def _refuse_twice(name: str) -> None:
    if name in WORKLOADS or name in EXPERIMENTS:
        raise ValueError(f"two benchmarks are named {name!r}")
