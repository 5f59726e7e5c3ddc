"""stepwise: forwards on half precision that PyTorch rounds between their steps.

All others are computed in float32 and rounded once, as most of PyTorch's are. A kernel here that
returns None leaves its arguments to that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .common import F32, declared

_F16 = np.dtype(np.float16)
_number = np.float32


def _wide(*arrays: Any) -> list[Any]:
    return [a.astype(F32) for a in arrays]


def _rounded(x: Any, kind: Any) -> Any:
    """float32 values that ``kind`` has."""
    return x.astype(kind).astype(F32)


def _near(number: float, kind: Any) -> Any:
    """The number of ``kind`` next to it, as float32."""
    return np.asarray(number, kind).astype(F32)


def _scaled_sum(ufunc: Any) -> Callable[..., Any]:
    def kernel(a: Any, b: Any, *, alpha: float) -> Any:
        kind = a.dtype
        a, b = _wide(a, b)
        return ufunc(a, b * _near(alpha, kind)).astype(kind)

    return kernel


def sigmoid_backward(grad: Any, y: Any) -> Any:
    return grad * (1 - y) * y if y.dtype == grad.dtype == _F16 else None


def pow_number(x: Any, *, exponent: float) -> Any:
    """The exponent is one of the type; squares and cubes of bfloat16 are products of it."""
    kind = x.dtype
    if kind != _F16 and exponent in (3, -2):
        square = x * x
        return square * x if exponent == 3 else (1 / square.astype(F32)).astype(kind)
    near = float(_near(exponent, kind))
    return declared("pow_number")(x.astype(F32), exponent=near).astype(kind)


def _times_log(log: Callable[[Any], Any]) -> Callable[..., Any]:
    def kernel(a: Any, b: Any) -> Any:
        kind = a.dtype
        a, b = _wide(a, b)
        out = np.where(a == 0, _number(0), a * _rounded(log(b), kind))
        return np.where(np.isnan(b), b + a, out).astype(kind)

    return kernel


def logit(x: Any, *, eps: Any = None) -> Any:
    kind = x.dtype
    x = x.astype(F32)
    if eps is not None:
        bounds = eps if eps.__class__ is tuple else (float(eps), 1.0 - float(eps))
        low, high = (_near(bound, kind) for bound in bounds)
        x = np.where(x < low, low, np.where(x > high, high, x))
    return np.log(_rounded(x / _rounded(1 - x, kind), kind)).astype(kind)


def log_softmax(x: Any, *, dim: int) -> Any:
    if not x.size or dim not in (-1, x.ndim - 1):
        return None
    kind = x.dtype
    x = x.astype(F32)
    shifted = x - x.max(-1, keepdims=True) if x.ndim else x - x
    total = np.exp(shifted).sum(-1, keepdims=True) if x.ndim else np.exp(shifted)
    return (shifted - _rounded(np.log(_rounded(total, kind)), kind)).astype(kind)


def logsumexp(x: Any, *, dim: Any, keepdim: bool = False) -> Any:
    if not x.size or not x.ndim:
        return None
    kind = x.dtype
    axis = dim if dim.__class__ is int else tuple(dim) if dim else None
    x = x.astype(F32)
    top = x.max(axis, keepdims=True)
    top = np.where(np.isfinite(top), top, _number(0))
    powers = _rounded(np.exp(_rounded(x - top, kind)), kind)
    out = _rounded(np.log(_rounded(powers.sum(axis, keepdims=True), kind)), kind) + top
    return (out if keepdim else out.squeeze(axis)).astype(kind)


def rms_norm(x: Any, weight: Any = None, *, dims: int, eps: float) -> Any:
    """The inverse root stays in float32 for the backward."""
    lifted = [a if a is None else a.astype(F32) for a in (x, weight)]
    out, scale = declared("rms_norm")(*lifted, dims=dims, eps=eps)
    return out.astype(x.dtype), scale


def binary_cross_entropy(x: Any, y: Any, weight: Any = None, *, reduction: str) -> Any:
    kind = x.dtype
    wide_x, wide_y = _wide(x, y)
    inside = all(((a >= 0) & (a <= 1)).all() for a in (wide_x, wide_y))
    if weight is not None or not inside:
        return None
    least = _number(-100)
    with np.errstate(divide="ignore"):
        of_one = np.maximum(_rounded(np.log(wide_x), kind), least)
        of_zero = np.maximum(_rounded(np.log1p(-wide_x), kind), least)
    losses = _rounded(_rounded(wide_y - 1, kind) * of_zero, kind) - _rounded(wide_y * of_one, kind)
    return _reduced(losses, kind, reduction)


def binary_cross_entropy_with_logits(
    x: Any, y: Any, weight: Any = None, pos_weight: Any = None, *, reduction: str
) -> Any:
    kind = x.dtype
    if weight is not None or pos_weight is not None or y.dtype != kind:
        return None
    x, y = _wide(x, y)
    log_of_share = _rounded(np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x))), kind)
    losses = _rounded(_rounded(1 - y, kind) * x, kind) - log_of_share
    return _reduced(losses, kind, reduction)


def mse_loss(x: Any, y: Any, *, reduction: str) -> Any:
    kind = x.dtype
    difference = _rounded(np.subtract(*_wide(x, y)), kind)
    return _reduced(difference * difference, kind, reduction)


def smooth_l1_loss(x: Any, y: Any, *, beta: float, reduction: str) -> Any:
    kind = x.dtype
    if kind != _F16:
        return None
    size = _rounded(np.abs(np.subtract(*_wide(x, y))), kind)
    inner = _rounded(_rounded(size * _number(0.5), kind) * size, kind)
    inner = inner / _near(beta, kind) if beta else inner
    return _reduced(np.where(size < beta, inner, size - _near(beta * 0.5, kind)), kind, reduction)


def huber_loss(x: Any, y: Any, *, delta: float, reduction: str) -> Any:
    kind = x.dtype
    if kind == _F16:
        return None
    bound = _near(delta, kind)
    size = _rounded(np.abs(np.subtract(*_wide(x, y))), kind)
    inner = _rounded(size * _number(0.5), kind) * size
    outer = bound * _rounded(size - _rounded(bound * _number(0.5), kind), kind)
    return _reduced(np.where(size <= bound, inner, outer), kind, reduction)


def _reduced(losses: Any, kind: Any, reduction: str) -> Any:
    losses = losses.astype(kind)
    if reduction == "none":
        return losses
    return declared(reduction)(losses)


HALF_KERNELS: dict[str, Callable[..., Any]] = {
    "add_scaled": _scaled_sum(np.add),
    "sub_scaled": _scaled_sum(np.subtract),
    "sigmoid_backward": sigmoid_backward,
    "pow_number": pow_number,
    "xlogy": _times_log(np.log),
    "xlog1py": _times_log(np.log1p),
    "logit": logit,
    "log_softmax": log_softmax,
    "logsumexp": logsumexp,
    "rms_norm": rms_norm,
    "binary_cross_entropy": binary_cross_entropy,
    "binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
    "mse_loss": mse_loss,
    "smooth_l1_loss": smooth_l1_loss,
    "huber_loss": huber_loss,
}
