"""indexed: index arrays that differ by example, for all examples at once.

An index is one that ``subscripts`` has read: index arrays, and full slices for the dimensions that
they leave alone. As in NumPy, what the arrays give stands where they stood, if they stood side by
side, and in front otherwise.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..backend import by_type
from .batchrules import Undecided, _call, _padded, _run

_ALL = slice(None)


class Places(NamedTuple):
    """An index of a whole batch: its parts, how many dimensions its arrays give, and where."""

    parts: tuple[Any, ...]
    ndim: int
    lead: int


def places(index: Any, cls: Any) -> Places:
    """An example's index as one of the batch; Undecided for masks."""
    parts = index if isinstance(index, tuple) else (index,)
    at = []
    for i, part in enumerate(parts):
        if isinstance(part, slice) and part == _ALL:
            continue
        if "int" not in str(getattr(part, "dtype", "")):
            raise Undecided
        at.append(i)
    ndim = max([parts[i].ndim for i in at])
    lead = at[0] if at[-1] - at[0] + 1 == len(at) else 0
    return Places(tuple([_wide(p, cls, ndim) for p in parts]), ndim, lead)


def _wide(part: Any, cls: Any, ndim: int) -> Any:
    if not isinstance(part, cls):
        return part
    return _padded(part, ndim) if part.mapped else part.array


def _of_each(op: Any, cls: Any, arrays: Any, keywords: Any) -> Any:
    """``x[index]`` where both may differ by example."""
    (x,) = arrays
    if not x.mapped:
        found = places(keywords["index"], cls)
        out = _run(op, (x.array,), {"index": found.parts})
        return cls(_moved(out, found.lead, 0, 1))
    parts, ndim, lead = _numbered(keywords["index"], cls, x)
    out = _run(op, (x.array,), {"index": parts})
    return cls(_moved(out, 1 + ndim, 1, lead))


def added(target: Any, index: Any, source: Any) -> None:
    """``target[index] += source`` for each example; an index that occurs twice adds twice."""
    cls = type(target)
    parts, ndim, lead = _numbered(index, cls, target)
    inner = by_type[target.array.__class__]
    if isinstance(source, cls) and source.mapped:
        values = source.array
    else:
        source = source.array if isinstance(source, cls) else source
        values = inner.xp.broadcast_to(source, (target.array.shape[0], *source.shape))
    inner.scatter_add(target.array, parts, _moved(values, 1, 1 + ndim, lead))


def _numbered(index: Any, cls: Any, x: Any) -> Places:
    """The index with each example's own number in front."""
    found = places(index, cls)
    size = x.array.shape[0]
    numbers = by_type[x.array.__class__].xp.arange(size)
    column = _call("reshape", numbers, shape=(size, *[1] * found.ndim))
    return Places((column, *found.parts), found.ndim, found.lead)


def _moved(array: Any, source: int, to: int, count: int) -> Any:
    """``count`` dimensions from ``source`` on, moved so that they begin at ``to``."""
    if source == to or not count:
        return array
    order = list(range(array.ndim))
    taken = [order.pop(source) for _ in range(count)]
    order[to:to] = taken
    return _call("permute", array, dims=tuple(order))


#: Rules for calls whose metadata differs by example.
RULES = {"getitem": _of_each}
