"""embedding: rows of a table by number, and the rows' gradients added up where they came from.

Additions are atomic, in any order; where the same bits are asked for each time
(``use_deterministic_algorithms``), the composed path sorts them first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from anadrome import backend, settings
from anadrome.ops.embedding import no_row

from .common import Maker, Source, floating, wide

_I64 = np.dtype(np.int64)

_source = Source(r"""
extern "C" __global__ void embedding(const T* table, T* out, long long rows, int packs,
                                     const long long* indices, bool* fits, long long count) {
  long long row = row_number();
  if (row >= rows) return;
  long long index = indices[row];
  bool there = index >= 0 && index < count;
  if (threadIdx.x == 0) fits[row] = there;
  if (!there) return;  // what is left in the row is not looked at: an error is raised
  const Pack* from = (const Pack*)table + index * packs;
  Pack* to = (Pack*)out + row * packs;
  for (int i = threadIdx.x; i < packs; i += blockDim.x) to[i] = from[i];
}

extern "C" __global__ void add_rows(const T* grad, long long rows, int packs,
                                    const long long* indices, W* total, long long count,
                                    long long padding) {
  long long row = row_number();
  if (row >= rows) return;
  long long index = indices[row];
  if (index < 0 || index >= count || index == padding) return;
  const Pack* from = (const Pack*)grad + row * packs;
  W* to = total + index * packs * PACK;
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack p = from[i];
    for (int k = 0; k < PACK; ++k) atomicAdd(to + i * PACK + k, (W)p.v[k]);
  }
}
""")


def _known(indices: Any) -> bool:
    return indices.size > 0 and indices.dtype.kind in "iu"


def _embedding(before: Callable[..., Any]) -> Callable[..., Any]:
    def embedding(weight: Any, indices: Any, *, padding_idx: int | None = None) -> Any:
        if not floating(weight) or weight.ndim != 2 or not weight.size or not _known(indices):
            return before(weight, indices, padding_idx=padding_idx)
        count, width = weight.shape
        places = cupy.ascontiguousarray(indices, dtype=_I64)
        out = cupy.empty((*indices.shape, width), weight.dtype)
        fits = cupy.empty(indices.shape, np.bool_)
        _source.over_rows(
            "embedding", (cupy.ascontiguousarray(weight), out), places.size, width, places, fits,
            np.int64(count),
        )  # fmt: skip
        backend.get("cupy").require(fits, lambda: no_row(indices[~fits], count))
        return out

    return embedding


def _embedding_backward(before: Callable[..., Any]) -> Callable[..., Any]:
    def embedding_backward(
        g: Any, indices: Any, *, shape: Any, padding_idx: int | None = None
    ) -> Any:
        count, width = shape if len(shape) == 2 else (0, 0)
        ordered = settings.are_deterministic_algorithms_enabled()
        fits = count and g.shape == (*indices.shape, width) and floating(g) and g.size
        if ordered or not fits or not _known(indices):
            return before(g, indices, shape=shape, padding_idx=padding_idx)
        total = cupy.zeros(shape, wide(g.dtype))
        padding = -1 if padding_idx is None else padding_idx % count
        _source.over_rows(
            "add_rows", (cupy.ascontiguousarray(g),), math.prod(indices.shape), width,
            cupy.ascontiguousarray(indices, dtype=_I64), total, np.int64(count),
            np.int64(padding),
        )  # fmt: skip
        return total.astype(g.dtype, copy=False)

    return embedding_backward


MAKERS: dict[str, Maker] = {
    "embedding": _embedding,
    "embedding_backward": _embedding_backward,
}
