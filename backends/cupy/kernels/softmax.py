"""softmax: along the last dimension, forward and backward; a row is read twice, written once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy

from ..source import SOFTMAX
from .common import Maker, Source, alike, rows_of

_source = Source(
    SOFTMAX
    + r"""
extern "C" __global__ void softmax(const T* x, T* out, long long rows, int packs) {
  long long row = row_number();
  if (row >= rows) return;
  const Pack* from = (const Pack*)x + row * packs;
  Pack* to = (Pack*)out + row * packs;
  Running r = running(from, packs);
  W share = 1 / r.sum;
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack p = from[i];
    for (int k = 0; k < PACK; ++k) p.v[k] = (T)(exp((W)p.v[k] - r.top) * share);
    to[i] = p;
  }
}

extern "C" __global__ void log_softmax(const T* x, T* out, long long rows, int packs) {
  long long row = row_number();
  if (row >= rows) return;
  const Pack* from = (const Pack*)x + row * packs;
  Pack* to = (Pack*)out + row * packs;
  Running r = running(from, packs);
  W less = log(r.sum);
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack p = from[i];
    for (int k = 0; k < PACK; ++k) p.v[k] = (T)((W)p.v[k] - r.top - less);
    to[i] = p;
  }
}

extern "C" __global__ void softmax_backward(const T* grad, const T* y, T* out, long long rows,
                                            int packs) {
  long long row = row_number();
  if (row >= rows) return;
  const Pack* g = (const Pack*)grad + row * packs;
  const Pack* from = (const Pack*)y + row * packs;
  Pack* to = (Pack*)out + row * packs;
  W sum = 0;
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack a = g[i], b = from[i];
    for (int k = 0; k < PACK; ++k) sum += (W)a.v[k] * (W)b.v[k];
  }
  sum = row_sum(sum);
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack a = g[i], b = from[i];
    for (int k = 0; k < PACK; ++k) b.v[k] = (T)((W)a.v[k] * (W)b.v[k] - (W)b.v[k] * sum);
    to[i] = b;
  }
}

extern "C" __global__ void log_softmax_backward(const T* grad, const T* y, T* out, long long rows,
                                                int packs) {
  long long row = row_number();
  if (row >= rows) return;
  const Pack* g = (const Pack*)grad + row * packs;
  const Pack* from = (const Pack*)y + row * packs;
  Pack* to = (Pack*)out + row * packs;
  W sum = 0;
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack a = g[i];
    for (int k = 0; k < PACK; ++k) sum += (W)a.v[k];
  }
  sum = row_sum(sum);
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack a = g[i], b = from[i];
    for (int k = 0; k < PACK; ++k) b.v[k] = (T)((W)a.v[k] - exp((W)b.v[k]) * sum);
    to[i] = b;
  }
}
"""
)


def _forward(name: str) -> Maker:
    def make(before: Callable[..., Any]) -> Callable[..., Any]:
        def run(x: Any, *, dim: int) -> Any:
            size = rows_of(x, dim)
            if size is None:
                return before(x, dim=dim)
            x = cupy.ascontiguousarray(x)
            out = cupy.empty(x.shape, x.dtype)
            _source.over_rows(name, (x, out), *size)
            return out

        return run

    return make


def _backward(name: str) -> Maker:
    def make(before: Callable[..., Any]) -> Callable[..., Any]:
        def run(grad: Any, y: Any, *, dim: int) -> Any:
            size = rows_of(y, dim)
            if size is None or not alike(y, grad) or grad.shape != y.shape:
                return before(grad, y, dim=dim)
            grad, y = cupy.ascontiguousarray(grad), cupy.ascontiguousarray(y)
            out = cupy.empty(y.shape, y.dtype)
            _source.over_rows(name, (grad, y, out), *size)
            return out

        return run

    return make


MAKERS: dict[str, Maker] = {
    "softmax": _forward("softmax"),
    "softmax_backward": _backward("softmax_backward"),
    "log_softmax": _forward("log_softmax"),
    "log_softmax_backward": _backward("log_softmax_backward"),
}
