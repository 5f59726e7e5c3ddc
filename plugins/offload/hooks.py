"""What both places have in common: which values go there, and what is known of each."""

from __future__ import annotations

from typing import Any

from anadrome import Tensor
from anadrome.modes import State, reset_state, saved_tensors_hooks, set_state
from anadrome.rerun import Unwritten, is_of_leaf


class Elsewhere(saved_tensors_hooks):
    """Keeps saved values in another place: ``put`` and ``get`` are the place's.

    A leaf that requires a gradient stays: its memory is alive anyway. A value that is written in
    place after it was saved is an error in backward, as without hooks. What lies in memory in
    another order than its dimensions comes back so: products of it round as they would have.
    """

    name = ""

    def __init__(self) -> None:
        super().__init__(self._pack, self._unpack)

    def put(self, x: Tensor) -> Any:
        """Keep a value; None leaves it where it is."""
        raise NotImplementedError

    def get(self, kept: Any) -> Tensor:
        """The value again."""
        raise NotImplementedError

    def _pack(self, x: Tensor) -> Any:
        kept = None
        if not is_of_leaf(x):
            token = set_state(State(grad=False))  # no mode is told of the way there
            try:
                order = sorted(range(x.ndim), key=x.stride, reverse=True)
                kept = self.put(x.permute(order))
            finally:
                reset_state(token)
        unwritten = Unwritten(x)
        return (unwritten, x, None) if kept is None else (unwritten, kept, order)

    def _unpack(self, packed: Any) -> Tensor:
        unwritten, x, order = packed
        if order is not None:
            token = set_state(State(grad=False))
            try:
                x = self.get(x).permute(sorted(range(len(order)), key=order.__getitem__))
            finally:
                reset_state(token)
        unwritten.check(x, self.name)
        return x
