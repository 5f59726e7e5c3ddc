"""One workload, measured: times in turns, the floor beside them, peaks in fresh processes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from . import child, memory
from .floors import FLOORS
from .registry import Session, Workload
from .results import StepRow, ratios, spread
from .timing import interleave


def measure(workload: Workload, session: Session) -> StepRow:
    """The workload's row. An error in it is the row's note, so that the others still run."""
    row = StepRow(
        name=workload.name,
        about=workload.about,
        unit=workload.unit,
        target=workload.target,
        recorded_floor=workload.recorded_floor,
        recorded_torch=workload.recorded_torch,
    )
    try:
        _time(workload, session, row)
        peaks = child.call_each(
            "benchmarks.memory:peak_of_training",
            {
                side: {"framework": framework.__name__, "workload": workload.name}
                for side, framework in session.sides().items()
            },
            env=memory.ALLOCATOR,
        )
        row.peak_ours = peaks["ours"]
        row.peak_theirs = peaks.get("theirs")
    except Exception as error:
        row.failed = True
        row.note = f"{type(error).__name__}: {error}"
    return row


def _time(workload: Workload, session: Session, row: StepRow) -> None:
    steps: dict[str, Callable[[], Any]] = {
        side: workload.build(framework) for side, framework in session.sides().items()
    }
    if workload.name in FLOORS:
        steps["floor"] = FLOORS[workload.name]()
    timing = interleave(steps, session.plan)
    seconds = timing.seconds
    for side, step in steps.items():
        loss = float(step().item())
        if not math.isfinite(loss):
            raise ArithmeticError(f"the loss of {side} is {loss}: its time means nothing")
    row.steps = timing.steps["ours"]
    row.note = timing.note()
    row.ours = spread(seconds["ours"]).scaled(workload.per_second)
    if "theirs" in seconds:
        row.theirs = spread(seconds["theirs"]).scaled(workload.per_second)
        row.ratio = ratios(seconds["ours"], seconds["theirs"])
        if "floor" in seconds:
            row.floor = ratios(seconds["floor"], seconds["theirs"])
