"""ragged: the size of a dimension that differs from one component to the next."""

from __future__ import annotations

import itertools
from typing import Any

import anadrome as ad
from anadrome import Tensor

_numbers = itertools.count(1)


class Ragged:
    """What ``size()`` says of such a dimension; two are equal if they are one object.

    PyTorch: a symbolic integer, printed as ``j1``. Tensors that share their offsets share it. As
    there, it is larger than any number that it is compared with.
    """

    def __init__(self, lengths: Any, offsets: Tensor | None = None, device: Any = None) -> None:
        self.lengths = tuple(lengths)
        self.number = next(_numbers)
        if offsets is None:
            ends = [0, *itertools.accumulate(self.lengths)]
            offsets = ad.tensor(ends, dtype=ad.int64, device=device)
        self.offsets = offsets
        offsets.ragged_of_nested = self  # type: ignore[attr-defined]  # which share it
        self._places: tuple[Tensor, Tensor] | None = None

    def __deepcopy__(self, memo: Any) -> Ragged:
        """Itself: copies go together with what they are copied from, as in PyTorch."""
        return self

    def __getstate__(self) -> Any:
        return self.lengths, self.offsets

    def __setstate__(self, state: Any) -> None:
        self.lengths, self.offsets = state
        self.number = next(_numbers)
        self._places = None

    def __repr__(self) -> str:
        return f"j{self.number}"

    def __gt__(self, other: Any) -> bool:
        return isinstance(other, int)

    def __ge__(self, other: Any) -> bool:
        return isinstance(other, int) or other is self

    def __lt__(self, other: Any) -> bool:
        return False

    def __le__(self, other: Any) -> bool:
        return other is self

    __hash__ = object.__hash__

    @property
    def total(self) -> int:
        """The sum of the lengths."""
        return sum(self.lengths)

    @property
    def longest(self) -> int:
        """The largest length."""
        return max(self.lengths, default=0)

    def places(self) -> tuple[Tensor, Tensor]:
        """For each packed row: its component, and its place in that."""
        if self._places is None:
            lengths = self.offsets.diff()
            rows = ad.arange(len(self.lengths), device=lengths.device)
            component = rows.repeat_interleave(lengths)
            starts = self.offsets[:-1].to(ad.int64)
            place = ad.arange(self.total, device=lengths.device) - starts[component]
            self._places = component, place
        return self._places
