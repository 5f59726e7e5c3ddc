"""masking: a number where a mask is true, or where it is not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .common import F32, Maker, large


def _fits(x: Any, mask: Any) -> bool:
    """Whether a mask is repeated over the first dimensions of a large array."""
    return (
        mask.__class__ is np.ndarray
        and mask.dtype == np.bool_
        and mask.size > 0
        and mask.flags.c_contiguous
        and large(x)
        and mask.shape == x.shape[x.ndim - mask.ndim :]
    )


def _choose(team: Any, x: Any, mask: Any, value: float, filled: bool) -> Any:
    """``value`` where the mask is as ``filled`` says."""
    from ..loops import pointwise

    out = np.empty_like(x)
    flags, number = mask.reshape(-1), F32.type(value)
    source, target = (a.reshape(-1, mask.size) for a in (x, out))

    if len(source) > 1:
        pointwise.choose(*team(x.size), source, flags, number, filled, target)
    else:
        pointwise.choose_each(*team(x.size), source[0], flags, number, filled, target[0])
    return out


def _masked_fill(before: Any, team: Any) -> Any:
    def masked_fill(x: Any, mask: Any, *, value: Any) -> Any:
        if not isinstance(value, (int, float)) or not _fits(x, mask):
            return before(x, mask, value=value)
        return _choose(team, x, mask, value, True)

    return masked_fill


def _where(before: Any, team: Any) -> Any:
    def where(condition: Any, a: Any, b: Any) -> Any:
        if a.__class__ is float and _whole(a) and isinstance(b, np.ndarray) and _fits(b, condition):
            return _choose(team, b, condition, a, True)
        if b.__class__ is float and _whole(b) and isinstance(a, np.ndarray) and _fits(a, condition):
            return _choose(team, a, condition, b, False)
        return before(condition, a, b)

    return where


def _whole(number: float) -> bool:
    """Whether a number is the same in float32, so that the result is of that type."""
    return math.isinf(number) or number == F32.type(number)


MAKERS: dict[str, Maker] = {"masked_fill": _masked_fill, "where": _where}
