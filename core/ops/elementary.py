"""elementary: further functions of one array, value by value."""

from __future__ import annotations

import math
from typing import Any

from ..dtypes import from_native
from ..errors import UnsupportedError
from ..op import FLOAT, FULL, NONE, op
from ..samples import unary

# fmt: off
asinh = op("asinh", lambda xp, x: xp.asinh(x), x=lambda g, x: g * rsqrt(x * x + 1.0),
           dtype=FLOAT, amp=FULL, samples=unary(), inplace=True)
acosh = op("acosh", lambda xp, x: xp.acosh(x), x=lambda g, x: g * _acosh_slope(x),
           dtype=FLOAT, amp=FULL, samples=unary(1.2, 3), inplace=True)
atanh = op("atanh", lambda xp, x: xp.atanh(x), x=lambda g, x: g / (1.0 - x * x),
           dtype=FLOAT, amp=FULL, samples=unary(-0.8, 0.8), inplace=True)
exp2 = op("exp2", lambda xp, x: xp.pow(xp.asarray(2.0, dtype=x.dtype), x),
          x=lambda g, out: g * out * math.log(2), dtype=FLOAT, samples=unary(), inplace=True)
frac = op("frac", lambda xp, x: _frac(xp, x), x=lambda g: g, samples=unary(0.1, 0.9), inplace=True)
signbit = op("signbit", lambda xp, x: _signbit(xp, x), x=NONE, samples=unary())
# fmt: on


def _acosh_slope(x: Any) -> Any:
    """1 / √(x² - 1); of complex values 1 / (√(x - 1) √(x + 1)), on whose sheet acosh is."""
    return rsqrt(x - 1.0) * rsqrt(x + 1.0) if is_complex(x) else rsqrt(x * x - 1.0)


def _frac(xp: Any, x: Any) -> Any:
    kind = from_native[x.dtype]
    if not kind.is_floating_point:
        raise UnsupportedError(f'"frac_cpu" not implemented for {kind.name!r}; it takes floats')
    return x - xp.trunc(x)


def _signbit(xp: Any, x: Any) -> Any:
    kind = from_native[x.dtype]
    if kind.is_floating_point:
        return xp.signbit(x)
    return x < 0 if kind.is_signed else xp.zeros(x.shape, dtype=xp.bool)


# At the end: rules use it.
from .complex import is_complex
from .elementwise import rsqrt
