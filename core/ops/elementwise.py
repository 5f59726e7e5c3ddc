"""elementwise: functions of one array, value by value."""

from __future__ import annotations

import math
from operator import index
from typing import Any

from ..dtypes import bool_, finfo, from_native, is_number
from ..errors import ArgumentError, DomainError
from ..numerics.errorfunction import erf_composed
from ..op import FLOAT, FULL, KEEP, NONE, ZERO, op
from ..samples import Arr, call, unary
from .arithmetic import _power, where

# fmt: off
abs = op("abs", lambda xp, x: xp.abs(x), x=lambda g, x: g * sgn(x), holomorphic=False,
         refuses=("bool",), float8=True,
         samples=unary(0.1, 3) + unary(-3, -0.1), inplace=True)
neg = op("neg", lambda xp, x: -x, x=lambda g: -g, samples=unary(), inplace=True)
sign = op("sign", lambda xp, x: _sign(xp, x), x=ZERO,
          refuses={"complex": "Unlike NumPy, torch.sign is not intended to support complex "
                                "numbers. Please use torch.sgn instead"},
          samples=unary(0.1, 3), inplace=True)

exp = op("exp", lambda xp, x: xp.exp(x), x=lambda g, out: g * out,
         dtype=FLOAT, amp=FULL, samples=unary(), inplace=True)
expm1 = op("expm1", lambda xp, x: xp.expm1(x), x=lambda g, out: g * (out + 1.0),
           dtype=FLOAT, amp=FULL, samples=unary(), inplace=True)
log = op("log", lambda xp, x: xp.log(x), x=lambda g, x: g / x,
         dtype=FLOAT, amp=FULL, samples=unary(0.1, 4), inplace=True)
log1p = op("log1p", lambda xp, x: xp.log1p(x), x=lambda g, x: g / (x + 1.0),
           dtype=FLOAT, amp=FULL, node="Log1PBackward0", samples=unary(-0.5, 4),
           inplace=True)
log2 = op("log2", lambda xp, x: xp.log2(x), x=lambda g, x: g / (x * math.log(2)),
          dtype=FLOAT, amp=FULL, samples=unary(0.1, 4), inplace=True)
log10 = op("log10", lambda xp, x: xp.log10(x), x=lambda g, x: g / (x * math.log(10)),
           dtype=FLOAT, amp=FULL, samples=unary(0.1, 4), inplace=True)

sqrt = op("sqrt", lambda xp, x: xp.sqrt(x), x=lambda g, out: g / (out * 2.0),
          dtype=FLOAT, samples=unary(0.2, 4), inplace=True)
rsqrt = op("rsqrt", lambda xp, x: 1.0 / xp.sqrt(x), x=lambda g, out: g * -0.5 * (out * out * out),
           dtype=FLOAT, amp=FULL, samples=unary(0.2, 4), inplace=True)
square = op("square", lambda xp, x: _power(xp, x, 2), x=lambda g, x: g * x * 2.0,
            node="PowBackward0", amp=FULL, samples=unary(), inplace=True)
reciprocal = op("reciprocal", lambda xp, x: 1.0 / x, x=lambda g, out: -g * (out * out),
                dtype=FLOAT, amp=FULL, samples=unary(0.3, 3), inplace=True)

sin = op("sin", lambda xp, x: xp.sin(x), x=lambda g, x: g * cos(x),
         dtype=FLOAT, samples=unary(), inplace=True)
cos = op("cos", lambda xp, x: xp.cos(x), x=lambda g, x: -g * sin(x),
         dtype=FLOAT, samples=unary(), inplace=True)
tan = op("tan", lambda xp, x: xp.tan(x), x=lambda g, out: g * (out * out + 1.0),
         dtype=FLOAT, amp=FULL, samples=unary(-1, 1), inplace=True)
asin = op("asin", lambda xp, x: xp.asin(x), x=lambda g, x: g * rsqrt(1.0 - x * x),
          dtype=FLOAT, amp=FULL, samples=unary(-0.8, 0.8), inplace=True)
acos = op("acos", lambda xp, x: xp.acos(x), x=lambda g, x: -g * rsqrt(1.0 - x * x),
          dtype=FLOAT, amp=FULL, samples=unary(-0.8, 0.8), inplace=True)
atan = op("atan", lambda xp, x: xp.atan(x), x=lambda g, x: g / (x * x + 1.0),
          dtype=FLOAT, samples=unary(), inplace=True)
sinh = op("sinh", lambda xp, x: xp.sinh(x), x=lambda g, x: g * cosh(x),
          dtype=FLOAT, amp=FULL, samples=unary(), inplace=True)
cosh = op("cosh", lambda xp, x: xp.cosh(x), x=lambda g, x: g * sinh(x),
          dtype=FLOAT, amp=FULL, samples=unary(), inplace=True)
tanh = op("tanh", lambda xp, x: xp.tanh(x), x=lambda g, out: tanh_backward(g, out),
          dtype=FLOAT, samples=unary(-3, 3), inplace=True)
tanh_backward = op("tanh_backward", lambda xp, grad, y: grad * (1.0 - y * y),
                   grad=lambda g, y: tanh_backward(g, y),
                   y=lambda g, grad, y: g * grad * y * -2.0,
                   dtype=FLOAT, method=False, samples=call(Arr((3, 4)), Arr((3, 4), -0.9, 0.9)))
erf = op("erf", erf_composed, x=lambda g, x: exp(-(x * x)) * (2.0 / math.sqrt(math.pi)) * g,
         dtype=FLOAT, refuses=("complex",),
         samples=unary(-3, 3), inplace=True)


floor = op("floor", lambda xp, x: _whole(xp, xp.floor, x), x=ZERO,
           refuses={"bool": "", "complex": "floor is not supported for complex inputs"},
           samples=unary(0.1, 0.9), inplace=True)
ceil = op("ceil", lambda xp, x: _whole(xp, xp.ceil, x), x=ZERO,
          refuses={"bool": "", "complex": "ceil is not supported for complex inputs"},
          samples=unary(0.1, 0.9), inplace=True)
trunc = op("trunc", lambda xp, x: _whole(xp, xp.trunc, x), x=ZERO,
           refuses={"bool": "", "complex": "trunc is not supported for complex inputs"},
           samples=unary(0.1, 0.9), inplace=True)
round = op(
    "round",
    lambda xp, x, *, decimals=0: (
        _whole(xp, xp.round, x)
        if decimals == 0 and decimals.__class__ is int
        else _rounded(xp, x, index(decimals))
    ),
    x=ZERO,
    refuses=("bool", "complex"),
    samples=unary(0.1, 0.4),
    inplace=True,
)

isnan = op("isnan", lambda xp, x: xp.isnan(x), x=NONE, float8=True, samples=unary())
isinf = op("isinf", lambda xp, x: xp.isinf(x), x=NONE, float8=True, samples=unary())
isfinite = op("isfinite", lambda xp, x: xp.isfinite(x), x=NONE, float8=True, samples=unary())
logical_not = op(
    "logical_not", lambda xp, x: xp.logical_not(xp.astype(x, xp.bool)), x=NONE, samples=unary()
)
nan_to_num = op("nan_to_num", lambda xp, x, *, nan=0.0, posinf=None, neginf=None:
                    _nan_to_num(xp, x, nan, posinf, neginf),
                x=lambda g, x: where(isfinite(x), g, 0.0), dtype=KEEP,
                samples=unary(nan=0.5, posinf=4.0, neginf=-3.0))
# fmt: on


def _sign(xp: Any, x: Any) -> Any:
    if from_native[x.dtype] is bool_:
        return xp.asarray(x, copy=True)
    return xp.astype(x > 0, x.dtype) - xp.astype(x < 0, x.dtype)  # of NaN zero, as in PyTorch


def _rounded(xp: Any, x: Any, decimals: int) -> Any:
    if not -(2**63) <= decimals < 2**63:
        raise DomainError(f"round(): decimals is a number of 64 bits, not {decimals}")
    step = 10.0**decimals if decimals < 309 else math.inf
    return xp.round(x * step) / step


def _whole(xp: Any, function: Any, x: Any) -> Any:
    """Rounding; integers are copied, since a library may give back the same array."""
    if from_native[x.dtype].is_floating_point:
        return function(x)
    return xp.asarray(x, copy=True)


def _nan_to_num(xp: Any, x: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
    kind = from_native[x.dtype]
    for name, value in (("nan", nan), ("posinf", posinf), ("neginf", neginf)):
        if value is not None and not (is_number(value) and hasattr(value, "__float__")):
            raise ArgumentError(
                f"nan_to_num(): argument '{name}' must be float, not {type(value).__name__}"
            )
    if kind.is_complex:
        parts = (_nan_to_num(xp, part, nan, posinf, neginf) for part in (xp.real(x), xp.imag(x)))
        return joined(xp, *parts)
    if not kind.is_floating_point:
        return xp.asarray(x, copy=True)
    top = finfo(kind).max
    for hit, value in (
        (xp.isnan(x), nan or 0.0),
        (x == math.inf, top if posinf is None else posinf),
        (x == -math.inf, -top if neginf is None else neginf),
    ):
        x = xp.where(hit, xp.asarray(float(value), dtype=x.dtype), x)
    return x


# At the end: it is made of functions from here.
from .complex import joined, sgn
