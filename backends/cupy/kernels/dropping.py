"""dropping: dropout, whose mask is drawn where it is used, and drawn again in backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from ..random import PHILOX, limit_of
from .common import Maker, elementwise, floating

_dropout = elementwise(
    "dropout", "T x, uint64 seed, uint64 number, uint64 limit, float64 scale",
    "bool kept = philox(i >> 2, number, seed).w[i & 3] < limit;"
    "wide<T>::type v = kept ? (wide<T>::type)x * (wide<T>::type)scale : 0; out = (T)v;",
    preamble=PHILOX,
)  # fmt: skip


def _maker(before: Callable[..., Any]) -> Callable[..., Any]:
    def dropout(x: Any, *, p: float, key: Any, shape: Any = None) -> Any:
        if p >= 1 or not floating(x) or (shape is not None and tuple(shape) != x.shape):
            return before(x, p=p, key=key, shape=shape)
        seed, number = key
        # The kernel counts positions in C order.
        flat = cupy.ascontiguousarray(x).reshape(-1)
        scale = np.float64(1 / (1 - p))
        out = _dropout(flat, np.uint64(seed), np.uint64(number), limit_of(1 - p), scale)
        return out.reshape(x.shape)

    return dropout


MAKERS: dict[str, Maker] = {"dropout": _maker}
