"""losses: cross-entropy and the negative log-likelihood of rows that each have one class.

The loss of each row, then their total by one block, always in the same order. That classes are in
range is found out on the way, and asked for later: nothing waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from anadrome import backend
from anadrome.ops.losses import no_class

from ..source import SOFTMAX
from .common import NAMES, NULL, Maker, Source, wide

_I64 = np.dtype(np.int64)

_source = Source(
    SOFTMAX
    + r"""
// A row's class, or -1 where it is ignored or none of them; what the row weighs.
__device__ int class_of(const long long* target, const W* weight, long long row, long long ignore,
                        int classes, W* share, bool* fits) {
  long long t = target[row];
  bool counts = t != ignore;
  *fits = !counts || (t >= 0 && t < classes);
  if (!counts || !*fits) {
    *share = 0;
    return -1;
  }
  *share = weight ? weight[t] : (W)1;
  return (int)t;
}

extern "C" __global__ void cross_entropy(
    const T* x, T* log_probs, long long rows, int packs, const long long* target, const W* weight,
    W* losses, W* shares, bool* fits, long long ignore) {
  long long row = row_number();
  if (row >= rows) return;
  const Pack* from = (const Pack*)x + row * packs;
  Pack* to = (Pack*)log_probs + row * packs;
  Running r = running(from, packs);
  W less = log(r.sum);
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack p = from[i];
    for (int k = 0; k < PACK; ++k) p.v[k] = (T)((W)p.v[k] - r.top - less);
    to[i] = p;
  }
  if (threadIdx.x == 0) {
    W share;
    int c = class_of(target, weight, row, ignore, packs * PACK, &share, fits + row);
    losses[row] = c < 0 ? (W)0 : -((W)((const T*)from)[c] - r.top - less) * share;
    shares[row] = share;
  }
}

extern "C" __global__ void nll(
    const T* x, const long long* target, const W* weight, W* losses, W* shares, bool* fits,
    long long rows, int classes, long long ignore) {
  long long row = (long long)blockIdx.x * blockDim.x + threadIdx.x;
  if (row >= rows) return;
  W share;
  int c = class_of(target, weight, row, ignore, classes, &share, fits + row);
  losses[row] = c < 0 ? (W)0 : -(W)x[row * classes + c] * share;
  shares[row] = share;
}

// By one block.
extern "C" __global__ void total(const W* losses, const W* shares, T* out, long long rows,
                                 bool mean) {
  W loss = 0, share = 0;
  for (long long i = threadIdx.x; i < rows; i += blockDim.x) {
    loss += losses[i];
    share += shares[i];
  }
  loss = row_sum(loss);
  share = row_sum(share);
  if (threadIdx.x == 0) *out = (T)(mean ? loss / share : loss);
}

// By one block: what all rows weigh.
extern "C" __global__ void weigh(const long long* target, const W* weight, W* out, long long rows,
                                 int classes, long long ignore) {
  W sum = 0, share;
  bool fits;
  for (long long i = threadIdx.x; i < rows; i += blockDim.x) {
    class_of(target, weight, i, ignore, classes, &share, &fits);
    sum += share;
  }
  sum = row_sum(sum);
  if (threadIdx.x == 0) *out = sum;
}

// (exp(log_probs) - onehot) times the row's share of the gradient; without log_probs, -onehot.
extern "C" __global__ void backward(
    T* out, const T* log_probs, long long rows, int packs, const T* grad, const long long* target,
    const W* weight, const W* sum, long long ignore, bool each) {
  long long row = row_number();
  if (row >= rows) return;
  W share;
  bool fits;
  int c = class_of(target, weight, row, ignore, packs * PACK, &share, &fits);
  if (!sum || c >= 0) share *= (W)grad[each ? row : 0];
  if (sum && c >= 0) share /= *sum;
  const Pack* from = (const Pack*)log_probs + row * packs;
  Pack* to = (Pack*)out + row * packs;
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    Pack p;
    if (log_probs) p = from[i];
    for (int k = 0; k < PACK; ++k) {
      W v = log_probs ? exp((W)p.v[k]) * share : (W)0;
      p.v[k] = (T)(i * PACK + k == c ? v - share : v);
    }
    to[i] = p;
  }
}
"""
)


def _fits(dtype: Any, shape: Any, target: Any, weight: Any) -> bool:
    """Whether these are the scores of rows, a class each, and the classes' weights."""
    return (
        dtype in NAMES
        and len(shape) == 2
        and 0 not in shape
        and target.shape == shape[:1]
        and target.dtype.kind in "iu"
        and (weight is None or (weight.dtype in NAMES and weight.shape == shape[1:]))
    )


def _fits_back(grad: Any, shape: Any, target: Any, weight: Any, reduction: str) -> bool:
    rows = shape[:1] if reduction == "none" else ()
    return _fits(grad.dtype, shape, target, weight) and grad.shape == rows


def _classes(target: Any, weight: Any, kind: Any) -> tuple[Any, Any]:
    """Both as the kernels read them."""
    target = cupy.ascontiguousarray(target, dtype=_I64)
    return target, NULL if weight is None else cupy.ascontiguousarray(weight, dtype=kind)


def _checked(target: Any, ignore_index: int, fits: Any, classes: int) -> None:
    backend.get("cupy").require(
        fits, lambda: no_class(target[(target != ignore_index) & ~fits], classes)
    )


def _reduced(losses: Any, shares: Any, dtype: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses.astype(dtype, copy=False)
    out = cupy.empty((), dtype)
    mean = np.bool_(reduction == "mean")
    args = (losses, shares, out, np.int64(losses.size), mean)
    _source.kernel("total", dtype)((1,), (1024,), args)
    return out


def _cross_entropy(before: Callable[..., Any]) -> Callable[..., Any]:
    def cross_entropy(
        x: Any, target: Any, weight: Any = None, *, ignore_index: int, reduction: str
    ) -> Any:
        if not _fits(x.dtype, x.shape, target, weight):
            return before(x, target, weight, ignore_index=ignore_index, reduction=reduction)
        (rows, classes), kind = x.shape, wide(x.dtype)
        x, log_probs = cupy.ascontiguousarray(x), cupy.empty(x.shape, x.dtype)
        losses, shares = cupy.empty(rows, kind), cupy.empty(rows, kind)
        fits = cupy.empty(rows, np.bool_)
        given = _classes(target, weight, kind)
        _source.over_rows(
            "cross_entropy", (x, log_probs), rows, classes, *given, losses, shares, fits,
            np.int64(ignore_index),
        )  # fmt: skip
        _checked(target, ignore_index, fits, classes)
        return _reduced(losses, shares, x.dtype, reduction), log_probs

    return cross_entropy


def _nll(before: Callable[..., Any]) -> Callable[..., Any]:
    def nll_loss(
        x: Any, target: Any, weight: Any = None, *, ignore_index: int, reduction: str
    ) -> Any:
        if not _fits(x.dtype, x.shape, target, weight):
            return before(x, target, weight, ignore_index=ignore_index, reduction=reduction)
        (rows, classes), kind = x.shape, wide(x.dtype)
        losses, shares = cupy.empty(rows, kind), cupy.empty(rows, kind)
        fits = cupy.empty(rows, np.bool_)
        given = _classes(target, weight, kind)
        _source.over_elements(
            "nll", x.dtype, rows, cupy.ascontiguousarray(x), *given, losses, shares, fits,
            np.int64(rows), np.int32(classes), np.int64(ignore_index),
        )  # fmt: skip
        _checked(target, ignore_index, fits, classes)
        return _reduced(losses, shares, x.dtype, reduction)

    return nll_loss


def _slope(
    grad: Any, log_probs: Any, target: Any, weight: Any, shape: Any, ignore_index: int,
    reduction: str,
) -> Any:  # fmt: skip
    """The gradient of the scores, or of the logarithms where those are not given."""
    (rows, classes), kind = shape, wide(grad.dtype)
    out = cupy.empty(shape, grad.dtype)
    target, weight = _classes(target, weight, kind)
    last = (np.int64(rows), np.int32(classes), np.int64(ignore_index))
    total = NULL
    if reduction == "mean":
        total = cupy.empty((), kind)
        _source.kernel("weigh", grad.dtype)((1,), (1024,), (target, weight, total, *last))
    _source.over_rows(
        "backward", (out, log_probs), rows, classes, cupy.ascontiguousarray(grad), target, weight,
        total, last[2], np.bool_(reduction == "none"),
    )  # fmt: skip
    return out


def _cross_entropy_backward(before: Callable[..., Any]) -> Callable[..., Any]:
    def cross_entropy_backward(
        grad: Any, log_probs: Any, target: Any, weight: Any = None, *, ignore_index: int,
        reduction: str,
    ) -> Any:  # fmt: skip
        fits = grad.dtype == log_probs.dtype
        if not fits or not _fits_back(grad, log_probs.shape, target, weight, reduction):
            return before(
                grad, log_probs, target, weight, ignore_index=ignore_index, reduction=reduction
            )
        log_probs = cupy.ascontiguousarray(log_probs)
        return _slope(grad, log_probs, target, weight, log_probs.shape, ignore_index, reduction)

    return cross_entropy_backward


def _nll_backward(before: Callable[..., Any]) -> Callable[..., Any]:
    def nll_backward(
        grad: Any, target: Any, weight: Any = None, x: Any = None, *, shape: Any,
        ignore_index: int, reduction: str,
    ) -> Any:  # fmt: skip
        shape = tuple(shape)
        if not _fits_back(grad, shape, target, weight, reduction):
            return before(
                grad, target, weight, x, shape=shape, ignore_index=ignore_index,
                reduction=reduction,
            )  # fmt: skip
        return _slope(grad, NULL, target, weight, shape, ignore_index, reduction)

    return nll_backward


MAKERS: dict[str, Maker] = {
    "cross_entropy": _cross_entropy,
    "cross_entropy_backward": _cross_entropy_backward,
    "nll_loss": _nll,
    "nll_backward": _nll_backward,
}
