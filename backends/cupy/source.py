"""source: CUDA C++ that several kernels share."""

from __future__ import annotations

#: ``wide<T>::type`` is what is computed in: double for double, float for all others.
WIDE = """
template <typename U> struct wide { typedef float type; };
template <> struct wide<double> { typedef double type; };
"""

#: What comes before the definitions of the element type.
INCLUDES = """
#include <cuda_fp16.h>
#include <cuda_bf16.h>
"""

#: For raw kernels, which are compiled with ``T``, the element type, and ``PACK``, how many elements
#: a thread reads at once. A row belongs to the threads of one ``threadIdx.y``: a warp, or a block.
ROWS = (
    WIDE
    + r"""
typedef wide<T>::type W;
struct alignas(sizeof(T) * PACK) Pack { T v[PACK]; };
#define INF ((W)__int_as_float(0x7f800000))

template <typename V> __device__ V beside(V v, int by) {
  return __shfl_xor_sync(0xffffffffu, v, by);
}

// What the row's threads have, joined, in each of them; always in the same order.
template <typename V, typename F> __device__ V over_row(V v, V none, F join) {
  __shared__ V parts[32];
  for (int by = 16; by; by >>= 1) v = join(v, beside(v, by));
  if (blockDim.x > 32) {
    int lane = threadIdx.x % 32;
    __syncthreads();  // others may still read what was there before
    if (lane == 0) parts[threadIdx.x / 32] = v;
    __syncthreads();
    v = lane < blockDim.x / 32 ? parts[lane] : none;
    for (int by = 16; by; by >>= 1) v = join(v, beside(v, by));
  }
  return v;
}

struct Sum {
  __device__ W operator()(W a, W b) const { return a + b; }
};
__device__ W row_sum(W v) { return over_row(v, (W)0, Sum()); }
__device__ long long row_number() {
  return (long long)blockIdx.x * blockDim.y + threadIdx.y;
}
"""
)

#: The largest value of a row and the sum of the exponentials, found together (Milakov and
#: Gimelshein, "Online normalizer calculation for softmax", arXiv:1805.02867).
SOFTMAX = r"""
struct Running { W top, sum; };

__device__ Running beside(Running r, int by) {
  Running out = {beside(r.top, by), beside(r.sum, by)};
  return out;
}

__device__ void take(Running& r, W v) {
  if (v > r.top) {
    r.sum = r.sum * exp(r.top - v) + 1;
    r.top = v;
  } else if (v != -INF) {
    r.sum += exp(v - r.top);  // NaN stays
  }
}

struct Join {
  __device__ Running operator()(Running a, Running b) const {
    W top = a.top > b.top ? a.top : b.top;
    W x = a.top == top ? a.sum : a.sum * exp(a.top - top);
    W y = b.top == top ? b.sum : b.sum * exp(b.top - top);
    Running out = {top, x + y};
    return out;
  }
};

__device__ Running running(const Pack* from, int packs) {
  Running r = {-INF, 0}, none = {-INF, 0};
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack p = from[i];
    for (int k = 0; k < PACK; ++k) take(r, (W)p.v[k]);
  }
  r = over_row(r, none, Join());
  r.sum += r.top - r.top;  // NaN where the largest is infinite
  return r;
}
"""
