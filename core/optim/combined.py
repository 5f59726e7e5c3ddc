"""combined: schedulers made of schedulers."""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from .. import modes
from .lr_scheduler import LRScheduler, set_rate
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .stepping import was_skipped


class _Combined(LRScheduler):
    """What is common: the state of the parts is saved with the whole's."""

    _schedulers: Sequence[Any]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, with the schedulers' own states in place of them."""
        out = super().state_dict()
        out["_schedulers"] = [scheduler.state_dict() for scheduler in self._schedulers]
        return out

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.__dict__.update({k: v for k, v in state_dict.items() if k != "_schedulers"})
        for scheduler, state in zip(self._schedulers, state_dict["_schedulers"]):
            scheduler.load_state_dict(state)

    def _check(self, schedulers: Sequence[Any], optimizer: Any) -> None:
        name = type(self).__name__
        for i, scheduler in enumerate(schedulers):
            if not hasattr(scheduler, "optimizer"):
                raise TypeError(f"{name} at index {i} should have `optimizer` as its attribute.")
            if isinstance(scheduler, ReduceLROnPlateau):
                raise ValueError(
                    f"{name} does not support `ReduceLROnPlateau` scheduler as it requires "
                    "additional kwargs to be specified when calling `step`, but got one at index "
                    f"{i} in the given schedulers sequence."
                )
            if optimizer is not scheduler.optimizer:
                raise ValueError(
                    f"{name} expects all schedulers to belong to the same optimizer, but got "
                    f"scheduler {type(scheduler).__name__} at index {i} has {scheduler.optimizer}, "
                    f"which is different from {type(optimizer).__name__}."
                )


class ChainedScheduler(_Combined):
    """Several schedulers, all stepped each time, one after the other.

    Raises ``ValueError`` for none, for a ``ReduceLROnPlateau``, and for different optimizers.

    >>> import anadrome as ad
    >>> S = ad.optim.lr_scheduler
    >>> optimizer = ad.optim.SGD([ad.zeros(1, requires_grad=True)], lr=1.0)
    >>> scheduler = S.ChainedScheduler(
    ...     [S.ConstantLR(optimizer, factor=0.5), S.ExponentialLR(optimizer, gamma=0.5)]
    ... )
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.25]
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        if len(schedulers) < 1:
            raise ValueError(
                f"{type(self).__name__} expects at least one scheduler to be chained, but got no "
                "scheduler."
            )
        optimizer = optimizer or schedulers[0].optimizer
        self._check(schedulers, optimizer)
        self._schedulers = schedulers
        self.optimizer = optimizer
        self._last_lr = self._present()

    def step(self, *, after: Any = None) -> None:  # type: ignore[override]
        if was_skipped(after):
            return
        modes.live(self._all)

    def _all(self) -> None:
        with modes.aside():  # a captured step repeats the whole, not the parts as well
            for scheduler in self._schedulers:
                scheduler.step()
            self._last_lr = self._present()


class SequentialLR(_Combined):
    """Several schedulers, one after the other; the next one starts at each of ``milestones``.

    Raises ``ValueError`` for none, for another number of milestones than one less than there are
    schedulers, for a ``ReduceLROnPlateau``, and for different optimizers.

    >>> import anadrome as ad
    >>> S = ad.optim.lr_scheduler
    >>> optimizer = ad.optim.SGD([ad.zeros(1, requires_grad=True)], lr=1.0)
    >>> warm = S.ConstantLR(optimizer, factor=0.25, total_iters=2)
    >>> scheduler = S.SequentialLR(
    ...     optimizer, [warm, S.ExponentialLR(optimizer, gamma=0.5)], milestones=[2]
    ... )
    >>> rates = scheduler.get_last_lr()
    >>> for _ in range(3):
    ...     optimizer.step()
    ...     scheduler.step()
    ...     rates += scheduler.get_last_lr()
    >>> rates
    [0.25, 0.25, 1.0, 0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        if len(schedulers) < 1:
            raise ValueError(
                f"{type(self).__name__} expects at least one scheduler, but got no scheduler."
            )
        self._check(schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than "
                f"the number of milestone points, but got number of schedulers {len(schedulers)} "
                f"and the number of milestones to be equal to {len(milestones)}"
            )
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        # Each scheduler has set its own first rate: undo that, and start the first one alone.
        for group in optimizer.param_groups:
            set_rate(group, group["initial_lr"])
        self.recursive_undo()
        first = schedulers[bisect_right(milestones, 0)]
        first._initial_step()
        self._last_lr = first.get_last_lr()

    def recursive_undo(self, sched: Any = None) -> None:
        """Take back the step that making a scheduler is, here and in the parts of parts."""
        scheduler = self if sched is None else sched
        if hasattr(scheduler, "_schedulers"):
            for part in scheduler._schedulers:
                self.recursive_undo(part)
        elif hasattr(scheduler, "last_epoch"):
            scheduler.last_epoch -= 1

    def step(self, *, after: Any = None) -> None:  # type: ignore[override]
        if was_skipped(after):
            return
        modes.live(self._next)

    def _next(self) -> None:
        self.last_epoch += 1
        number = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[number]
        starts = number > 0 and self._milestones[number - 1] == self.last_epoch
        go = functools.partial(scheduler._update_lr, 0) if starts else scheduler.step
        with modes.aside():  # a captured step repeats the whole, not the part as well
            go()
        self._last_lr = scheduler.get_last_lr()
