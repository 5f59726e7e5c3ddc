"""dropping: dropout, whose mask is drawn where it is used, and drawn again in backward.

The numbers are the generator's: element ``i`` has word ``i % 4`` of position ``i // 4``, so each
thread has four elements.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from ..random import PHILOX, limit_of
from .common import Maker, Source, aligned, floating

_source = Source(
    PHILOX
    + r"""
extern "C" __global__ void dropout(const T* x, T* out, unsigned long long seed,
                                   unsigned long long number, unsigned long long limit,
                                   double scale, long long size) {
  long long four = (long long)blockIdx.x * blockDim.x + threadIdx.x, i = 4 * four;
  if (i >= size) return;
  philox_words p = philox(four, number, seed);
  W factor = (W)scale;
  if (PACK == 4 && i + 4 <= size) {
    Pack v = ((const Pack*)x)[four];
    for (int k = 0; k < PACK; ++k)
      v.v[k] = (T)(p.w[k] < limit ? (W)v.v[k] * factor : (W)0);
    ((Pack*)out)[four] = v;
  } else {
    for (int k = 0; k < 4 && i + k < size; ++k)
      out[i + k] = (T)(p.w[k] < limit ? (W)x[i + k] * factor : (W)0);
  }
}
"""
)


def _maker(before: Callable[..., Any]) -> Callable[..., Any]:
    def dropout(x: Any, *, p: float, key: Any, shape: Any = None) -> Any:
        whole = shape is None or tuple(shape) == x.shape
        if p >= 1 or not whole or not floating(x) or not x.size:
            return before(x, p=p, key=key, shape=shape)
        x = cupy.ascontiguousarray(x)  # positions are counted in that order
        out = cupy.empty(x.shape, x.dtype)
        pack = 4 if aligned(4 * x.itemsize, x, out) else 1
        seed, number = key
        _source.over_elements(
            "dropout", x.dtype, -(-x.size // 4), x, out, np.uint64(seed), np.uint64(number),
            limit_of(1 - p), np.float64(1 / (1 - p)), np.int64(x.size), pack=pack,
        )  # fmt: skip
        return out

    return dropout


MAKERS: dict[str, Maker] = {"dropout": _maker}
