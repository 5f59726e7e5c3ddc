"""activation: the non-linear functions between layers.

Where a backward is more than a few products it is an op of its own (``gelu_backward``), so that a
backend can bring a kernel for it and so that it can be differentiated again.
"""

from __future__ import annotations

import math
from typing import Any

from ..op import FLOAT, FULL, op
from ..samples import Arr, call, each, unary
from ..special import erf_composed
from .arithmetic import where

_SQRT_HALF = math.sqrt(0.5)
_TANH_SCALE = math.sqrt(2 / math.pi)
_CUBIC = 0.044715
_DENSITY = 1 / math.sqrt(2 * math.pi)

# fmt: off
sigmoid = op("sigmoid", lambda xp, x: 1.0 / (xp.exp(-x) + 1.0),
             x=lambda g, out: _sigmoid_rule(g * out, out),
             dtype=FLOAT, inplace=True, samples=unary(-4, 4))
logsigmoid = op("logsigmoid", lambda xp, x: xp.minimum(x, 0.0) - xp.log1p(xp.exp(-xp.abs(x))),
                x=lambda g, x: g * sigmoid(-x), dtype=FLOAT, method=False,
                node="LogSigmoidBackward0",
                samples=unary(-4, 4))
softplus = op("softplus", lambda xp, x, *, beta=1.0, threshold=20.0:
                  _softplus(xp, x, beta, threshold),
              x=lambda g, x, beta, threshold: where(x * beta > threshold, g, g * sigmoid(x * beta)),
              dtype=FLOAT, amp=FULL, method=False,
              samples=unary(-4, 4) + each("3", {"beta": 2.0}))
relu = op("relu", lambda xp, x: xp.maximum(x, 0), x=lambda g, out: threshold_backward(g, out),
          inplace=True, samples=unary(0.1, 2) + unary(-2, -0.1))
#: ``grad`` unless the forward's result was zero (NaN lets it through, as in PyTorch).
threshold_backward = op("threshold_backward", lambda xp, grad, y: xp.where(y <= 0, 0.0, grad),
                        grad=lambda g, y: threshold_backward(g, y), y=lambda g: g * 0.0,
                        dtype=FLOAT, method=False, samples=call(Arr((3, 4)), Arr((3, 4), 0.1, 1)))
leaky_relu = op("leaky_relu", lambda xp, x, *, negative_slope=0.01:
                    xp.where(x > 0, x, x * negative_slope),
                x=lambda g, x, negative_slope: where(x > 0, g, g * negative_slope),
                dtype=FLOAT, method=False, samples=unary(0.1, 2) + unary(-2, -0.1))
elu = op("elu", lambda xp, x, *, alpha=1.0:
             xp.where(x > 0, x, xp.expm1(xp.minimum(x, 0.0)) * alpha),
         x=lambda g, x, alpha: where(x > 0, g, g * exp(where(x > 0, 0.0, x)) * alpha),
         dtype=FLOAT, method=False, samples=unary(0.1, 2) + unary(-2, -0.1))
silu = op("silu", lambda xp, x: x / (xp.exp(-x) + 1.0), x=lambda g, x: _silu_rule(g, x),
          dtype=FLOAT, method=False, samples=unary(-4, 4))
gelu = op("gelu", lambda xp, x, *, approximate="none": _gelu(xp, x, approximate),
          x=lambda g, x, approximate: gelu_backward(g, x, approximate=approximate),
          dtype=FLOAT, method=False,
          samples=unary(-4, 4) + unary(-4, 4, approximate="tanh"))
gelu_backward = op("gelu_backward", lambda xp, grad, x, *, approximate="none":
                       grad * _gelu_slope(xp, x, approximate),
                   grad=lambda g, x, approximate: gelu_backward(g, x, approximate=approximate),
                   x=lambda g, grad, x, approximate: g * grad * _gelu_curve(x, approximate),
                   dtype=FLOAT, method=False,
                   samples=call(Arr((3, 4)), Arr((3, 4)))
                   + call(Arr((3, 4)), Arr((3, 4)), approximate="tanh"))
softmax = op("softmax", lambda xp, x, *, dim: _softmax(xp, x, dim),
             x=lambda g, out, dim: softmax_backward(g, out, dim=dim),
             dtype=FLOAT, amp=FULL, method=False,
             samples=each("3,4", {"dim": 0}, {"dim": -1}) + each("-", {"dim": 0}))
softmax_backward = op("softmax_backward",
                      lambda xp, grad, y, *, dim: _softmax_back(xp, grad, y, dim),
                      grad=lambda g, y, dim: softmax_backward(g, y, dim=dim),
                      y=lambda g, grad, y, dim: _softmax_back_rule(g, grad, y, dim),
                      dtype=FLOAT, method=False,
                      samples=call(Arr((3, 4)), Arr((3, 4), 0, 1), dim=-1))
log_softmax = op("log_softmax", lambda xp, x, *, dim: _log_softmax(xp, x, dim),
                 x=lambda g, out, dim: g - exp(out) * _total(g, dim),
                 dtype=FLOAT, amp=FULL, method=False,
                 samples=each("3,4", {"dim": 0}, {"dim": -1}) + each("-", {"dim": 0}))
# fmt: on


def _sigmoid_rule(weighted: Any, out: Any) -> Any:
    return weighted - weighted * out


def _softplus(xp: Any, x: Any, beta: float, threshold: float) -> Any:
    scaled = x * beta
    soft = (xp.maximum(scaled, 0.0) + xp.log1p(xp.exp(-xp.abs(scaled)))) / beta
    return xp.where(scaled > threshold, x, soft)


def _silu_rule(g: Any, x: Any) -> Any:
    s = sigmoid(x)
    return g * s * (x * (1.0 - s) + 1.0)


def _gelu(xp: Any, x: Any, approximate: str) -> Any:
    if approximate == "none":
        return x * (erf_composed(xp, x * _SQRT_HALF) + 1.0) * 0.5
    if approximate != "tanh":
        raise ValueError(f"approximate argument must be either none or tanh, not {approximate!r}")
    return x * (xp.tanh((x + x * x * x * _CUBIC) * _TANH_SCALE) + 1.0) * 0.5


def _gelu_slope(xp: Any, x: Any, approximate: str) -> Any:
    if approximate == "none":
        cdf = (erf_composed(xp, x * _SQRT_HALF) + 1.0) * 0.5
        return cdf + x * xp.exp(x * x * -0.5) * _DENSITY
    t = xp.tanh((x + x * x * x * _CUBIC) * _TANH_SCALE)
    inner = (x * x * (3 * _CUBIC) + 1.0) * _TANH_SCALE
    return (t + 1.0) * 0.5 + x * (1.0 - t * t) * inner * 0.5


def _gelu_curve(x: Any, approximate: str) -> Any:
    if approximate == "none":
        return exp(x * x * -0.5) * (2.0 - x * x) * _DENSITY
    t = tanh((x + x * x * x * _CUBIC) * _TANH_SCALE)
    inner = (x * x * (3 * _CUBIC) + 1.0) * _TANH_SCALE
    bend = x * (6 * _CUBIC * _TANH_SCALE)
    flat = 1.0 - t * t
    return flat * inner + x * 0.5 * (flat * bend - t * flat * inner * inner * 2.0)


def _softmax(xp: Any, x: Any, dim: int) -> Any:
    axis = dim if x.ndim else None
    y = xp.exp(x - xp.max(x, axis=axis, keepdims=True))
    y /= xp.sum(y, axis=axis, keepdims=True)
    return y


def _softmax_back(xp: Any, grad: Any, y: Any, dim: int) -> Any:
    weighted = grad * y
    axis = dim if y.ndim else None
    return weighted - y * xp.sum(weighted, axis=axis, keepdims=True)


def _softmax_back_rule(g: Any, grad: Any, y: Any, dim: int) -> Any:
    return g * grad - g * _total(grad * y, dim) - grad * _total(g * y, dim)


def _log_softmax(xp: Any, x: Any, dim: int) -> Any:
    axis = dim if x.ndim else None
    shifted = x - xp.max(x, axis=axis, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True))


def _total(g: Any, dim: int) -> Any:
    return sum(g, dim=dim, keepdim=True)


# At the end: `elementwise` and `reduce` need `where`, whose module needs `sigmoid` from here.
from .elementwise import exp, tanh
from .reduce import sum
