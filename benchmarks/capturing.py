"""The minimal loop as it is, against the same step captured and replayed."""

from __future__ import annotations

from .registry import Session, experiment
from .results import CheckRow, ratios, spread
from .timing import interleave
from .workloads import minimal_training


@experiment("capture", "the minimal loop: capture(step) against eager")
def capture(session: Session) -> list[CheckRow]:
    """Replayed over eager time, which has to be below one."""
    fw = session.ours
    if not hasattr(fw, "capture"):
        return [
            CheckRow(
                name="capture",
                measure="captured / eager",
                unit="ratio",
                note=f"{fw.__name__} has no capture",
            )
        ]
    train, batches = minimal_training(fw)
    other, other_batches = minimal_training(fw)
    captured = fw.capture(other)
    steps = {
        "eager": lambda: train(*next(batches)),
        "captured": lambda: captured(*next(other_batches)),
    }
    timing = interleave(steps, session.plan)
    seconds = timing.seconds
    microseconds = {name: spread(times).scaled(1e6) for name, times in seconds.items()}
    return [
        CheckRow(
            name="capture",
            measure="captured / eager",
            unit="ratio",
            ours=ratios(seconds["captured"], seconds["eager"]),
            at_most=1.0,
            note=f"{microseconds['captured'].median:.0f} µs against"
            f" {microseconds['eager'].median:.0f} µs a step {timing.note()}".rstrip(),
        )
    ]
