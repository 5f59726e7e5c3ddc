"""piecewise: activations made of straight pieces, and those beside them that earn an op.

At a corner the derivative is PyTorch's: zero on the flat side.
"""

from __future__ import annotations

from typing import Any

from ..dtypes import bool_, from_native
from ..errors import DtypeError
from ..op import FLOAT, op
from ..samples import Arr, call, unary
from .activation import floating, pieces_backward, sigmoid, softplus
from .arithmetic import where
from .elementwise import tanh

_ALWAYS = float("inf")  # softplus's threshold above which it is the identity: never

# fmt: off
hardtanh = op("hardtanh", lambda xp, x, *, min_val=-1.0, max_val=1.0:
                  _hardtanh(xp, x, min_val, max_val),
              x=lambda g, x, min_val, max_val: pieces_backward(
                  g, x, low=min_val, high=max_val, inner=1.0, outer=0.0, open=True),
              method=False, refuses=("complex",),
              samples=unary(-0.9, 0.9) + unary(1.1, 3, min_val=-2.0))
hardsigmoid = op("hardsigmoid", lambda xp, x:
                     xp.clip(floating("hardsigmoid", x) + 3.0, 0.0, 6.0) / 6.0,
                 x=lambda g, x: pieces_backward(
                     g, x, low=-3.0, high=3.0, inner=1.0 / 6.0, outer=0.0, open=True),
                 method=False, refuses=("complex",),
                 samples=unary(-2.9, 2.9) + unary(3.1, 4))
hardswish = op("hardswish", lambda xp, x:
                   xp.clip(floating("hardswish", x) + 3.0, 0.0, 6.0) * x / 6.0,
               x=lambda g, x: hardswish_backward(g, x),
               at_once=True, method=False, refuses=("complex",),
               samples=unary(-2.9, 2.9) + unary(3.1, 4))
hardswish_backward = op("hardswish_backward", lambda xp, grad, x:
                            xp.where(x <= -3.0, 0.0, xp.where(
                                x < 3.0, grad * (x * (1.0 / 3.0) + 0.5), grad)),
                        grad=lambda g, x: hardswish_backward(g, x),
                        x=lambda g, grad, x: pieces_backward(
                            g * grad, x, low=-3.0, high=3.0, inner=1.0 / 3.0, outer=0.0, open=True),
                        dtype=FLOAT, at_once=True, method=False,
                        samples=call(Arr((3, 4)), Arr((3, 4), -2.9, 2.9))
                        + call(Arr((3, 4)), Arr((3, 4), 3.1, 4)))
hardshrink = op("hardshrink", lambda xp, x, *, lambd=0.5:
                    xp.where(xp.abs(floating("hardshrink", x)) <= lambd, 0.0, x),
                x=lambda g, x, lambd: pieces_backward(g, x, low=-lambd, high=lambd),
                refuses=("complex",),
                samples=unary(0.6, 2) + unary(-0.4, 0.4))
softshrink = op("softshrink", lambda xp, x, *, lambd=0.5: _softshrink(xp, x, lambd),
                x=lambda g, x, lambd: pieces_backward(g, x, low=-lambd, high=lambd),
                method=False, refuses=("complex",),
                samples=unary(0.6, 2) + unary(-0.4, 0.4))
threshold = op("threshold", lambda xp, x, *, threshold, value: _threshold(xp, x, threshold, value),
               x=lambda g, x, threshold: pieces_backward(g, x, high=threshold),
               method=False, refuses=("complex",),
               samples=unary(0.6, 2, threshold=0.5, value=3.0)
               + unary(-1, 0.4, threshold=0.5, value=3.0))
mish = op("mish", lambda xp, x: floating("mish", x) * xp.tanh(_soft(xp, x)),
          x=lambda g, x: _mish_rule(g, x), at_once=True, method=False, refuses=("complex",),
          samples=unary(-4, 4))
#: ``a * sigmoid(b)`` as one kernel: ``glu`` of half precision, which is rounded once.
gated = op("gated", lambda xp, a, b: a / (xp.exp(-b) + 1.0), a=lambda g, b: g * sigmoid(b),
           b=lambda g, a, b: gated_backward(g, a, sigmoid(b)), dtype=FLOAT, method=False,
           node="GluBackward0", samples=call(Arr((3, 4)), Arr((3, 4))))
gated_backward = op("gated_backward", lambda xp, grad, a, s: (1.0 - s) * s * grad * a,
                    grad=lambda g, a, s: g * a * (1.0 - s) * s,
                    a=lambda g, grad, s: g * grad * (1.0 - s) * s,
                    s=lambda g, grad, a, s: g * grad * a * (1.0 - s * 2.0),
                    dtype=FLOAT, method=False,
                    samples=call(Arr((3, 4)), Arr((3, 4)), Arr((3, 4), 0.1, 0.9)))
#: ``weight`` is broadcast: its caller has put it along the channels.
prelu = op("prelu", lambda xp, x, weight: xp.where(x > 0, x, x * weight),
           x=lambda g, x, weight: where(x > 0, g, g * weight),
           weight=lambda g, x: where(x > 0, 0.0, g * x),
           dtype=FLOAT, method=False, node="PreluKernelBackward0",
           refuses=("complex",),
           samples=call(Arr((3, 4), 0.1, 2), Arr((4,))) + call(Arr((2, 3, 2), -2, -0.1), Arr(())))
# fmt: on


def _hardtanh(xp: Any, x: Any, low: float, high: float) -> Any:
    kind = from_native[x.dtype]
    if kind is bool_:
        raise DtypeError("Bool inputs not supported for hardtanh; write `x.float()`")
    if not kind.is_floating_point:
        if low < 0 and kind.name.startswith("u"):
            raise DtypeError("cannot do hardtanh on an unsigned type with negative limits")
        low, high = int(low), int(high)
    return xp.clip(x, low, high)


def _softshrink(xp: Any, x: Any, lambd: float) -> Any:
    floating("softshrink", x)
    # x * 0 rather than 0: NaN stays NaN.
    return xp.where(x > lambd, x - lambd, xp.where(x < -lambd, x + lambd, x * 0.0))


def _threshold(xp: Any, x: Any, threshold: float, value: float) -> Any:
    kind = from_native[x.dtype]
    if kind is bool_:
        return floating("threshold", x)
    if not kind.is_floating_point:
        threshold, value = int(threshold), int(value)
    return xp.where(x <= threshold, xp.astype(xp.asarray(value), x.dtype), x)


def _soft(xp: Any, x: Any) -> Any:
    """log(1 + exp(x))."""
    return xp.maximum(x, 0.0) + xp.log1p(xp.exp(-xp.abs(x)))


def _mish_rule(g: Any, x: Any) -> Any:
    t = tanh(softplus(x, threshold=_ALWAYS))
    return g * (t + x * sigmoid(x) * (1.0 - t * t))
