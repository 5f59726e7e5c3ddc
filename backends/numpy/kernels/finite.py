"""finite: whether all values are finite, at the price of reading them once."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..parallel import side_by_side
from .common import BLAS

#: Arrays of up to so many elements are looked at together: a call costs more than they do.
_SMALL = 16384
#: What a thread reads at once of larger ones.
_PIECE = 2**18


def all_finite(*tensors: Any) -> Any:
    """A sum of squares is finite only if all of them are. It may overflow though they are."""
    kind = tensors[0].dtype
    if kind not in BLAS:
        return np.bool_(_each(tensors))
    total = 0.0
    small = []
    large = []
    for t in tensors:
        if t.dtype is not kind:
            if not np.isfinite(t).all():
                return np.False_
        elif not t.ndim:
            total += abs(t.item())
        elif t.size <= _SMALL:
            small.append(t)
        else:
            large.append(t.ravel("K"))
    if small:
        flat = np.concatenate(small, None) if len(small) > 1 else small[0].ravel("K")
        total += flat.dot(flat).item()
    if large:
        total += _squares(large)
    return np.True_ if math.isfinite(total) else np.bool_(_each(tensors))


def _squares(arrays: list[Any]) -> float:
    """The sum of all squares of flat arrays."""
    pieces = [a[i : i + _PIECE] for a in arrays for i in range(0, a.size, _PIECE)]
    sums: list[float] = []

    def add(part: slice) -> None:
        sums.extend([piece.dot(piece).item() for piece in pieces[part]])

    side_by_side(add, len(pieces), sum([a.size for a in arrays]))
    return sum(sums)


def _each(tensors: tuple[Any, ...]) -> bool:
    return all(np.isfinite(t).all() for t in tensors)


KERNELS: dict[str, Callable[..., Any]] = {"all_finite": all_finite}
