"""The report of what a scaler has done, and the warning when it does nothing but skip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .result import StepResult, listed, quoted
from .underflow import Underflow

_SHOWN = 5


class SkippedStepsWarning(UserWarning):
    """Many steps in a row were skipped: probably it is not the scale that makes the overflow."""


class ScaleChange(NamedTuple):
    """``scale`` is the one after ``iteration``; ``reason``: "growth", "backoff" or "set"."""

    iteration: int
    reason: str
    scale: float


class ScalerSummary(NamedTuple):
    """What ``scaler.summary()`` returns; printing it shows a few lines.

    ``taken``, ``skipped``: steps. ``iterations``: calls of ``update()``. ``in_a_row``: how many of
    the last iterations had a skipped step, one after the other; ``longest_row``: how many at most.
    ``scale``: now. ``changes``: the last thousand ``ScaleChange``. ``last_skip``: the
    ``StepResult`` of the last skipped step, with its parameters and node;
    ``last_skip_iteration``: when it was.
    ``underflow``: what ``scaler.underflow`` says, if ``summary`` was given an optimizer.
    """

    taken: int
    skipped: int
    iterations: int
    in_a_row: int
    longest_row: int
    scale: float
    changes: list[ScaleChange]
    last_skip: StepResult | None
    last_skip_iteration: int
    underflow: Mapping[str, Underflow] | None

    def __str__(self) -> str:
        lines = [
            f"{self.taken} steps taken, {self.skipped} skipped ({self.in_a_row} in a row now, "
            f"{self.longest_row} at most); the scale is {self.scale:g}"
        ]
        for change in self.changes[-_SHOWN:]:
            lines.append(f"  iteration {change.iteration}: {change.reason} to {change.scale:g}")
        if self.last_skip is not None:
            lines.append(f"  iteration {self.last_skip_iteration}: {self.last_skip}")
        for name, share in (self.underflow or {}).items():
            lines.append(
                f"  {quoted(name)}: {share.zero:.1%} zero, {share.subnormal:.1%} subnormal"
            )
        return "\n".join(lines)


def advice(row: Sequence[Sequence[StepResult]], count: int, scale: float) -> str:
    """What to say after ``count`` iterations in a row with skipped steps; ``row``: these steps."""
    bad = [[name for result in results for name in result.parameters] for results in row]
    always = [name for name in bad[-1] if all(name in names for names in bad)]
    text = (
        f"GradScaler has skipped steps in {count} iterations in a row; the scale is down to "
        f"{scale:g}. "
    )
    if always:
        text += f"Each time the gradient of {listed(always)} had an infinity or NaN. "
    else:
        text += f"The last time it was the gradient of {listed(bad[-1])}. "
    known = [result for result in row[-1] if result.node is not None]
    if known:
        text += f"{known[0].origin()}. "
    if scale <= 1.0:
        text += "With a scale of 1 or less it is not the scaling that overflows. "
    elif known and known[0].node is not None and known[0].node.kind == "nan":
        text += "Too large a scale makes infinities rather than NaN. "
    else:
        text += "The init_scale may be far too large. "
    return text + (
        "Likely causes: a NaN in the data or the loss (check `loss.isfinite()`), a learning rate "
        "that has driven the weights away, an op whose values do not fit float16 (run it outside "
        "of autocast). `ad.sentinel()` and `ad.autograd.detect_anomaly()` find the op; bfloat16 "
        "has float32's range and needs no scaler."
    )
