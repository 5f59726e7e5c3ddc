"""Interleaved timing by marks on the device.

The sides take turns. A turn begins with steps that are not timed, which fill caches and take memory
from the device; then there is a mark behind each step, and the turn's figure is the median of the
times between marks. So work that Python issues too slowly counts, and what it does after the last
mark does not. At the end of a turn cached memory is given back, for the other sides.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .sides import Side

Step = Callable[[], Any]
"""One step; returns its loss, which nobody has read yet."""


@dataclass(frozen=True)
class Plan:
    """`rounds`: turns of each side. `steps`: timed in a turn. `warm_up`: before them."""

    rounds: int
    steps: int
    warm_up: int


FULL = Plan(rounds=7, steps=10, warm_up=3)
QUICK = Plan(rounds=3, steps=5, warm_up=2)
TRIAL = Plan(rounds=1, steps=1, warm_up=1)


def interleave(steps: Mapping[str, tuple[Side, Step]], plan: Plan) -> dict[str, list[float]]:
    """Milliseconds of a step, by side, of each round. Raises ArithmeticError for a loss of NaN."""
    taken: dict[str, list[float]] = {name: [] for name in steps}
    names = list(steps)
    for number in range(plan.rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(_turn(*steps[name], plan))
    for name, (_, step) in steps.items():
        loss = float(step().item())
        if not math.isfinite(loss):
            raise ArithmeticError(f"the loss of {name} is {loss}: its time means nothing")
    return taken


def _turn(side: Side, step: Step, plan: Plan) -> float:
    for _ in range(plan.warm_up):
        step()
    side.settle()
    marks = [side.mark()]
    for _ in range(plan.steps):
        step()
        marks.append(side.mark())
    side.synchronize()
    times = [side.between(a, b) for a, b in itertools.pairwise(marks)]
    side.release()
    return statistics.median(times)
