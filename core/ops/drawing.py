"""drawing: random choices made of uniform numbers that were drawn already."""

from __future__ import annotations

import math
from typing import Any

from ..op import KEEP, NONE, op
from ..samples import Arr, call

# fmt: off
#: Without replacement: who is first in a race of exponential times, the weights being the speeds.
first_of_race = op("first_of_race", lambda xp, weights, u, *, count: _first(xp, weights, u, count),
                   weights=NONE, u=NONE, dtype=KEEP, method=False,
                   samples=call(Arr((3, 4), 0.1, 1), Arr((3, 4), 0, 1), count=2))
#: With replacement: in whose share of the total weight each number falls.
shares = op("shares", lambda xp, weights, u: _shares(xp, weights, u),
            weights=NONE, u=NONE, dtype=KEEP, method=False,
            samples=call(Arr((3, 4), 0.1, 1), Arr((3, 5), 0, 1)))
# fmt: on


def _first(xp: Any, weights: Any, u: Any, count: int) -> Any:
    possible = weights > 0
    times = -xp.log1p(-u) / xp.where(possible, weights, 1.0)
    order = xp.argsort(xp.where(possible, times, math.inf), axis=-1)
    return xp.astype(order[:, :count], xp.int64)


def _shares(xp: Any, weights: Any, u: Any) -> Any:
    rows, n = weights.shape
    weights = xp.astype(weights, xp.float64)
    ends = xp.cumulative_sum(weights, axis=-1)
    # The rows one after the other, each of length one: a single search in one line.
    row = xp.reshape(xp.astype(xp.arange(rows), xp.float64), (rows, 1))
    line = xp.reshape(ends / ends[:, -1:] + row, (-1,))
    places = xp.reshape(xp.astype(u, xp.float64) + row, (-1,))
    found = xp.reshape(xp.searchsorted(line, places, side="right"), u.shape)
    first = xp.reshape(xp.arange(rows) * n, (rows, 1))
    return xp.astype(xp.clip(found - first, 0, n - 1), xp.int64)
