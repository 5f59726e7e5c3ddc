"""activation: the non-linear functions between layers.

Where a backward is more than a few products it is an op of its own (``gelu_backward``), so that a
backend can bring a kernel for it and so that it can be differentiated again.
"""

from __future__ import annotations

import math
from typing import Any

from ..dtypes import bool_, float32, from_native
from ..errors import DtypeError, UnsupportedError
from ..numerics.errorfunction import erf_composed
from ..op import FLOAT, FULL, ZERO, op
from ..samples import Arr, call, each, unary
from .arithmetic import where

_SQRT_HALF = math.sqrt(0.5)
_TANH_SCALE = math.sqrt(2 / math.pi)
_CUBIC = 0.044715
_INF = math.inf
_DENSITY = 1 / math.sqrt(2 * math.pi)

# fmt: off
sigmoid = op("sigmoid", lambda xp, x: 1.0 / (xp.exp(-x) + 1.0),
             x=lambda g, out: sigmoid_backward(g, out),
             dtype=FLOAT, inplace=True, samples=unary(-4, 4))
sigmoid_backward = op("sigmoid_backward", lambda xp, grad, y: grad * (1.0 - y) * y,
                      grad=lambda g, y: sigmoid_backward(g, y),
                      y=lambda g, grad, y: g * grad * (1.0 - y * 2.0),
                      dtype=FLOAT, method=False, samples=call(Arr((3, 4)), Arr((3, 4), 0.1, 0.9)))
logsigmoid = op("logsigmoid", lambda xp, x:
                    xp.minimum(floating("logsigmoid", x), 0.0) - xp.log1p(xp.exp(-xp.abs(x))),
                x=lambda g, x: g * sigmoid(-x), method=False,
                node="LogSigmoidBackward0",
                refuses=("complex",),
                samples=unary(-4, 4))
softplus = op("softplus", lambda xp, x, *, beta=1.0, threshold=20.0:
                  _softplus(xp, x, beta, threshold),
              x=lambda g, x, beta, threshold: softplus_backward(
                  g, x, beta=beta, threshold=threshold),
              amp=FULL, at_once=True, method=False,
              refuses=("complex",),
              samples=unary(-4, 4) + each("3", {"beta": 2.0}))
softplus_backward = op("softplus_backward",
                       lambda xp, grad, x, *, beta=1.0, threshold=20.0:
                           _softplus_back(xp, grad, x, beta, threshold),
                       grad=lambda g, x, beta, threshold: softplus_backward(
                           g, x, beta=beta, threshold=threshold),
                       x=lambda g, grad, x, beta, threshold: _softplus_curve(
                           g * grad, x, beta, threshold),
                       dtype=FLOAT, at_once=True, method=False,
                       samples=call(Arr((3, 4)), Arr((3, 4), -4, 4))
                       + call(Arr((3, 4)), Arr((3, 4), -4, 4), beta=2.0, threshold=3.0))
relu = op("relu", lambda xp, x: _relu(xp, x), x=lambda g, out: threshold_backward(g, out),
          inplace=True, refuses={"complex": "clamp is not supported for complex types"},
          samples=unary(0.1, 2) + unary(-2, -0.1))
#: ``grad`` unless the forward's result was zero (NaN lets it through, as in PyTorch).
threshold_backward = op("threshold_backward", lambda xp, grad, y: xp.where(y <= 0, 0.0, grad),
                        grad=lambda g, y: threshold_backward(g, y), y=lambda g: g * 0.0,
                        dtype=FLOAT, method=False, samples=call(Arr((3, 4)), Arr((3, 4), 0.1, 1)))
#: ``grad * inner`` where ``low <= x <= high`` (``<`` if ``open``), else ``grad * outer``.
pieces_backward = op("pieces_backward",
                     lambda xp, grad, x, *, low=-_INF, high=_INF, inner=0.0, outer=1.0, open=False:
                         _pieces_back(xp, grad, x, low, high, inner, outer, open),
                     grad=lambda g, x, low, high, inner, outer, open: pieces_backward(
                         g, x, low=low, high=high, inner=inner, outer=outer, open=open),
                     x=ZERO, dtype=FLOAT, method=False,
                     samples=call(Arr((3, 4)), Arr((3, 4), -0.9, 0.9), low=-1.0, high=1.0)
                     + call(Arr((3, 4)), Arr((3, 4), 1.1, 2), high=1.0, inner=0.5, open=True)
                     + call(Arr((3, 4)), Arr((3, 4), -1, 1), low=0.0, inner=1.0, outer=0.1,
                            open=True))
leaky_relu = op("leaky_relu", lambda xp, x, *, negative_slope=0.01:
                    xp.where(floating("leaky_relu", x) > 0, x, x * negative_slope),
                x=lambda g, x, negative_slope: pieces_backward(  # NaN is below, as in PyTorch
                    g, x, low=0.0, inner=1.0, outer=negative_slope, open=True),
                method=False, refuses=("complex",),
                samples=unary(0.1, 2) + unary(-2, -0.1))
#: ``scale * x`` where positive, else ``scale * alpha * (exp(x * input_scale) - 1)``.
elu = op("elu", lambda xp, x, *, alpha=1.0, scale=1.0, input_scale=1.0:
             _elu(xp, x, alpha, scale, input_scale),
         x=lambda g, x, alpha, scale, input_scale: elu_backward(
             g, x, alpha=alpha, scale=scale, input_scale=input_scale),
         at_once=True, method=False, refuses=("complex",),
         samples=unary(0.1, 2) + unary(-2, -0.1)
         + unary(-2, -0.1, alpha=0.7, scale=1.5, input_scale=0.4))
elu_backward = op("elu_backward",
                  lambda xp, grad, x, *, alpha=1.0, scale=1.0, input_scale=1.0:
                      _elu_back(xp, grad, x, alpha, scale, input_scale),
                  grad=lambda g, x, alpha, scale, input_scale: elu_backward(
                      g, x, alpha=alpha, scale=scale, input_scale=input_scale),
                  x=lambda g, grad, x, alpha, scale, input_scale: _elu_curve(
                      g * grad, x, alpha * scale * input_scale * input_scale, input_scale),
                  dtype=FLOAT, at_once=True, method=False,
                  samples=call(Arr((3, 4)), Arr((3, 4), 0.1, 2))
                  + call(Arr((3, 4)), Arr((3, 4), -2, -0.1), alpha=0.7, scale=1.5,
                         input_scale=0.4))
silu = op("silu", lambda xp, x: floating("silu", x) / (xp.exp(-x) + 1.0),
          x=lambda g, x: silu_backward(g, x), method=False, samples=unary(-4, 4))
silu_backward = op("silu_backward", lambda xp, grad, x: _silu_back(xp, grad, x),
                   grad=lambda g, x: silu_backward(g, x),
                   x=lambda g, grad, x: g * grad * _silu_curve(x, sigmoid(x)),
                   dtype=FLOAT, method=False, samples=call(Arr((3, 4)), Arr((3, 4), -4, 4)))
gelu = op("gelu", lambda xp, x, *, approximate="none": _gelu(xp, x, approximate),
          x=lambda g, x, approximate: gelu_backward(g, x, approximate=approximate),
          method=False,
          refuses=("complex",),
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
             amp=FULL, method=False,
             refuses=("complex",),
             samples=each("3,4", {"dim": 0}, {"dim": -1}) + each("-", {"dim": 0}))
softmax_backward = op("softmax_backward",
                      lambda xp, grad, y, *, dim: _softmax_back(xp, grad, y, dim),
                      grad=lambda g, y, dim: softmax_backward(g, y, dim=dim),
                      y=lambda g, grad, y, dim: _softmax_back_rule(g, grad, y, dim),
                      dtype=FLOAT, method=False,
                      samples=call(Arr((3, 4)), Arr((3, 4), 0, 1), dim=-1))
log_softmax = op("log_softmax", lambda xp, x, *, dim: _log_softmax(xp, x, dim),
                 x=lambda g, out, dim: log_softmax_backward(g, out, dim=dim),
                 amp=FULL, method=False,
                 refuses=("complex",),
                 samples=each("3,4", {"dim": 0}, {"dim": -1}) + each("-", {"dim": 0}))
log_softmax_backward = op("log_softmax_backward",
                          lambda xp, grad, y, *, dim: _log_softmax_back(xp, grad, y, dim),
                          grad=lambda g, y, dim: g - _total(g * exp(y), dim),
                          y=lambda g, grad, y, dim: g * exp(y) * _total(grad, dim) * -1.0,
                          dtype=FLOAT, method=False,
                          samples=call(Arr((3, 4)), Arr((3, 4), -2, 0), dim=-1))
# fmt: on


def floating(name: str, x: Any) -> Any:
    """``x``, if ``name`` is defined for its element type."""
    kind = from_native[x.dtype]
    if kind.category < float32.category:
        raise UnsupportedError(
            f'"{name}" not implemented for {kind.name!r}; write `input.float()` first'
        )
    return x


def _relu(xp: Any, x: Any) -> Any:
    if from_native[x.dtype] is bool_:
        raise DtypeError("Boolean inputs not supported for relu; write `input.float()` first")
    return xp.maximum(x, 0)


def _pieces_back(
    xp: Any, grad: Any, x: Any, low: float, high: float, inner: float, outer: float, open: bool
) -> Any:
    # A bound that is infinite is none: infinity itself is inside, also where the ends are not.
    if high == _INF:
        inside = x > low if open else x >= low
    else:
        inside = x < high if open else x <= high
        if low > -_INF:
            inside = inside & (x > low if open else x >= low)
    return xp.where(inside, _times(grad, inner), _times(grad, outer))


def _times(grad: Any, factor: float) -> Any:
    """Nothing times infinity is nothing here, and once is no product."""
    return 0.0 if factor == 0.0 else (grad if factor == 1.0 else grad * factor)


def _elu(xp: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    below = xp.minimum(floating("elu", x), 0.0)
    if input_scale != 1.0:
        below = below * input_scale
    return xp.where(x < 0, xp.expm1(below) * (alpha * scale), x * scale)


def _elu_back(xp: Any, grad: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    # NaN has the slope of the right side, as in PyTorch.
    below = xp.exp(xp.where(x < 0, x, 0.0) * input_scale)
    return xp.where(x <= 0, grad * below * (alpha * scale * input_scale), grad * scale)


def _elu_curve(g: Any, x: Any, factor: float, input_scale: float) -> Any:
    return where(x < 0, g * exp(where(x < 0, x, 0.0) * input_scale) * factor, 0.0)


def _softplus(xp: Any, x: Any, beta: float, threshold: float) -> Any:
    scaled = floating("softplus", x) * beta
    soft = (xp.maximum(scaled, 0.0) + xp.log1p(xp.exp(-xp.abs(scaled)))) / beta
    return xp.where(scaled > threshold, x, soft)


def _softplus_back(xp: Any, grad: Any, x: Any, beta: float, threshold: float) -> Any:
    scaled = x * beta
    return xp.where(scaled > threshold, grad, grad / (xp.exp(-scaled) + 1.0))


def _softplus_curve(g: Any, x: Any, beta: float, threshold: float) -> Any:
    s = sigmoid(x * beta)
    return g * where(x * beta >= threshold, 0.0, s * (1.0 - s) * beta)


def _silu_back(xp: Any, grad: Any, x: Any) -> Any:
    s = 1.0 / (xp.exp(-x) + 1.0)
    return grad * s * (x * (1.0 - s) + 1.0)


def _silu_curve(x: Any, s: Any) -> Any:
    """The second derivative of SiLU; ``s`` is the sigmoid of ``x``."""
    return s * (1.0 - s) * (x * (1.0 - s * 2.0) + 2.0)


def _gelu(xp: Any, x: Any, approximate: str) -> Any:
    floating("gelu", x)
    if approximate == "none":
        return x * (erf_composed(xp, x * _SQRT_HALF) + 1.0) * 0.5
    if approximate != "tanh":
        raise ValueError(f"approximate argument must be either none or tanh, not {approximate!r}")
    # Half first: twice a large ``x`` may be more than the type holds.
    return x * ((xp.tanh((x + x * x * x * _CUBIC) * _TANH_SCALE) + 1.0) * 0.5)


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
    axis = dim if floating("softmax", x).ndim else None
    if 0 in x.shape:
        return xp.asarray(x, copy=True)
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
    axis = dim if floating("log_softmax", x).ndim else None
    if 0 in x.shape:
        return xp.asarray(x, copy=True)
    shifted = x - xp.max(x, axis=axis, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True))


def _log_softmax_back(xp: Any, grad: Any, y: Any, dim: int) -> Any:
    return grad - xp.exp(y) * xp.sum(grad, axis=dim if y.ndim else None, keepdims=True)


def _total(g: Any, dim: int) -> Any:
    return sum(g, dim=dim, keepdim=True)


# At the end: `elementwise` and `reduce` need `where`, whose module needs `sigmoid` from here.
from .elementwise import exp, tanh
from .reduce import sum
