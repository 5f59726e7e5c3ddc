"""condensed: the lengths of the differences of all pairs of rows, a few rows at a time.

A block holds the differences of its rows from all others, so that what a product needs is in the
cache, and no array of all differences is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .common import BLAS, BLOCK, declared, ones

#: Rows shorter than this are many dot products, each of which costs more than its values.
_SHORT = 32


def _blocks(x: Any) -> Iterator[tuple[slice, Any]]:
    """A few rows, and where their differences from all rows go."""
    step = max(BLOCK // x.size, 1)
    room = np.empty((min(step, len(x)), *x.shape), x.dtype)
    for start in range(0, len(x), step):
        rows = slice(start, min(start + step, len(x)))
        yield rows, room[: rows.stop - start]


def _above(rows: int) -> Any:
    """Where a square matrix has the pairs, in their order."""
    return ~np.tri(rows, dtype=bool)


def pair_lengths(x: Any) -> Any:
    """(N, M) to (N * (N - 1) / 2,)."""
    if x.dtype not in BLAS or not x.size:
        return declared("pair_lengths")(x)
    rows, width = x.shape
    square = np.empty((rows, rows), x.dtype)
    for part, room in _blocks(x):
        others = slice(part.start, rows)
        away = room.reshape(-1)[: len(room) * (rows - part.start) * width]
        away = away.reshape(len(room), -1, width)
        np.subtract(x[part, None], x[others], out=away)
        if width < _SHORT:
            np.multiply(away, away, out=away)
            square[part, others] = away.dot(ones(width, x.dtype))
        else:
            np.vecdot(away, away, out=square[part, others])
    out = square[_above(rows)]
    return np.sqrt(out, out=out)


def pair_lengths_backward(g: Any, x: Any, lengths: Any) -> Any:
    """The gradient of ``x``: for each row the weighted sum of its differences from all others."""
    if x.dtype not in BLAS or not x.size or not g.dtype is lengths.dtype is x.dtype:
        return declared("pair_lengths_backward")(g, x, lengths)
    scale = np.divide(g, lengths, out=np.zeros(g.shape, g.dtype), where=lengths != 0)
    weights = np.zeros((len(x), len(x)), x.dtype)
    weights[_above(len(x))] = scale
    weights += weights.T.copy()
    total = np.empty_like(x, order="C")
    for part, room in _blocks(x):
        np.subtract(x[part, None], x, out=room)
        np.matmul(weights[part, None], room, out=total[part, None])
    return total


KERNELS: dict[str, Callable[..., Any]] = {
    "pair_lengths": pair_lengths,
    "pair_lengths_backward": pair_lengths_backward,
}
