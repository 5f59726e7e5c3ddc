"""norms: layer norm and RMS norm over the last dimensions, forward and backward.

The gradients of weight and bias are sums over all rows. They are made in two passes, of parts and
of their totals, always in the same order, so that they are the same bits each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from .common import NULL, Maker, Source, alike, floating, wide

_source = Source(r"""
template <bool CENTRED>
__device__ void forward(const T* x, const T* weight, const T* bias, T* out, T* scale,
                        long long rows, int packs, double eps) {
  long long row = row_number();
  if (row >= rows) return;
  const Pack* from = (const Pack*)x + row * packs;
  Pack* to = (Pack*)out + row * packs;
  W count = (W)packs * PACK, mean = 0, var = 0;
  if (CENTRED) {
    for (int i = threadIdx.x; i < packs; i += blockDim.x) {
      Pack p = from[i];
      for (int k = 0; k < PACK; ++k) mean += (W)p.v[k];
    }
    mean = row_sum(mean) / count;
  }
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack p = from[i];
    for (int k = 0; k < PACK; ++k) {
      W v = (W)p.v[k] - mean;
      var += v * v;
    }
  }
  W r = 1 / sqrt(row_sum(var) / count + (W)eps);
  if (threadIdx.x == 0) scale[row] = (T)r;
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack p = from[i], w, b;
    if (weight) w = ((const Pack*)weight)[i];
    if (bias) b = ((const Pack*)bias)[i];
    for (int k = 0; k < PACK; ++k) {
      W v = ((W)p.v[k] - mean) * r;
      if (weight) v *= (W)w.v[k];
      if (bias) v += (W)b.v[k];
      p.v[k] = (T)v;
    }
    to[i] = p;
  }
}

// r * (gw - mean(gw) - h * mean(gw * h)), where h is x standardised and gw the gradient times the
// weight; without the mean of gw where nothing was centred. Hands out the mean of x.
template <bool CENTRED>
__device__ void backward(const T* grad, const T* x, const T* scale, const T* weight, T* out,
                         W* means, long long rows, int packs) {
  long long row = row_number();
  if (row >= rows) return;
  const Pack* g = (const Pack*)grad + row * packs;
  const Pack* from = (const Pack*)x + row * packs;
  const Pack* factor = (const Pack*)weight;
  Pack* to = (Pack*)out + row * packs;
  W count = (W)packs * PACK, r = (W)scale[row], mean = 0, flat = 0, along = 0;
  if (CENTRED) {
    for (int i = threadIdx.x; i < packs; i += blockDim.x) {
      Pack p = from[i], a = g[i], w = factor[i];
      for (int k = 0; k < PACK; ++k) {
        mean += (W)p.v[k];
        flat += (W)a.v[k] * (W)w.v[k];
      }
    }
    mean = row_sum(mean) / count;
    flat = row_sum(flat) / count;
    if (threadIdx.x == 0) means[row] = mean;
  }
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack p = from[i], a = g[i], w = factor[i];
    for (int k = 0; k < PACK; ++k) {
      W gw = (W)a.v[k] * (W)w.v[k];
      along += gw * ((W)p.v[k] - mean) * r;
    }
  }
  along = row_sum(along) / count;
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack p = from[i], a = g[i], w = factor[i];
    for (int k = 0; k < PACK; ++k) {
      W gw = (W)a.v[k] * (W)w.v[k];
      p.v[k] = (T)(r * (gw - flat - ((W)p.v[k] - mean) * r * along));
    }
    to[i] = p;
  }
}

// Sums over the rows of chunk `blockIdx.y`, of 32 columns: what weight and bias get.
template <bool CENTRED>
__device__ void columns(const T* grad, const T* x, const T* scale, const W* means, W* parts,
                        long long rows, int width, long long chunk) {
  __shared__ W of_weight[8][32], of_bias[8][32];
  int column = blockIdx.x * 32 + threadIdx.x;
  long long first = blockIdx.y * chunk, last = first + chunk < rows ? first + chunk : rows;
  W w = 0, b = 0;
  if (column < width)
    for (long long row = first + threadIdx.y; row < last; row += 8) {
      W g = (W)grad[row * width + column], v = (W)x[row * width + column];
      w += g * ((CENTRED ? v - means[row] : v) * (W)scale[row]);
      b += g;
    }
  of_weight[threadIdx.y][threadIdx.x] = w;
  of_bias[threadIdx.y][threadIdx.x] = b;
  __syncthreads();
  if (threadIdx.y == 0 && column < width) {
    for (int i = 1; i < 8; ++i) {
      w += of_weight[i][threadIdx.x];
      b += of_bias[i][threadIdx.x];
    }
    parts[(blockIdx.y * 2LL) * width + column] = w;
    if (CENTRED) parts[(blockIdx.y * 2LL + 1) * width + column] = b;
  }
}

extern "C" __global__ void totals(const W* parts, T* of_weight, T* of_bias, int width, int chunks) {
  int column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= width) return;
  W w = 0, b = 0;
  for (long long i = 0; i < chunks; ++i) {
    w += parts[2 * i * width + column];
    if (of_bias) b += parts[(2 * i + 1) * width + column];
  }
  of_weight[column] = (T)w;
  if (of_bias) of_bias[column] = (T)b;
}

extern "C" __global__ void layer_norm(const T* x, const T* weight, const T* bias, T* out, T* scale,
                                      long long rows, int packs, double eps) {
  forward<true>(x, weight, bias, out, scale, rows, packs, eps);
}
extern "C" __global__ void rms_norm(const T* x, const T* weight, const T* bias, T* out, T* scale,
                                    long long rows, int packs, double eps) {
  forward<false>(x, weight, bias, out, scale, rows, packs, eps);
}
extern "C" __global__ void layer_norm_backward(const T* grad, const T* x, const T* scale,
    const T* weight, T* out, W* means, long long rows, int packs) {
  backward<true>(grad, x, scale, weight, out, means, rows, packs);
}
extern "C" __global__ void rms_norm_backward(const T* grad, const T* x, const T* scale,
    const T* weight, T* out, W* means, long long rows, int packs) {
  backward<false>(grad, x, scale, weight, out, means, rows, packs);
}
extern "C" __global__ void layer_norm_columns(const T* grad, const T* x, const T* scale,
    const W* means, W* parts, long long rows, int width, long long chunk) {
  columns<true>(grad, x, scale, means, parts, rows, width, chunk);
}
extern "C" __global__ void rms_norm_columns(const T* grad, const T* x, const T* scale,
    const W* means, W* parts, long long rows, int width, long long chunk) {
  columns<false>(grad, x, scale, means, parts, rows, width, chunk);
}
""")


def _split(x: Any, dims: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The dimensions that are kept, and those that make a row."""
    at = x.ndim - dims
    return x.shape[:at], x.shape[at:]


def _forward(name: str, x: Any, weight: Any, bias: Any, dims: int, eps: float) -> Any:
    """None for what the kernels do not take."""
    if not floating(x) or not x.size:
        return None
    lead, inner = _split(x, dims)
    given = [p for p in (weight, bias) if p is not None]
    if not alike(x, *given) or any(p.shape != inner for p in given):
        return None
    x, weight, bias = (_flat(a) for a in (x, weight, bias))
    out, scale = cupy.empty(x.shape, x.dtype), cupy.empty(lead + (1,) * dims, x.dtype)
    width = math.prod(inner)
    arrays = (x, weight, bias, out, scale)
    _source.over_rows(name, arrays, x.size // width, width, np.float64(eps))
    return out, scale


def _flat(x: Any) -> Any:
    return NULL if x is None else cupy.ascontiguousarray(x)


def _backward(name: str, grad: Any, x: Any, scale: Any, weight: Any, dims: int) -> Any:
    """The gradients of x, the weight and the bias; None for what the kernels do not take."""
    if not alike(x, grad, scale, weight) or not x.size:
        return None
    lead, inner = _split(x, dims)
    if (grad.shape, scale.shape, weight.shape) != (x.shape, lead + (1,) * dims, inner):
        return None
    grad, x, scale, weight = (_flat(a) for a in (grad, x, scale, weight))
    width, kind = math.prod(inner), wide(x.dtype)
    rows = x.size // width
    out = cupy.empty(x.shape, x.dtype)
    means = cupy.empty(rows, kind) if name == "layer_norm" else NULL
    _source.over_rows(f"{name}_backward", (grad, x, scale, weight, out, means), rows, width)
    tiles = -(-width // 32)
    chunks = min(-(-rows // 32), max(1, 1024 // tiles))
    parts = cupy.empty((chunks, 2, width), kind)
    _source.kernel(f"{name}_columns", x.dtype)(
        (tiles, chunks), (32, 8),
        (grad, x, scale, means, parts, np.int64(rows), np.int32(width),
         np.int64(-(-rows // chunks))),
    )  # fmt: skip
    of_weight = cupy.empty(inner, x.dtype)
    of_bias = cupy.empty(inner, x.dtype) if name == "layer_norm" else NULL
    _source.over_elements(
        "totals", x.dtype, width, parts, of_weight, of_bias, np.int32(width), np.int32(chunks)
    )
    return out, of_weight, of_bias


def _layer_norm(before: Callable[..., Any]) -> Callable[..., Any]:
    def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, dims: int, eps: float) -> Any:
        out = _forward("layer_norm", x, weight, bias, dims, eps)
        return before(x, weight, bias, dims=dims, eps=eps) if out is None else out

    return layer_norm


def _rms_norm(before: Callable[..., Any]) -> Callable[..., Any]:
    def rms_norm(x: Any, weight: Any = None, *, dims: int, eps: float) -> Any:
        out = _forward("rms_norm", x, weight, None, dims, eps)
        return before(x, weight, dims=dims, eps=eps) if out is None else out

    return rms_norm


def _layer_norm_backward(before: Callable[..., Any]) -> Callable[..., Any]:
    def layer_norm_backward(grad: Any, x: Any, scale: Any, weight: Any, *, dims: int) -> Any:
        out = _backward("layer_norm", grad, x, scale, weight, dims)
        return before(grad, x, scale, weight, dims=dims) if out is None else out

    return layer_norm_backward


def _rms_norm_backward(before: Callable[..., Any]) -> Callable[..., Any]:
    def rms_norm_backward(grad: Any, x: Any, scale: Any, weight: Any, *, dims: int) -> Any:
        out = _backward("rms_norm", grad, x, scale, weight, dims)
        return before(grad, x, scale, weight, dims=dims) if out is None else out[:2]

    return rms_norm_backward


MAKERS: dict[str, Maker] = {
    "layer_norm": _layer_norm,
    "layer_norm_backward": _layer_norm_backward,
    "rms_norm": _rms_norm,
    "rms_norm_backward": _rms_norm_backward,
}
