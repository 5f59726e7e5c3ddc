"""patch: a gradient that is zero outside of a part, as a slice sends it to the whole."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import index as whole_number
from typing import Any

from .backend import by_type


class Patch:
    """A gradient of ``shape`` that is zero outside of ``region``.

    Kept as it is until it meets another gradient, so a loop over slices builds one full array.
    Patches are kept together: once they are all there, the pieces of a split are put side by side.

    ``fill``: adds the value into a full array. ``region``: an index of slices, integers and an
    ellipsis, or None where it is something else.
    """

    __slots__ = ("dtype", "fill", "others", "region", "room", "shape", "value")

    def __init__(
        self,
        shape: Any,
        value: Any,
        fill: Callable[[Any, Any], None],
        region: tuple[Any, ...] | None = None,
    ) -> None:
        self.shape = shape
        self.value = value
        self.dtype = value.dtype
        self.fill = fill
        self.region = region
        self.others: list[Patch] = []
        self.room = -1  # not counted yet

    def takes(self, other: Patch) -> bool:
        """Keep another patch of the same array too, unless the full array is smaller than both."""
        if self.room < 0:
            self.room = math.prod(self.shape) - math.prod(self.value.shape)
        self.room -= math.prod(other.value.shape)
        if self.room < 0:
            return False
        self.others.append(other)
        return True

    def dense(self) -> Any:
        """The full array, a new one."""
        xp = by_type[self.value.__class__].xp
        patches = [self, *self.others]
        if self.others:
            axis, values = _side_by_side(self.shape, patches, xp)
            if values:
                return xp.concat(values, axis=axis)
        out = xp.zeros(self.shape, dtype=self.dtype)
        for patch in patches:
            patch.fill(out, patch.value)
        return out


def _side_by_side(shape: Any, patches: list[Patch], xp: Any) -> tuple[int, list[Any]]:
    """Along which axis they follow each other, and their values in that order; no values if
    something is left out, or is there twice."""
    along = None
    placed = []
    for patch in patches:
        place = None if patch.region is None else _place(patch.region, shape)
        if place is None or along not in (None, place[0]):
            return 0, []
        along, start, stop, kept = place
        value = patch.value if kept else xp.expand_dims(patch.value, axis=along)
        placed.append((start, stop, value))
    placed.sort(key=lambda p: p[:2])
    end = 0
    for start, stop, _ in placed:
        if start != end:
            return 0, []
        end = stop
    assert along is not None
    return along, [value for _, _, value in placed] if end == shape[along] else []


def _place(region: tuple[Any, ...], shape: Any) -> tuple[int, int, int, bool] | None:
    """The one axis that a region is a part of, from where to where, and whether the value has that
    axis too; None if it is a part of several axes, or leaves something out between."""
    found = None
    from_behind = False
    for i, part in enumerate(region):
        if part is Ellipsis:
            from_behind = found is None
        elif part.__class__ is not slice or part != slice(None):
            if found is not None:
                return None
            found = i, from_behind, part
    if found is None:
        return None
    i, from_behind, part = found
    axis = i + len(shape) - len(region) if from_behind else i
    if part.__class__ is slice:
        start, stop, step = part.indices(shape[axis])
        return (axis, start, max(start, stop), True) if step == 1 else None
    start = whole_number(part)
    start += shape[axis] if start < 0 else 0
    return axis, start, start + 1, False
