"""kernels: CuPy's own forwards, keyed by op name.

Functions that CuPy has as one kernel are called directly. What the declarations compose of several
passes over memory is written as one. Half precision is computed in float32 and rounded once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from anadrome import backend
from anadrome.op import table

from .random import PHILOX, limit_of

_DIRECT = {
    "abs": "absolute", "neg": "negative", "exp": "exp", "expm1": "expm1", "log": "log",
    "log1p": "log1p", "log2": "log2", "log10": "log10", "sqrt": "sqrt", "square": "square",
    "sin": "sin", "cos": "cos", "tan": "tan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "add": "add", "sub": "subtract", "mul": "multiply", "div": "true_divide",
    "maximum": "maximum", "minimum": "minimum", "eq": "equal", "ne": "not_equal", "lt": "less",
    "le": "less_equal", "gt": "greater", "ge": "greater_equal",
    # cuBLAS accumulates half precision in float32.
    "mm": "matmul", "bmm": "matmul", "matmul": "matmul", "mv": "matmul", "dot": "matmul",
}  # fmt: skip

#: ``wide<T>::type`` is what is computed in: double for double, float for all others.
WIDE = """
template <typename U> struct wide { typedef float type; };
template <> struct wide<double> { typedef double type; };
"""
_X = "wide<T>::type v = (wide<T>::type)x;"
_CDF = "wide<T>::type cdf = (wide<T>::type)0.5 * (1 + erf(v * (wide<T>::type)0.7071067811865476));"
_TANH = (
    "wide<T>::type t = tanh((wide<T>::type)0.7978845608028654 * "
    "(v + (wide<T>::type)0.044715 * v * v * v));"
)


def _fused(name: str, inputs: str, body: str, preamble: str = "") -> Any:
    return cupy.ElementwiseKernel(
        inputs, "T out", body, f"anadrome_{name}", preamble=WIDE + preamble
    )


_erf = _fused("erf", "T x", _X + "out = (T)erf(v);")
_gelu = _fused("gelu", "T x", _X + _CDF + "out = (T)(v * cdf);")
_gelu_tanh = _fused("gelu_tanh", "T x", _X + _TANH + "out = (T)((wide<T>::type)0.5 * v * (1 + t));")
_gelu_slope = _fused(
    "gelu_slope", "T grad, T x",
    _X + _CDF
    + "wide<T>::type slope = cdf + v * exp((wide<T>::type)-0.5 * v * v) * "
    "(wide<T>::type)0.3989422804014327; out = (T)((wide<T>::type)grad * slope);",
)  # fmt: skip
_gelu_tanh_slope = _fused(
    "gelu_tanh_slope", "T grad, T x",
    _X + _TANH
    + "wide<T>::type inner = (wide<T>::type)0.7978845608028654 * "
    "(1 + (wide<T>::type)0.134145 * v * v);"
    "wide<T>::type slope = (wide<T>::type)0.5 * ((1 + t) + v * (1 - t * t) * inner);"
    "out = (T)((wide<T>::type)grad * slope);",
)  # fmt: skip
_sigmoid = _fused("sigmoid", "T x", _X + "out = (T)(1 / (1 + exp(-v)));")
_silu = _fused("silu", "T x", _X + "out = (T)(v / (1 + exp(-v)));")
_threshold = _fused("threshold", "T grad, T y", "out = (wide<T>::type)y <= 0 ? (T)0 : grad;")
_dropout = _fused(
    "dropout", "T x, uint64 seed, uint64 number, uint64 limit, float64 scale",
    _X + "bool kept = philox(i >> 2, number, seed).w[i & 3] < limit;"
    "out = kept ? (T)(v * (wide<T>::type)scale) : (T)0;",
    preamble=PHILOX,
)  # fmt: skip

_FLOATS = frozenset("efd")


def _floating(x: Any) -> bool:
    return getattr(x, "dtype", None) is not None and (
        x.dtype.char in _FLOATS or x.dtype.name == "bfloat16"
    )


@functools.cache
def _declared(name: str) -> Callable[..., Any]:
    """The op's declared forward on CuPy, for what the kernels here do not take."""
    return backend.get("cupy").composed(table[name])


def _unary(name: str, kernel: Any) -> Callable[..., Any]:
    def run(x: Any) -> Any:
        return kernel(x) if _floating(x) else _declared(name)(x)

    return run


def _check(approximate: str) -> bool:
    """Whether it is the approximation by tanh."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate argument must be either none or tanh, not {approximate!r}")
    return approximate == "tanh"


def gelu(x: Any, *, approximate: str = "none") -> Any:
    """``x`` times the normal distribution function of ``x``."""
    tanh = _check(approximate)
    if not _floating(x):
        return _declared("gelu")(x, approximate=approximate)
    return (_gelu_tanh if tanh else _gelu)(x)


def gelu_backward(grad: Any, x: Any, *, approximate: str = "none") -> Any:
    """``grad`` times the derivative of GELU at ``x``."""
    tanh = _check(approximate)
    if not _alike(grad, x):
        return _declared("gelu_backward")(grad, x, approximate=approximate)
    return (_gelu_tanh_slope if tanh else _gelu_slope)(grad, x)


def threshold_backward(grad: Any, y: Any) -> Any:
    """``grad``, and zero where ``y`` is not above zero."""
    if not _alike(grad, y):
        return _declared("threshold_backward")(grad, y)
    return _threshold(grad, y)


def _alike(grad: Any, x: Any) -> bool:
    return _floating(x) and _floating(grad) and grad.dtype == x.dtype


def dropout(x: Any, *, p: float, key: Any, shape: Any = None) -> Any:
    """Values scaled up, but for a share ``p`` that is zero; mask and product in one kernel."""
    if p >= 1:
        return cupy.zeros_like(x)
    scale = 1 / (1 - p)
    if not _floating(x) or (shape is not None and tuple(shape) != x.shape):
        return _declared("dropout")(x, p=p, key=key, shape=shape)
    seed, number = key
    # The kernel counts positions in C order.
    flat = cupy.ascontiguousarray(x).reshape(-1)
    out = _dropout(flat, np.uint64(seed), np.uint64(number), limit_of(1 - p), np.float64(scale))
    return out.reshape(x.shape)


def addmm(x: Any, a: Any, b: Any, *, beta: float = 1.0, alpha: float = 1.0) -> Any:
    """``beta * x + alpha * (a @ b)``, with the bias added where the product lies."""
    out = cupy.matmul(a, b)
    if alpha != 1:
        out *= alpha
    out += x if beta == 1 else x * beta
    return out


KERNELS: dict[str, Callable[..., Any]] = {
    **{name: getattr(cupy, function) for name, function in _DIRECT.items()},
    "erf": _unary("erf", _erf),
    "gelu": gelu,
    "gelu_backward": gelu_backward,
    "sigmoid": _unary("sigmoid", _sigmoid),
    "silu": _unary("silu", _silu),
    "threshold_backward": threshold_backward,
    "dropout": dropout,
    "addmm": addmm,
}
#: Those that may write into their first operand, for in-place forms without a graph.
OUT_KERNELS: dict[str, Callable[..., Any]] = {
    name: KERNELS[name] for name in ("add", "sub", "mul", "div", "neg", "exp", "sqrt")
}
