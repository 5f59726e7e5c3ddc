"""pool: the largest or the mean value of each window; a thread for each result.

Gradients are gathered: each place of the input looks at the windows that it lies in. So there is
nothing atomic, and they are the same bits each time. Windows of one and two dimensions are windows
of three.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from anadrome.ops.pool import pooled_sizes

from .common import Maker, Source, floating

_source = Source(r"""
#define THREE(name) int name##0, int name##1, int name##2
#define GIVEN(name) {name##0, name##1, name##2}
#define WINDOWS THREE(n), THREE(o), THREE(k), THREE(s), THREE(p), THREE(d)
#define LINES {GIVEN(n), GIVEN(o), GIVEN(k), GIVEN(s), GIVEN(p), GIVEN(d)}

// Sizes of the input and the output; of the windows: size, stride, padding, dilation.
struct Lines { int n[3], o[3], k[3], s[3], p[3], d[3]; };

struct Place { long long plane; int at[3]; };

__device__ Place place(long long i, const int* sizes) {
  Place out;
  for (int axis = 2; axis >= 0; --axis) {
    out.at[axis] = i % sizes[axis];
    i /= sizes[axis];
  }
  out.plane = i;
  return out;
}

__device__ long long flat(long long plane, const int* at, const int* sizes) {
  return ((plane * sizes[0] + at[0]) * sizes[1] + at[1]) * sizes[2] + at[2];
}

// Where element `w` of the window at `at` lies; false outside of the input.
__device__ bool inside(const Lines& l, const int* at, const int* w, int* where) {
  bool fits = true;
  for (int axis = 0; axis < 3; ++axis) {
    where[axis] = at[axis] * l.s[axis] - l.p[axis] + w[axis] * l.d[axis];
    fits = fits && where[axis] >= 0 && where[axis] < l.n[axis];
  }
  return fits;
}

// The window of which `at` is element `w`; false if there is none.
__device__ bool window(const Lines& l, const int* at, const int* w, int* which) {
  for (int axis = 0; axis < 3; ++axis) {
    int start = at[axis] + l.p[axis] - w[axis] * l.d[axis];
    which[axis] = start / l.s[axis];
    if (start < 0 || start % l.s[axis] || which[axis] >= l.o[axis]) return false;
  }
  return true;
}

#define EACH(l, w) \
  for (w[0] = 0; w[0] < l.k[0]; ++w[0]) \
    for (w[1] = 0; w[1] < l.k[1]; ++w[1]) \
      for (w[2] = 0; w[2] < l.k[2]; ++w[2])

template <typename C>
__device__ void largest(const T* x, T* out, C* chosen, long long size, const Lines& l, W least) {
  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  Place at = place(i, l.o);
  W best = 0;
  int number = 0, which = 0, w[3], where[3];
  EACH(l, w) {
    W v = inside(l, at.at, w, where) ? (W)x[flat(at.plane, where, l.n)] : least;
    if (number == 0 || v > best || v != v) {
      best = v;
      which = number;
    }
    ++number;
  }
  out[i] = (T)best;
  chosen[i] = (C)which;
}

template <typename C>
__device__ void to_largest(const T* grad, T* out, const C* chosen, long long size,
                           const Lines& l) {
  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  Place at = place(i, l.n);
  W sum = 0;
  int number = 0, w[3], which[3];
  EACH(l, w) {
    if (window(l, at.at, w, which)) {
      long long j = flat(at.plane, which, l.o);
      if ((int)chosen[j] == number) sum += (W)grad[j];
    }
    ++number;
  }
  out[i] = (T)sum;
}

// How many values a mean is over; padding counts if `pad`, what lies beyond it never does.
__device__ W counted(const Lines& l, const int* at, bool pad) {
  W count = 1;
  for (int axis = 0; axis < 3; ++axis) {
    int low = pad ? -l.p[axis] : 0, high = l.n[axis] + (pad ? l.p[axis] : 0);
    int start = at[axis] * l.s[axis] - l.p[axis], end = start + l.k[axis];
    count *= (W)((end < high ? end : high) - (start > low ? start : low));
  }
  return count;
}

extern "C" __global__ void max_pool_8(const T* x, T* out, unsigned char* chosen, long long size,
                                      double least, WINDOWS) {
  Lines l = LINES;
  largest(x, out, chosen, size, l, (W)least);
}
extern "C" __global__ void max_pool_32(const T* x, T* out, int* chosen, long long size,
                                       double least, WINDOWS) {
  Lines l = LINES;
  largest(x, out, chosen, size, l, (W)least);
}
extern "C" __global__ void max_pool_backward_8(const T* grad, T* out, const unsigned char* chosen,
                                               long long size, WINDOWS) {
  Lines l = LINES;
  to_largest(grad, out, chosen, size, l);
}
extern "C" __global__ void max_pool_backward_32(const T* grad, T* out, const int* chosen,
                                                long long size, WINDOWS) {
  Lines l = LINES;
  to_largest(grad, out, chosen, size, l);
}

extern "C" __global__ void avg_pool(const T* x, T* out, long long size, double divisor, bool pad,
                                    WINDOWS) {
  Lines l = LINES;
  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  Place at = place(i, l.o);
  W sum = 0;
  int w[3], where[3];
  EACH(l, w) if (inside(l, at.at, w, where)) sum += (W)x[flat(at.plane, where, l.n)];
  out[i] = (T)(sum / (divisor ? (W)divisor : counted(l, at.at, pad)));
}

extern "C" __global__ void avg_pool_backward(const T* grad, T* out, long long size, double divisor,
                                             bool pad, WINDOWS) {
  Lines l = LINES;
  long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= size) return;
  Place at = place(i, l.n);
  W sum = 0;
  int w[3], which[3];
  EACH(l, w) {
    if (!window(l, at.at, w, which)) continue;
    sum += (W)grad[flat(at.plane, which, l.o)] / (divisor ? (W)divisor : counted(l, which, pad));
  }
  out[i] = (T)sum;
}
""")


def _lines(
    shape: Any, sizes: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> list[Any]:
    """What ``WINDOWS`` takes, with dimensions of one window of one before those that there are."""
    missing = 3 - len(kernel)
    pairs = [(shape[2:], 1), (sizes, 1), (kernel, 1), (stride, 1), (padding, 0), (dilation, 1)]
    return [np.int32(v) for given, none in pairs for v in (*[none] * missing, *given)]


def _takes(x: Any, kernel: Any, shape: Any) -> bool:
    """Whether there are up to three axes, whose places fit the kernels' integers."""
    small = 0 < math.prod(shape) and math.prod(shape[2:]) < 2**31
    return floating(x) and x.size > 0 and len(kernel) <= 3 and small


def _bits(kernel: Any) -> int:
    return 8 if math.prod(kernel) <= 256 else 32


def _run(name: str, x: Any, out: Any, *args: Any) -> None:
    _source.over_elements(name, x.dtype, out.size, cupy.ascontiguousarray(x), out, *args)


def _max_pool(before: Callable[..., Any]) -> Callable[..., Any]:
    def max_pool(
        x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool = False
    ) -> Any:
        if not _takes(x, kernel, x.shape):
            return before(
                x, kernel=kernel, stride=stride, padding=padding, dilation=dilation,
                ceil_mode=ceil_mode,
            )  # fmt: skip
        sizes = pooled_sizes(x.shape, kernel, stride, padding, dilation, ceil_mode)
        out = cupy.empty((*x.shape[:2], *sizes), x.dtype)
        bits = _bits(kernel)
        chosen = cupy.empty(out.shape, np.uint8 if bits == 8 else np.int32)
        _run(
            f"max_pool_{bits}", x, out, chosen, np.int64(out.size), np.float64(-np.inf),
            *_lines(x.shape, sizes, kernel, stride, padding, dilation),
        )  # fmt: skip
        return out, chosen

    return max_pool


def _max_pool_backward(before: Callable[..., Any]) -> Callable[..., Any]:
    def max_pool_backward(
        grad: Any, chosen: Any, *, shape: Any, kernel: Any, stride: Any, padding: Any,
        dilation: Any,
    ) -> Any:  # fmt: skip
        bits = _bits(kernel)
        kind = np.uint8 if bits == 8 else np.int32
        if not _takes(grad, kernel, shape) or chosen.dtype.kind not in "iu":
            return before(
                grad, chosen, shape=shape, kernel=kernel, stride=stride, padding=padding,
                dilation=dilation,
            )  # fmt: skip
        out = cupy.empty(shape, grad.dtype)
        _run(
            f"max_pool_backward_{bits}", grad, out, cupy.ascontiguousarray(chosen, dtype=kind),
            np.int64(out.size),
            *_lines(shape, grad.shape[2:], kernel, stride, padding, dilation),
        )  # fmt: skip
        return out

    return max_pool_backward


def _avg_pool(before: Callable[..., Any]) -> Callable[..., Any]:
    def avg_pool(
        x: Any, *, kernel: Any, stride: Any, padding: Any, ceil_mode: bool = False,
        count_pad: bool = True, divisor: Any = None,
    ) -> Any:  # fmt: skip
        if not _takes(x, kernel, x.shape):
            return before(
                x, kernel=kernel, stride=stride, padding=padding, ceil_mode=ceil_mode,
                count_pad=count_pad, divisor=divisor,
            )  # fmt: skip
        ones = (1,) * len(kernel)
        sizes = pooled_sizes(x.shape, kernel, stride, padding, ones, ceil_mode)
        out = cupy.empty((*x.shape[:2], *sizes), x.dtype)
        _run(
            "avg_pool", x, out, np.int64(out.size), np.float64(divisor or 0), np.bool_(count_pad),
            *_lines(x.shape, sizes, kernel, stride, padding, ones),
        )  # fmt: skip
        return out

    return avg_pool


def _avg_pool_backward(before: Callable[..., Any]) -> Callable[..., Any]:
    def avg_pool_backward(
        grad: Any, *, shape: Any, kernel: Any, stride: Any, padding: Any, ceil_mode: bool,
        count_pad: bool, divisor: Any,
    ) -> Any:  # fmt: skip
        ones = (1,) * len(kernel)
        if not _takes(grad, kernel, shape):
            return before(
                grad, shape=shape, kernel=kernel, stride=stride, padding=padding,
                ceil_mode=ceil_mode, count_pad=count_pad, divisor=divisor,
            )  # fmt: skip
        out = cupy.empty(shape, grad.dtype)
        _run(
            "avg_pool_backward", grad, out, np.int64(out.size), np.float64(divisor or 0),
            np.bool_(count_pad),
            *_lines(shape, grad.shape[2:], kernel, stride, padding, ones),
        )  # fmt: skip
        return out

    return avg_pool_backward


MAKERS: dict[str, Maker] = {
    "max_pool": _max_pool,
    "max_pool_backward": _max_pool_backward,
    "avg_pool": _avg_pool,
    "avg_pool_backward": _avg_pool_backward,
}
