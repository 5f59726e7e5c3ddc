"""activation: the non-linear functions and their slopes, each one kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .common import Maker, alike, elementwise, floating

_X = "wide<T>::type v = (wide<T>::type)x;"
_CDF = "wide<T>::type cdf = (wide<T>::type)0.5 * (1 + erf(v * (wide<T>::type)0.7071067811865476));"
_TANH = (
    "wide<T>::type t = tanh((wide<T>::type)0.7978845608028654 * "
    "(v + (wide<T>::type)0.044715 * v * v * v));"
)
_SIGMOID = "wide<T>::type s = 1 / (1 + exp(-v));"

_erf = elementwise("erf", "T x", _X + "out = (T)erf(v);")
_gelu = elementwise("gelu", "T x", _X + _CDF + "out = (T)(v * cdf);")
_gelu_tanh = elementwise(
    "gelu_tanh", "T x", _X + _TANH + "out = (T)((wide<T>::type)0.5 * v * (1 + t));"
)
_gelu_slope = elementwise(
    "gelu_slope", "T grad, T x",
    _X + _CDF
    + "wide<T>::type slope = cdf + v * exp((wide<T>::type)-0.5 * v * v) * "
    "(wide<T>::type)0.3989422804014327; out = (T)((wide<T>::type)grad * slope);",
)  # fmt: skip
_gelu_tanh_slope = elementwise(
    "gelu_tanh_slope", "T grad, T x",
    _X + _TANH
    + "wide<T>::type inner = (wide<T>::type)0.7978845608028654 * "
    "(1 + (wide<T>::type)0.134145 * v * v);"
    "wide<T>::type slope = (wide<T>::type)0.5 * ((1 + t) + v * (1 - t * t) * inner);"
    "out = (T)((wide<T>::type)grad * slope);",
)  # fmt: skip
_sigmoid = elementwise("sigmoid", "T x", _X + _SIGMOID + "out = (T)s;")
_sigmoid_slope = elementwise(
    "sigmoid_slope", "T grad, T x", _X + "out = (T)((wide<T>::type)grad * (1 - v) * v);"
)
_silu = elementwise("silu", "T x", _X + "out = (T)(v / (1 + exp(-v)));")
_silu_slope = elementwise(
    "silu_slope", "T grad, T x",
    _X + _SIGMOID + "out = (T)((wide<T>::type)grad * s * (1 + v * (1 - s)));",
)  # fmt: skip
_tanh_slope = elementwise(
    "tanh_slope", "T grad, T x", _X + "out = (T)((wide<T>::type)grad * (1 - v * v));"
)
_threshold = elementwise(
    "threshold", "T grad, T y", "out = (wide<T>::type)y <= 0 ? (T)(wide<T>::type)0 : grad;"
)


def _of_one(kernel: Any) -> Maker:
    def make(before: Callable[..., Any]) -> Callable[..., Any]:
        return lambda x: kernel(x) if floating(x) else before(x)

    return make


def _of_two(kernel: Any) -> Maker:
    def make(before: Callable[..., Any]) -> Callable[..., Any]:
        return lambda grad, x: kernel(grad, x) if alike(x, grad) else before(grad, x)

    return make


def _gelu_maker(before: Callable[..., Any]) -> Callable[..., Any]:
    def gelu(x: Any, *, approximate: str = "none") -> Any:
        kernel = _GELU.get(approximate)
        if kernel is None or not floating(x):
            return before(x, approximate=approximate)
        return kernel(x)

    return gelu


def _gelu_backward_maker(before: Callable[..., Any]) -> Callable[..., Any]:
    def gelu_backward(grad: Any, x: Any, *, approximate: str = "none") -> Any:
        kernel = _GELU_SLOPE.get(approximate)
        if kernel is None or not alike(x, grad):
            return before(grad, x, approximate=approximate)
        return kernel(grad, x)

    return gelu_backward


_GELU = {"none": _gelu, "tanh": _gelu_tanh}
_GELU_SLOPE = {"none": _gelu_slope, "tanh": _gelu_tanh_slope}

MAKERS: dict[str, Maker] = {
    "erf": _of_one(_erf),
    "gelu": _gelu_maker,
    "gelu_backward": _gelu_backward_maker,
    "sigmoid": _of_one(_sigmoid),
    "sigmoid_backward": _of_two(_sigmoid_slope),
    "silu": _of_one(_silu),
    "silu_backward": _of_two(_silu_slope),
    "tanh_backward": _of_two(_tanh_slope),
    "threshold_backward": _of_two(_threshold),
}
