"""condensed: the differences of all pairs of rows of one table, each pair once.

The pairs are in the order of ``triu_indices``: those of the first row, then the second's.
"""

from __future__ import annotations

from typing import Any

from .. import backend as backends
from ..op import FLOAT, FULL, op
from ..samples import Arr, call
from .arithmetic import where
from .reduce import sum
from .shape import unsqueeze

# fmt: off
pair_differences = op("pair_differences", lambda xp, x: _differences(xp, x),
                      x=lambda g, x_shape: pair_differences_backward(g, rows=x_shape[0]),
                      dtype=FLOAT, amp=FULL, method=False,
                      samples=call(Arr((4, 3))) + call(Arr((1, 3))))
pair_differences_backward = op("pair_differences_backward",
                               lambda xp, g, *, rows: _summed(xp, g, rows),
                               g=lambda g: pair_differences(g),
                               dtype=FLOAT, method=False, samples=call(Arr((6, 3)), rows=4))
#: Their lengths. The derivative at zero is zero.
pair_lengths = op("pair_lengths", lambda xp, x: _lengths(xp, x),
                  x=lambda g, x, out: pair_lengths_backward(g, x, out),
                  dtype=FLOAT, amp=FULL, method=False, node="PdistBackward0",
                  samples=call(Arr((4, 3))) + call(Arr((2, 1))))
pair_lengths_backward = op("pair_lengths_backward",
                           lambda xp, g, x, lengths: _lengths_back(xp, g, x, lengths),
                           joint=lambda h, g, x, lengths: _second(h, g, x, lengths),
                           dtype=FLOAT, method=False,
                           samples=call(Arr((3,)), Arr((3, 2)), Arr((3,), 0.5, 2)))
# fmt: on


def _pairs(xp: Any, rows: int) -> tuple[Any, Any]:
    """The first and the second row of each pair."""
    count = rows * (rows - 1) // 2
    each = xp.arange(max(rows - 1, 0), dtype=xp.int64)
    begins = each * rows - each * (each + 1) // 2
    place = xp.arange(count, dtype=xp.int64)
    first = xp.searchsorted(begins, place, side="right") - 1
    return first, place - xp.take(begins, first, axis=0) + first + 1


def _differences(xp: Any, x: Any) -> Any:
    first, second = _pairs(xp, x.shape[0])
    return xp.take(x, first, axis=0) - xp.take(x, second, axis=0)


def _summed(xp: Any, g: Any, rows: int) -> Any:
    out = xp.zeros((rows, *g.shape[1:]), dtype=g.dtype)
    add = backends.by_type[g.__class__].scatter_add
    first, second = _pairs(xp, rows)
    add(out, (first,), g)
    add(out, (second,), -g)
    return out


def _lengths(xp: Any, x: Any) -> Any:
    difference = _differences(xp, x)
    return xp.sqrt(xp.sum(difference * difference, axis=-1))


def _lengths_back(xp: Any, g: Any, x: Any, lengths: Any) -> Any:
    zero = lengths == 0
    scale = xp.where(zero, xp.zeros_like(g), g / xp.where(zero, xp.ones_like(lengths), lengths))
    return _summed(xp, _differences(xp, x) * scale[:, None], x.shape[0])


def _second(h: Any, g: Any, x: Any, lengths: Any) -> tuple[Any, Any, Any]:
    """With ``D`` for the differences, of ``D.T (g / lengths * D x)``."""
    zero = lengths == 0.0
    size = where(zero, 1.0, lengths)
    along = sum(pair_differences(h) * pair_differences(x), dim=-1)
    for_g = where(zero, 0.0, along / size)
    scale = unsqueeze(where(zero, 0.0, g / size), dim=1)
    for_x = pair_differences_backward(pair_differences(h) * scale, rows=x.shape[0])
    return for_g, for_x, -for_g * g / size
