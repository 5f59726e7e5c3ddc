"""activation: the non-linear functions, in blocks that stay in the cache between passes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import blas
from ..choosing import without
from ..parallel import side_by_side
from .common import (
    BLAS,
    F32,
    HALVES,
    alike,
    buffer,
    declared,
    in_blocks,
    in_float32,
    ones,
    spans,
)
from .rational import ERF, GELU_SLOPE, NORMAL

_add, _divide, _multiply, _subtract = np.add, np.divide, np.multiply, np.subtract
_HALF = np.array(0.5, F32)
_ONE = np.array(1.0, F32)
#: Below this many elements one expression is faster than a loop over blocks.
_SMALL = 1024
#: Up to this many elements Python's own ``math`` is faster than any array function.
_FEW = 24
_SQRT_HALF = math.sqrt(0.5)
_DENSITY = 1 / math.sqrt(2 * math.pi)


def _each(function: Callable[[float], float], x: Any) -> Any:
    """The function of each value: for a handful, Python's mathematics has less overhead."""
    if x.ndim == 0:
        return np.array(function(float(x)), F32)
    return np.array([function(v) for v in x.reshape(-1).tolist()], F32).reshape(x.shape)


def _gelu(x: float) -> float:
    return x * (math.erf(x * _SQRT_HALF) + 1.0) * 0.5


def _slope(x: float) -> float:
    return (math.erf(x * _SQRT_HALF) + 1.0) * 0.5 + x * math.exp(x * x * -0.5) * _DENSITY


def erf(x: Any) -> Any:
    """The error function."""
    if x.dtype is F32:
        return _each(math.erf, x) if x.size <= _FEW else ERF.of(x)
    return in_float32(erf, x) if x.dtype in HALVES else declared("erf")(x)


def gelu(x: Any, *, approximate: str = "none") -> Any:
    """``x`` times the normal distribution function of ``x``."""
    if approximate != "none":
        return declared("gelu")(x, approximate=approximate)
    if x.dtype is F32:
        return _each(_gelu, x) if x.size <= _FEW else NORMAL.of(x, _HALF, x)
    return in_float32(gelu, x) if x.dtype in HALVES else declared("gelu")(x)


def gelu_backward(grad: Any, x: Any, *, approximate: str = "none") -> Any:
    """``grad`` times the derivative of GELU at ``x``."""
    kind = getattr(grad, "dtype", None)
    if approximate != "none" or kind is not x.dtype or grad.shape != x.shape:
        return declared("gelu_backward")(grad, x, approximate=approximate)
    if kind is F32:
        return grad * _each(_slope, x) if x.size <= _FEW else GELU_SLOPE.of(x, _HALF, grad)
    if kind in HALVES:
        return in_float32(gelu_backward, grad, x)
    return declared("gelu_backward")(grad, x)


def relu(x: Any) -> Any:
    """The larger of ``x`` and zero; NaN stays NaN."""
    if x.dtype not in BLAS:
        return declared("relu")(x)
    if x.size < _SMALL:
        return np.maximum(x, 0)
    return x.clip(0.0, np.inf)  # in a third of np.maximum's time


def threshold_backward(grad: Any, y: Any) -> Any:
    """``grad``, and zero where ``y`` is not above zero."""
    if y.size < _SMALL or getattr(grad, "shape", None) != y.shape:
        return declared("threshold_backward")(grad, y)
    return without(grad, np.less_equal(y, 0))


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    if x.size < _SMALL or x.dtype not in BLAS:
        return in_float32(sigmoid, x) if x.dtype in HALVES else 1.0 / (np.exp(-x) + 1.0)
    return _logistic(x, None)


def silu(x: Any) -> Any:
    """``x`` times its sigmoid."""
    if x.dtype not in BLAS:
        return in_float32(silu, x) if x.dtype in HALVES else declared("silu")(x)
    if x.size < _SMALL:
        return x / (np.exp(-x) + 1.0)
    return _logistic(x, x)


def _in_blocks(function: Callable[..., None], name: str, grad: Any, given: Any) -> Any:
    """``function(grad, given, out)`` by blocks; small, mixed and half arrays as declared."""
    if given.size < _SMALL or not alike(grad, given):
        return declared(name)(grad, given)
    return in_blocks(function, grad, given)


def sigmoid_backward(grad: Any, y: Any) -> Any:
    """``grad * (1 - y) * y``."""
    return _in_blocks(_sigmoid_slope, "sigmoid_backward", grad, y)


def _sigmoid_slope(grad: Any, y: Any, out: Any) -> None:
    _subtract(_ONE, y, out)
    _multiply(out, grad, out)
    _multiply(out, y, out)


def tanh_backward(grad: Any, y: Any) -> Any:
    """``grad * (1 - y * y)``."""
    if y.size < _SMALL and y.dtype is F32:
        return grad * (_ONE - y * y)
    return _in_blocks(_tanh_slope, "tanh_backward", grad, y)


def _tanh_slope(grad: Any, y: Any, out: Any) -> None:
    _multiply(y, y, out)
    _subtract(_ONE, out, out)
    _multiply(out, grad, out)


def silu_backward(grad: Any, x: Any) -> Any:
    """``grad * s * (1 + x * (1 - s))``, s the sigmoid of ``x``."""
    return _in_blocks(_silu_slope, "silu_backward", grad, x)


def _silu_slope(grad: Any, x: Any, out: Any) -> None:
    s = buffer(x.size, x.dtype)
    np.negative(x, s)
    np.exp(s, s)
    _add(s, _ONE, s)
    _divide(_ONE, s, s)
    _subtract(_ONE, s, out)
    _multiply(out, x, out)
    _add(out, _ONE, out)
    _multiply(out, s, out)
    _multiply(out, grad, out)


def _logistic(x: Any, factor: Any) -> Any:
    """``factor / (1 + exp(-x))``; the factor is ``x`` or, if None, 1."""

    def into(given: Any, result: Any) -> None:
        np.negative(given, result)
        np.exp(result, result)
        _add(result, _ONE, result)
        _divide(_ONE if factor is None else given, result, result)

    return in_blocks(into, x)


def _rows(x: Any, dim: int) -> Any:
    """``x`` as a matrix whose rows lie along ``dim``; None if that would need a copy."""
    if x.ndim == 0 or x.dtype not in BLAS or dim not in (-1, x.ndim - 1) or not x.size:
        return None
    return x.reshape(-1, x.shape[-1]) if x.flags.c_contiguous else None


def softmax(x: Any, *, dim: int) -> Any:
    """``exp(x)`` divided by its sum along ``dim``."""
    rows = _rows(x, dim)
    if rows is None:
        return declared("softmax")(x, dim=dim)
    out = np.empty(x.shape, x.dtype)
    target = out.reshape(rows.shape)
    summing = ones(rows.shape[1], x.dtype)

    def piece(part: slice) -> None:
        for span in spans(part, rows.size, rows.shape[1]):
            source, block = rows[span], target[span]
            _subtract(source, np.maximum.reduce(source, 1, keepdims=True), block)
            np.exp(block, block)
            _multiply(block, (1.0 / block.dot(summing))[:, None], block)

    blas.side_by_side(piece, len(rows), rows.size)
    return out


def log_softmax(x: Any, *, dim: int) -> Any:
    """The logarithm of ``softmax``, without the detour."""
    rows = _rows(x, dim)
    if rows is None:
        return declared("log_softmax")(x, dim=dim)
    return log_softmax_rows(rows).reshape(x.shape)


def log_softmax_rows(rows: Any) -> Any:
    """``log_softmax`` of each row of a matrix."""
    out = np.empty_like(rows)
    summing = ones(rows.shape[1], rows.dtype)

    def piece(part: slice) -> None:
        for span in spans(part, rows.size, rows.shape[1]):
            source, block = rows[span], out[span]
            _subtract(source, np.maximum.reduce(source, 1, keepdims=True), block)
            block -= np.log(np.exp(block).dot(summing))[:, None]

    blas.side_by_side(piece, len(rows), rows.size)
    return out


def softmax_backward(grad: Any, y: Any, *, dim: int) -> Any:
    """``y * (grad - sum(grad * y))``."""
    rows = _rows(y, dim)
    if rows is None or getattr(grad, "shape", None) != y.shape or grad.dtype is not y.dtype:
        return declared("softmax_backward")(grad, y, dim=dim)
    out = np.empty(y.shape, y.dtype)
    target = out.reshape(rows.shape)
    factor = grad.reshape(rows.shape)

    def piece(part: slice) -> None:
        for span in spans(part, rows.size, rows.shape[1]):
            g, out_, block = factor[span], rows[span], target[span]
            _subtract(g, np.vecdot(g, out_)[:, None], block)
            _multiply(block, out_, block)

    side_by_side(piece, len(rows), rows.size)
    return out


KERNELS: dict[str, Callable[..., Any]] = {
    "erf": erf,
    "gelu": gelu,
    "gelu_backward": gelu_backward,
    "relu": relu,
    "threshold_backward": threshold_backward,
    "sigmoid": sigmoid,
    "sigmoid_backward": sigmoid_backward,
    "silu": silu,
    "silu_backward": silu_backward,
    "tanh_backward": tanh_backward,
    "softmax": softmax,
    "softmax_backward": softmax_backward,
    "log_softmax": log_softmax,
}
