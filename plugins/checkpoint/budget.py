"""``memory_budget``: keep the results that save the most work for their size."""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Tensor

from .keeping import Keeping, Kept

#: The work of one multiplication and addition of a product, and of one value of an op with an
#: exponential, a root or a sum over rows, in units of one value of a plain op. Measured on a CPU;
#: only the order matters.
PRODUCT = 0.1
HEAVY = 6.0


class Budget(Keeping):
    """Holds every result until the first run is over, then keeps those worth their memory.

    Greedy by work for each byte, as far as the budget goes. Nothing is kept that shares the memory
    of something else, or was written since: a result that is lost is simply computed again.
    """

    def __init__(self, size: int) -> None:
        super().__init__(lambda op, args: True)
        self.size = size

    def kept_of(self, op: Any, args: Any, kwargs: Any, out: Any) -> Kept | None:
        if op.view:
            return None
        kept = Kept(op.name, out)
        kept.work = work(op, args, kept.results)
        return kept

    def finish(self, last: Any) -> None:
        super().finish(last)
        left = self.size
        chosen = set()
        sized = [(key, kept, kept.size()) for key, kept in self.kept.items() if kept.is_whole()]
        sized.sort(key=lambda entry: entry[1].work / max(entry[2], 1), reverse=True)
        for key, _, size in sized:
            if size <= left:
                left -= size
                chosen.add(key)
        self.kept = {key: kept for key, kept in self.kept.items() if key in chosen}

    def spoiled(self, kept: Kept) -> Any:
        return None


def work(op: Any, args: tuple[Any, ...], results: tuple[Tensor, ...]) -> float:
    """An estimate of what an op costs, from its kind and the sizes."""
    tensors = [a for a in args if isinstance(a, Tensor)]
    made = sum(r.numel() for r in results)
    if op.amp is ad.HALF:
        if "conv" in op.name and len(tensors) > 1:
            weight = tensors[1]
            length = math.prod(weight.shape[1:])
        else:  # the first factor; what is added, if anything, stands before it
            length = tensors[max(len(tensors) - 2, 0)].shape[-1]
        return PRODUCT * made * length
    read = max((a.numel() for a in tensors), default=0)
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
