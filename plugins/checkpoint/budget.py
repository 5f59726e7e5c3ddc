"""``memory_budget``: keep the results that save the most work for their size."""

from __future__ import annotations

import math
import time
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.modes import tape

from .keeping import Keeping, Kept

#: Where time cannot be measured: the work of one multiplication and addition of a product, and of
#: one value of an op with an exponential, a root or a sum over rows, in values of a plain op.
PRODUCT = 0.1
HEAVY = 6.0

#: Seconds of an op for arguments of these shapes and types: how often measured, and the best.
_seconds: dict[Any, tuple[int, float]] = {}
_ENOUGH = 3
_MOST = 4096


class Budget(Keeping):
    """Holds every result until the first run is over, then keeps those worth their memory.

    (So memory peaks at one plain segment more, as it does anyway when a segment runs again.)

    Greedy by cost for each byte, as far as the budget goes. The cost of an op is measured in the
    first runs, on the CPU; a GPU works on while Python goes ahead, so there it is an estimate.
    Nothing is kept that shares the memory of something else, or was written since: a result that is
    lost is simply computed again.
    """

    def __init__(self, size: int) -> None:
        super().__init__(lambda op, args: True)
        self.size = size
        self.took = 0.0

    def call(self, op: Any, args: Any, kwargs: Any) -> Any:
        began = time.perf_counter()
        out = op(*args, **kwargs)
        self.took = time.perf_counter() - began
        return out

    def kept_of(self, op: Any, args: Any, kwargs: Any, out: Any) -> Kept | None:
        if op.view:
            return None
        kept = Kept(op.name, out)
        kept.work = cost(op, args, kept.results, self.took)
        return kept

    def finish(self, owed: int, last: Any) -> None:
        super().finish(owed, last)
        left = self.size
        chosen = set()
        sized = [
            (key, kept.work, kept.size()) for key, kept in self.kept.items() if kept.is_whole()
        ]
        sized.sort(key=lambda entry: entry[1] / max(entry[2], 1), reverse=True)
        for key, _, size in sized:
            if size <= left:
                left -= size
                chosen.add(key)
        self.kept = {key: kept for key, kept in self.kept.items() if key in chosen}

    def spoiled(self, kept: Kept) -> Any:
        return None


def cost(op: Any, args: tuple[Any, ...], results: tuple[Tensor, ...], took: float) -> float:
    """What a call costs, in seconds where they can be measured, else in plain values."""
    tensors = [a for a in args if isinstance(a, Tensor)]
    if tape.get() is not None or any(x.device.type != "cpu" for x in results):
        return work(op, tensors, results)
    key = op.name, tuple((x.shape, x.dtype) for x in tensors)
    count, best = _seconds.get(key, (0, math.inf))
    if count < _ENOUGH:
        if len(_seconds) >= _MOST:
            _seconds.clear()
        best = min(best, took)
        _seconds[key] = count + 1, best
    return best


def work(op: Any, tensors: list[Tensor], results: tuple[Tensor, ...]) -> float:
    """An estimate of what an op costs, from its kind and the sizes."""
    made = sum(r.numel() for r in results)
    if op.amp is ad.HALF and tensors:
        if "conv" in op.name and len(tensors) > 1:
            length = math.prod(tensors[1].shape[1:])
        else:  # the first factor; what is added, if anything, stands before it
            length = tensors[max(len(tensors) - 2, 0)].shape[-1]
        return PRODUCT * made * length
    read = max((x.numel() for x in tensors), default=0)
    heavy = op.dtype is ad.FLOAT or op.amp is ad.FULL
    return (HEAVY if heavy else 1.0) * max(made, read)


def checked(memory_budget: Any) -> int:
    """The number of bytes, or an error."""
    if isinstance(memory_budget, bool) or not isinstance(memory_budget, int):
        raise TypeError(
            f"memory_budget should be a number of bytes, not {type(memory_budget).__name__}"
        )
    if memory_budget < 0:
        raise ValueError(f"memory_budget should be 0 bytes or more, but got {memory_budget}")
    return memory_budget
