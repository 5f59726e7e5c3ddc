"""piecewise: activations that are one thing below a corner and another above, without a branch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..choosing import clear, replace
from .common import BLAS, F32, alike, buffer, declared, in_blocks
from .masking import where

_add, _divide, _multiply = np.add, np.divide, np.multiply
#: Below this many elements the declared forward is as fast.
_SMALL = 1024
#: From here ``log(1 + exp(x))`` is ``x`` in float32.
_STRAIGHT = 20.0


def pieces_backward(
    grad: Any,
    x: Any,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    inner: float = 0.0,
    outer: float = 1.0,
    open: bool = False,
) -> Any:
    """``grad * inner`` from ``low`` to ``high``, else ``grad * outer``."""
    if x.size < _SMALL or not alike(grad, x):
        return declared("pieces_backward")(
            grad, x, low=low, high=high, inner=inner, outer=outer, open=open
        )
    below, above = (np.less, np.greater) if open else (np.less_equal, np.greater_equal)

    def inside(x: Any) -> Any:
        out = above(x, low) if high == math.inf else below(x, high)
        if -math.inf < low and high < math.inf:
            out &= above(x, low)
        return out

    step, base = np.asarray(inner - outer, x.dtype), np.asarray(outer, x.dtype)
    if not inner or not outer or step + base != np.asarray(inner, x.dtype):
        return where(inside(x), _times(grad, inner), _times(grad, outer))

    def into(grad: Any, x: Any, out: Any) -> None:  # a mask is a number, too
        np.copyto(out, inside(x))
        _multiply(out, step, out)
        _add(out, base, out)
        _multiply(out, grad, out)

    return in_blocks(into, grad, x)


def _times(grad: Any, factor: float) -> Any:
    """Nothing times infinity is nothing here."""
    return 0.0 if factor == 0 else (grad if factor == 1 else grad * np.asarray(factor, grad.dtype))


def leaky_relu(x: Any, *, negative_slope: float = 0.01) -> Any:
    """``x``, or the slope times ``x`` where that is larger."""
    if x.size < _SMALL or x.dtype not in BLAS or not 0 < negative_slope <= 1:
        return declared("leaky_relu")(x, negative_slope=negative_slope)
    out = x * np.asarray(negative_slope, x.dtype)
    return np.maximum(out, x, out=out)


def elu(x: Any, *, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    """The part above zero, plus a function of the part below, which of zero is zero."""
    finite = math.isfinite(alpha * scale) and math.isfinite(input_scale)
    if x.size < _SMALL or x.dtype not in BLAS or not finite:
        return declared("elu")(x, alpha=alpha, scale=scale, input_scale=input_scale)

    def into(x: Any, below: Any) -> None:
        np.minimum(x, 0, out=below)
        if input_scale != 1:
            below *= input_scale
        np.expm1(below, out=below)
        if alpha * scale != 1:
            below *= alpha * scale
        above = x.clip(0, np.inf, out=buffer(x.size, x.dtype))
        if scale != 1:
            above *= scale
        below += above

    return in_blocks(into, x)


def elu_backward(
    grad: Any, x: Any, *, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0
) -> Any:
    """``grad`` times the slope of an exponential below zero, and above times that of a line."""
    factor = alpha * scale * input_scale
    if x.size < _SMALL or not alike(grad, x) or not math.isfinite(factor * scale):
        return declared("elu_backward")(grad, x, alpha=alpha, scale=scale, input_scale=input_scale)

    def into(grad: Any, x: Any, out: Any) -> None:
        np.fmin(x, 0, out=out)  # NaN is above
        if input_scale != 1:
            out *= input_scale
        np.exp(out, out)  # which is one from zero on
        _multiply(out, grad, out)
        if factor != 1:
            out *= factor
        if factor != scale:
            replace(out, x <= 0, grad if scale == 1 else grad * np.asarray(scale, x.dtype))

    return in_blocks(into, grad, x)


def softplus(x: Any, *, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """``log(1 + exp(beta * x)) / beta``, and ``x`` beyond the threshold."""
    if x.size < _SMALL or x.dtype not in BLAS or not 0 < beta < math.inf:
        return declared("softplus")(x, beta=beta, threshold=threshold)

    def into(x: Any, out: Any) -> None:
        scaled, above = buffer(2 * x.size, x.dtype).reshape(2, -1)
        scaled = x if beta == 1 else _multiply(x, beta, scaled)
        np.absolute(scaled, out)
        np.negative(out, out)
        np.exp(out, out)
        np.log1p(out, out)
        _add(out, scaled.clip(0, np.inf, out=above), out)
        if beta != 1:
            _divide(out, beta, out)
        elif x.dtype is F32 and threshold >= _STRAIGHT:
            return
        straight = scaled > threshold
        if straight.any():
            replace(out, np.logical_not(straight, straight), x)

    return in_blocks(into, x)


def softplus_backward(grad: Any, x: Any, *, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """``grad`` times the sigmoid of ``beta * x``, and ``grad`` beyond the threshold."""
    if x.size < _SMALL or not alike(grad, x):
        return declared("softplus_backward")(grad, x, beta=beta, threshold=threshold)

    def into(grad: Any, x: Any, out: Any) -> None:
        scaled = x if beta == 1 else _multiply(x, beta, buffer(x.size, x.dtype))
        np.negative(scaled, out)
        np.exp(out, out)
        _add(out, 1, out)
        _divide(grad, out, out)
        if x.dtype is F32 and threshold >= _STRAIGHT:
            return
        straight = scaled > threshold
        if straight.any():
            replace(out, np.logical_not(straight, straight), grad)

    return in_blocks(into, grad, x)


def hardswish(x: Any) -> Any:
    """``x`` times a line from 0 at -3 to 1 at 3."""
    if x.size < _SMALL or x.dtype not in BLAS:
        return declared("hardswish")(x)
    return in_blocks(_hardswish, x)


def _hardswish(x: Any, out: Any) -> None:
    _add(x, 3, out)
    out.clip(0, 6, out=out)
    _multiply(out, x, out)
    _divide(out, 6, out)


def hardswish_backward(grad: Any, x: Any) -> Any:
    """``grad * (x / 3 + 1 / 2)`` between -3 and 3, nothing below and ``grad`` above."""
    if x.size < _SMALL or not alike(grad, x):
        return declared("hardswish_backward")(grad, x)
    return in_blocks(_hardswish_slope, grad, x)


def _hardswish_slope(grad: Any, x: Any, out: Any) -> None:
    _multiply(x, 1 / 3, out)
    _add(out, 0.5, out)
    _multiply(out, grad, out)
    replace(out, x < 3, grad)
    clear(out, x <= -3)


KERNELS: dict[str, Callable[..., Any]] = {
    "pieces_backward": pieces_backward,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "elu_backward": elu_backward,
    "softplus": softplus,
    "softplus_backward": softplus_backward,
    "hardswish": hardswish,
    "hardswish_backward": hardswish_backward,
}
