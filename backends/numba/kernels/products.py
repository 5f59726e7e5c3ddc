"""products: of matrices, cut into parts for the threads; BLAS multiplies each.

BLAS has threads of its own, but those sleep or spin beside ours, and between one product and the
next they do nothing of what lies between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .common import F32, Maker

#: Multiplications from which a product is cut; up to which BLAS does not do it better: it cuts
#: large ones both ways.
FEWEST, MOST = 2**20, 2**31
_NOTHING = np.empty(0, F32)


def _fits(a: Any, b: Any) -> bool:
    """Whether it is a product that is worth cutting, of arrays that BLAS takes."""
    if a.__class__ is not np.ndarray or b.__class__ is not np.ndarray:
        return False
    if a.dtype is not F32 or b.dtype is not F32 or a.ndim < 2 or b.ndim < 2:
        return False
    return max(FEWEST, 1) <= a.size * b.shape[-1] <= MOST and a.shape[-1] == b.shape[-2]


def _multiplied(team: Any, a: Any, b: Any, bias: Any = None) -> Any:
    """``a @ b``, with a bias for each row, of matrices; or None where it cannot be done here."""
    if not team.has_blas:
        return None
    from ..loops import products

    out = np.empty((len(a), b.shape[1]), F32)
    address, parts = team(out.size * len(b))
    with team.outside:
        given = _NOTHING if bias is None else bias
        done = products.matrices(address, parts, *team.blas, a, b, given, out)
    return out if done else None


def _stacked(team: Any, a: Any, b: Any) -> Any:
    """The products of two stacks of as many matrices, in one or two dimensions; or None."""
    if not team.has_blas or a.shape[:-2] != b.shape[:-2] or not 3 <= a.ndim <= 4:
        return None
    from ..loops import products

    out = np.empty((*a.shape[:-1], b.shape[-1]), F32)
    stacks = (a, b, out) if a.ndim == 4 else (a[None], b[None], out[None])
    address, parts = team(a.size * b.shape[-1])
    with team.outside:
        done = products.stacks(address, parts, *team.blas, *stacks)
    return out if done else None


def _each_row_has(bias: Any, width: int) -> bool:
    """Whether a bias has a number for each column; one that is broadcast goes the other way."""
    return bias is None or (bias.dtype is F32 and bias.shape == (width,))


def _mm(before: Any, team: Any) -> Callable[..., Any]:
    def mm(a: Any, b: Any) -> Any:
        if a.size * b.size < FEWEST:  # the small ones are many: they are told apart at once
            return before(a, b)
        out = _multiplied(team, a, b) if _fits(a, b) else None
        return before(a, b) if out is None else out

    return mm


def _matmul(before: Any, team: Any) -> Callable[..., Any]:
    def matmul(a: Any, b: Any) -> Any:
        if a.size * b.size < FEWEST:
            return before(a, b)
        out = _stacked(team, a, b) if _fits(a, b) else None
        return before(a, b) if out is None else out

    return matmul


def _linear(before: Any, team: Any) -> Callable[..., Any]:
    def linear(x: Any, weight: Any, bias: Any = None) -> Any:
        if x.size * weight.size < FEWEST:
            return before(x, weight, bias)
        out = None
        if weight.ndim == 2 and _each_row_has(bias, len(weight)) and _fits(x, weight.T):
            rows = x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
            out = _multiplied(team, rows, weight.T, bias)
        if out is None:
            return before(x, weight, bias)
        return out if x.ndim == 2 else out.reshape(*x.shape[:-1], len(weight))

    return linear


MAKERS: dict[str, Maker] = {"mm": _mm, "bmm": _matmul, "matmul": _matmul, "linear": _linear}
