"""What `ad.sentinel()` adds to a step: the same step with it and without, in turns."""

from __future__ import annotations

from .registry import Session, experiment
from .results import CheckRow, ratios, spread
from .timing import interleave
from .workloads import WORKLOADS

LIMIT = 3.0
"""Percent."""

STEPS = ("minimal-loop", "classifier", "char-gpt")


@experiment("sentinel", "steps under ad.sentinel() against the same steps without it")
def sentinel(session: Session) -> list[CheckRow]:
    """Percent that the finite-flag adds to a step; one model serves both sides."""
    return [_row(session, name) for name in STEPS]


def _row(session: Session, name: str) -> CheckRow:
    fw = session.ours
    step = WORKLOADS[name].build(fw)
    watched = fw.sentinel(file=None)(step)
    timing = interleave({"without": step, "with": watched}, session.plan)
    without, with_it = timing.seconds["without"], timing.seconds["with"]
    added = spread([a - b for a, b in zip(with_it, without)]).scaled(1e6).median
    return CheckRow(
        name=f"sentinel-{name}",
        measure=f"time added to a step of {name}",
        unit="%",
        ours=ratios(with_it, without).minus_one_in_percent(),
        at_most=LIMIT,
        note=f"{added:.1f} µs of {spread(without).scaled(1e6).median:.0f} {timing.note()}".rstrip(),
    )
