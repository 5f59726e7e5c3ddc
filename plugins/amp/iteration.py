"""What a scaler knows of one iteration, from one ``update`` to the next."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from anadrome import Tensor
from anadrome.autograd import finite

if TYPE_CHECKING:
    from .result import StepResult


#: Backwards of one iteration that are watched at most.
_WATCHED = 64


class OptState(enum.Enum):
    """What has happened to an optimizer since the last update (PyTorch's name)."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


class Progress:
    """How far one optimizer is since the last update."""

    __slots__ = ("found_inf", "optimizer", "result", "stage")

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer  # kept, so that its id stays its own
        self.stage = OptState.READY
        self.result: StepResult | None = None
        #: By place, a Tensor with a number a parameter: 1 if its gradient was not finite.
        self.found_inf: dict[Any, Tensor] = {}


class Backward:
    """One backward of a scaled loss; ``watched`` looks at each of its gradients, or is None."""

    __slots__ = ("order", "reached", "watched")

    def __init__(self, order: dict[int, int], watched: finite.watch | None) -> None:
        self.order = order
        self.watched = watched
        self.reached: set[int] = set()

    def arrived(self, leaf: Tensor) -> None:
        """A leaf has taken a gradient."""
        self.order.setdefault(id(leaf), len(self.order))
        if self.watched is not None:
            self.reached.add(id(leaf))


class Iteration:
    """The backwards and the optimizers' progress. ``watches``: whether to look at each gradient."""

    def __init__(self, watches: bool) -> None:
        self.watches = watches
        self.progress: dict[int, Progress] = {}
        #: Parameters by id, in the order in which the backwards reached them.
        self.order: dict[int, int] = {}
        self.watched: list[Backward] = []

    def of(self, optimizer: Any) -> Progress:
        """The progress of one optimizer."""
        return self.progress.setdefault(id(optimizer), Progress(optimizer))

    @contextmanager
    def backward(self) -> Iterator[Backward]:
        """Around one backward of a scaled loss."""
        if not self.watches or len(self.watched) == _WATCHED:
            yield Backward(self.order, None)
            return
        with finite.watch() as watched:
            backward = Backward(self.order, watched)
            self.watched.append(backward)
            yield backward
