"""What a scaler has done so far, kept without waiting for a device.

Where the device decides whether a step is taken, an iteration is counted when that has arrived.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import anadrome as ad
from anadrome import Tensor, sites
from anadrome.arriving import Arriving

from .iteration import Iteration
from .result import StepResult
from .summary import ScaleChange, SkippedStepsWarning, advice

#: Changes of the scale that are remembered.
_REMEMBERED = 1000
#: Iterations of one row of skips that are looked at for what they have in common.
_COMPARED = 64


@dataclass
class _Ended:
    """An iteration that is over; ``unstepped``: an optimizer was unscaled in it and not stepped."""

    results: list[StepResult]
    unstepped: bool
    interval: int
    scale: Tensor
    is_set: bool

    @property
    def done(self) -> bool:
        return all(r.has_arrived for r in self.results)


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
        #: Iterations whose outcome is on its way, and, where one's cannot be known from its steps,
        #: the device's count of good ones before it.
        self._waiting: deque[_Ended | Arriving] = deque()
        #: The skipped steps of each iteration of the row there is now.
        self._row: deque[list[StepResult]] = deque(maxlen=_COMPARED)

    def begin(self) -> Iteration:
        """A new iteration; it is watched if the scale has not held yet, as far as that is known."""
        on_trial = self.good == 0
        if self._waiting and self.good is not None:
            ended = [entry for entry in self._waiting if isinstance(entry, _Ended)]
            on_trial |= any(self.good + len(ended) >= entry.interval for entry in ended)
        return Iteration((on_trial and self.track == "trial") or self.track == "always")

    def end(self, iteration: Iteration, interval: int, scale: Tensor, is_set: bool) -> None:
        """An iteration is over; ``scale`` is the new one, which somebody ``is_set`` it to."""
        progress = iteration.progress.values()
        results = [p.result for p in progress if p.result is not None]
        ended = _Ended(results, len(results) < len(progress), interval, scale, is_set)
        if self._waiting or not ended.done:
            ended.scale = scale.clone()  # the next update writes into it
            self._waiting.append(ended)
            self.settle(wait=False)
        else:
            self._count(ended)

    def ask(self, good: Arriving) -> None:
        """How many good iterations there were so far, if only the device knows."""
        if self.good is None and not any(isinstance(e, Arriving) for e in self._waiting):
            self._waiting.append(good)

    def settle(self, wait: bool = True) -> None:
        """Count the iterations whose outcome has arrived, or wait for all of them."""
        while self._waiting and (wait or self._waiting[0].done):
            entry = self._waiting.popleft()
            if isinstance(entry, _Ended):
                self._count(entry)
            else:
                self.good = int(entry.read())

    def _count(self, ended: _Ended) -> None:
        self.iterations += 1
        skipped = [r for r in ended.results if r.skipped]
        self.skipped += len(skipped)
        self.taken += len(ended.results) - len(skipped)
        if skipped:
            self.in_a_row += 1
            self.longest_row = max(self.longest_row, self.in_a_row)
            self.last_skip = skipped[-1]
            self.last_skip_iteration = self.iterations
            self._row.append(skipped)
        elif ended.results:
            self.in_a_row = 0
            self._row.clear()
            self._warn_next = self.warn_after
        if not ended.is_set:
            if skipped:
                self.good = 0
            elif ended.unstepped:  # only the device knows
                self.good = None
            elif self.good is not None:
                self.good = 0 if self.good + 1 == ended.interval else self.good + 1
        if ended.is_set or not self.good:  # it may have changed
            if len(self._changes) == _REMEMBERED:
                self.start = self._changes.popleft()[2]
            self._changes.append((self.iterations, ended.is_set, ended.scale.clone()))
        if skipped and self.in_a_row == self._warn_next:
            self._warn_next *= 2
            sites.warn(advice(self._row, self.in_a_row, ended.scale.item()), SkippedStepsWarning)

    def changes(self) -> list[ScaleChange]:
        """The changes of the scale, read from the device."""
        self.settle()
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
