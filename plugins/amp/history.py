"""What a scaler has done so far, kept without waiting for a device."""

from __future__ import annotations

from collections import deque
from typing import Any

import anadrome as ad
from anadrome import Tensor, sites

from .iteration import Iteration
from .result import StepResult
from .summary import ScaleChange, SkippedStepsWarning, advice

#: Changes of the scale that are remembered.
_REMEMBERED = 1000
#: Iterations of one row of skips that are looked at for what they have in common.
_COMPARED = 64


class History:
    """Counts and events, and what follows from them: whether to watch, whether to warn."""

    def __init__(self, scale: float, warn_after: int | None, track: str) -> None:
        #: The scale before the changes that are remembered.
        self.start: Tensor | float = ad.tensor(scale, dtype=ad.float32).item()
        self.warn_after = self._warn_next = warn_after
        self.track = track
        #: How many good iterations there were, as far as that is known without asking the device.
        self.good: int | None = 0
        self.taken = self.skipped = self.iterations = self.in_a_row = self.longest_row = 0
        self.last_skip: StepResult | None = None
        self.last_skip_iteration = 0
        self._changes: deque[tuple[int, bool, Tensor | float]] = deque()
        #: The skipped steps of each iteration of the row there is now.
        self._row: deque[list[StepResult]] = deque(maxlen=_COMPARED)

    def begin(self) -> Iteration:
        """A new iteration; it is watched if the scale has not held yet."""
        on_trial = self.good == 0 and self.track == "trial"
        return Iteration(on_trial or self.track == "always")

    def end(self, iteration: Iteration, interval: int, scale: Tensor, is_set: bool) -> None:
        """An iteration is over; ``scale`` is the new one, which somebody ``is_set`` it to."""
        self.iterations += 1
        progress = iteration.progress.values()
        results = [p.result for p in progress if p.result is not None]
        skipped = [r for r in results if r.skipped]
        self.skipped += len(skipped)
        self.taken += len(results) - len(skipped)
        if skipped:
            self.in_a_row += 1
            self.longest_row = max(self.longest_row, self.in_a_row)
            self.last_skip = skipped[-1]
            self.last_skip_iteration = self.iterations
            self._row.append(skipped)
        elif results:
            self.in_a_row = 0
            self._row.clear()
            self._warn_next = self.warn_after
        if not is_set:
            if skipped:
                self.good = 0
            elif len(results) < len(progress):  # unscaled and not stepped: only the device knows
                self.good = None
            elif self.good is not None:
                self.good = 0 if self.good + 1 == interval else self.good + 1
        if is_set or not self.good:  # it may have changed
            if len(self._changes) == _REMEMBERED:
                self.start = self._changes.popleft()[2]
            self._changes.append((self.iterations, is_set, scale.clone()))
        if skipped and self.in_a_row == self._warn_next:
            self._warn_next *= 2
            sites.warn(advice(self._row, self.in_a_row, scale.item()), SkippedStepsWarning)

    def changes(self) -> list[ScaleChange]:
        """The changes of the scale, read from the device."""
        changes: list[ScaleChange] = []
        before = self.start = _number(self.start)
        for i, (iteration, is_set, scale) in enumerate(self._changes):
            now = _number(scale)
            self._changes[i] = (iteration, is_set, now)
            if is_set or now != before:
                reason = "set" if is_set else "growth" if now > before else "backoff"
                changes.append(ScaleChange(iteration, reason, now))
            before = now
        return changes

    def __getstate__(self) -> dict[str, Any]:
        self.changes()  # as numbers
        return {**self.__dict__, "last_skip": None, "_row": deque(maxlen=_COMPARED)}


def _number(scale: Tensor | float) -> float:
    return scale.item() if isinstance(scale, Tensor) else scale
