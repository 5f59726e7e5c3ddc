"""pairs: further functions of two arrays, value by value."""

from __future__ import annotations

from typing import Any

from ..dtypes import bool_, from_native
from ..errors import UnsupportedError
from ..op import FLOAT, NONE, ZERO, op
from ..samples import Arr, binary, call
from .arithmetic import div_trunc, divisor, where

_BITS = {"uint8": 8, "int8": 8, "int16": 16, "int32": 32, "int64": 64}

# fmt: off
#: ``add`` with an ``alpha``, of half precision: the sum is rounded once.
add_scaled = op("add_scaled", lambda xp, a, b, *, alpha: a + b * alpha,
                a=lambda g: g, b=lambda g, alpha: g * alpha,
                node="AddBackward0", method=False, samples=binary(alpha=2))
sub_scaled = op("sub_scaled", lambda xp, a, b, *, alpha: a - b * alpha,
                a=lambda g: g, b=lambda g, alpha: -g * alpha,
                node="SubBackward0", method=False, samples=binary(alpha=2))
fmod = op("fmod", lambda xp, a, b: _fmod(xp, a, b),
          a=lambda g: g, b=lambda g, a, b: -g * div_trunc(a, b), inplace=True,
          named=lambda b=None: f"FmodBackward{int(b is not None)}",
          only_tensors=("a",), refuses=("complex",),
          samples=call(Arr((4,), 3.1, 3.9), Arr((4,), 1.1, 1.4))
          + call(Arr((2, 4), -3.9, -3.1), Arr((4,), 1.1, 1.4)))
fmax = op("fmax", lambda xp, a, b: _ignoring_nan(xp, xp.maximum, a, b),
          a=lambda g, a, b: where((a >= b) | (b != b), g, 0.0),
          b=lambda g, a, b: where((a >= b) | (b != b), 0.0, g), only_tensors=("a", "b"),
          refuses={"complex": "fmax not implemented for complex tensors"},
          samples=binary())
fmin = op("fmin", lambda xp, a, b: _ignoring_nan(xp, xp.minimum, a, b),
          a=lambda g, a, b: where((a <= b) | (b != b), g, 0.0),
          b=lambda g, a, b: where((a <= b) | (b != b), 0.0, g), only_tensors=("a", "b"),
          refuses={"complex": "fmin not implemented for complex tensors"},
          samples=binary())
hypot = op("hypot", lambda xp, a, b: xp.hypot(a, b),
           a=lambda g, a, out: g * a / out, b=lambda g, b, out: g * b / out,
           dtype=FLOAT, inplace=True, only_tensors=("a", "b"),
           refuses=("bool", "int",),
           samples=binary(0.3, 2))
copysign = op("copysign", lambda xp, a, b: xp.copysign(a, b),
              a=lambda g, a, out: g * where(a == 0.0, 0.0, out / where(a == 0.0, 1.0, a)), b=ZERO,
              dtype=FLOAT, node="CopysignBackward0", inplace=True,
              only_tensors=("a",),
              samples=binary(0.3, 2) + call(Arr((4,)), Arr((4,))))
heaviside = op("heaviside",
               lambda xp, x, values: xp.where(x == 0, values, xp.astype(x > 0, x.dtype)),
               x=NONE, values=NONE, inplace=True, only_tensors=("x", "values"),
               refuses={"complex": "heaviside is not yet implemented for complex tensors."},
               samples=call(Arr((3, 4), -2, 3, "int"), Arr((4,), -9, 9, "int")))
bitwise_left_shift = op("bitwise_left_shift", lambda xp, a, b: _shifted(xp, a, b, left=True),
                        a=NONE, b=NONE, inplace=True,
                        samples=call(Arr((4,), 0, 9, "int"), Arr((4,), 0, 4, "int")))
bitwise_right_shift = op("bitwise_right_shift", lambda xp, a, b: _shifted(xp, a, b, left=False),
                         a=NONE, b=NONE, inplace=True,
                         samples=call(Arr((4,), 0, 9, "int"), Arr((4,), 0, 4, "int")))
gcd = op("gcd", lambda xp, a, b: _gcd(xp, a, b), a=NONE, b=NONE, inplace=True,
         only_tensors=("a", "b"),
         refuses={"float": "gcd is not implemented for floating-point numbers; only for integers",
                  "complex": "gcd is not implemented for complex numbers; only for integers"},
         samples=call(Arr((4,), 1, 99, "int"), Arr((4,), 1, 99, "int")))

clamp_low = op("clamp_low", lambda xp, x, low: xp.maximum(x, low),
               x=lambda g, x, low: where(x >= low, g, 0.0),
               low=lambda g, x, low: where(x < low, g, 0.0),
               method=False, node="ClampMinBackward1", only_tensors=("x",),
               refuses=("complex",),
               samples=binary())
clamp_high = op("clamp_high", lambda xp, x, high: xp.minimum(x, high),
                x=lambda g, x, high: where(x <= high, g, 0.0),
                high=lambda g, x, high: where(x > high, g, 0.0),
                method=False, node="ClampMaxBackward1", only_tensors=("x",),
                refuses=("complex",),
                samples=binary())
#: Where the bounds cross, the upper one is the result.
clamp_between = op("clamp_between", lambda xp, x, low, high: xp.minimum(xp.maximum(x, low), high),
                   x=lambda g, x, low, high: where((x >= low) & (x <= high), g, 0.0),
                   low=lambda g, x, low, high: where((low < high) & (x < low), g, 0.0),
                   high=lambda g, x, low, high: where((x > high) | (high < low), g, 0.0),
                   method=False, node="ClampBackward0",
                   refuses=("bool", "complex"),
                   samples=call(Arr((3, 4)), Arr((4,), -2, 0), Arr((3, 1), 0, 2)))
# fmt: on


def _fmod(xp: Any, a: Any, b: Any) -> Any:
    if from_native[a.dtype] is bool_:
        raise UnsupportedError("\"fmod_cpu\" not implemented for 'Bool'; use integers")
    rest = xp.remainder(xp.abs(a), xp.abs(divisor(a, b)))  # of like signs: exact
    if from_native[a.dtype].is_floating_point:
        return xp.copysign(rest, a)
    return xp.where(a < 0, -rest, rest) if from_native[a.dtype].is_signed else rest


def _ignoring_nan(xp: Any, function: Any, a: Any, b: Any) -> Any:
    if not from_native[a.dtype].is_floating_point:
        return function(a, b)
    return xp.where(xp.isnan(a), b, xp.where(xp.isnan(b), a, function(a, b)))


def _shifted(xp: Any, a: Any, b: Any, left: bool) -> Any:
    kind = from_native[a.dtype]
    if kind.name not in _BITS:
        name = "lshift" if left else "rshift"
        raise UnsupportedError(
            f'"{name}_cpu" not implemented for {kind.name!r}; shifts take integers'
        )
    bits = _BITS[kind.name]
    inside = (b >= 0) & (b < bits)
    if left:
        return xp.where(inside, xp.bitwise_left_shift(a, xp.where(inside, b, 0)), 0)
    shifted = xp.bitwise_right_shift(a, xp.where(inside, b, bits - 1))
    return shifted if kind.is_signed else xp.where(inside, shifted, 0)


def _gcd(xp: Any, a: Any, b: Any) -> Any:
    """Euclid's algorithm on all at once; the pairs that are done stand still."""
    a, b = xp.broadcast_arrays(xp.abs(a), xp.abs(b))
    while bool(xp.any(b != 0)):
        rest = xp.remainder(a, xp.where(b == 0, 1, b))
        a, b = xp.where(b == 0, a, b), xp.where(b == 0, 0, rest)
    return xp.asarray(a, copy=True)
