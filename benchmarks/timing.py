"""Interleaved timing of several steps in one process.

Machines drift: the clock, the neighbours, the page cache. So the sides take turns, a short stretch
each, for many rounds; a round gives each side the median of its steps, and two sides are compared
round by round. A ratio is then the median of the rounds' ratios, with their quartiles.

After a call, the helper threads of OpenBLAS and of PyTorch's OpenMP spin for a while in the hope of
more work, on the core that the next framework wants. Hence a pause before every turn, and untimed
steps after it that bring caches and threads back.

The garbage collector stays on, as in a training loop; what is alive after the imports is frozen
first (`settle_collector`), since PyTorch's modules in the same process would otherwise make every
full collection dearer for both.

A round during which other programs took our cores (see `quiet`) is measured again, up to as many
times as there are rounds; then the quietest are kept, and `Timing.disturbed` says how many of them
were not quiet.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .quiet import TOLERATED, Watch


@dataclass(frozen=True)
class Plan:
    """How long to measure.

    `rounds`: turns of each side. `stretch`: seconds of timed steps in a turn. `pause`: seconds of
    sleep before a turn. `warm_up`: seconds of steps before the first round, at least two steps.
    """

    rounds: int
    stretch: float
    pause: float
    warm_up: float


FULL = Plan(rounds=31, stretch=0.20, pause=0.15, warm_up=1.0)
QUICK = Plan(rounds=5, stretch=0.10, pause=0.15, warm_up=0.2)

MOST_STEPS = 2000
"""Timed steps in a turn, at most."""


def settle_collector() -> None:
    """Take everything alive now out of later collections; call after the imports."""
    gc.collect()
    gc.freeze()


@dataclass(frozen=True)
class Timing:
    """`seconds`: of a step, by side, the median of each kept round. `steps`: timed in those rounds.

    `disturbed`: how many of the rounds had to be kept although other work was in the way.
    """

    seconds: dict[str, list[float]]
    steps: dict[str, int]
    disturbed: int

    def note(self) -> str:
        """What a reader should know about the rounds; empty when they were quiet."""
        rounds = len(next(iter(self.seconds.values())))
        return f"{self.disturbed} of {rounds} rounds disturbed" if self.disturbed else ""


def interleave(sides: Mapping[str, Callable[[], Any]], plan: Plan) -> Timing:
    """Time the sides in turns."""
    counts = {name: _steps_in_a_turn(step, plan) for name, step in sides.items()}
    taken: list[tuple[float, dict[str, float]]] = []
    quiet = 0
    while quiet < plan.rounds and len(taken) < 2 * plan.rounds:
        watch = Watch()
        medians = _round(sides, counts, plan, len(taken))
        taken.append((watch.disturbance(), medians))
        quiet += taken[-1][0] <= TOLERATED
    taken.sort(key=lambda entry: entry[0])
    kept = taken[: plan.rounds]
    return Timing(
        seconds={name: [medians[name] for _, medians in kept] for name in sides},
        steps={name: count * plan.rounds for name, count in counts.items()},
        disturbed=sum(disturbance > TOLERATED for disturbance, _ in kept),
    )


def _round(
    sides: Mapping[str, Callable[[], Any]], counts: Mapping[str, int], plan: Plan, number: int
) -> dict[str, float]:
    """One turn of each side, in an order that rotates: no side always follows the same one."""
    names = list(sides)
    first = number % len(names)
    medians = {}
    for name in names[first:] + names[:first]:
        gc.collect()
        time.sleep(plan.pause)
        medians[name] = _turn(sides[name], counts[name])
    return medians


def _turn(step: Callable[[], Any], count: int) -> float:
    """Median seconds of `count` steps, after a tenth as many untimed ones."""
    for _ in range(max(1, count // 10)):
        step()
    clock = time.perf_counter
    times = []
    for _ in range(count):
        start = clock()
        step()
        times.append(clock() - start)
    return statistics.median(times)


def _steps_in_a_turn(step: Callable[[], Any], plan: Plan) -> int:
    """Warm the step up, and find how many fill `plan.stretch`."""
    step()
    times: list[float] = []
    end = time.perf_counter() + plan.warm_up
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    fitting = round(plan.stretch / statistics.median(times))
    return min(MOST_STEPS, max(1, fitting))
