"""mathematics: exp and erfc of float32, as arithmetic that the compiler can vectorise.

The C library's are called a value at a time, which costs ten times as much. The polynomials are
least-squares fits at Chebyshev nodes.

Numba looks at the file of a loop alone when it asks whether a compiled one is out of date: after a
change here, delete the ``*.nbi`` beside the loops.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

#: NaN and infinities are what they are; sums may be reordered, and products fused with them.
FAST = {"reassoc", "contract", "arcp", "nsz"}

f32 = np.float32
_LOG2_E = f32(1.44269504)
_LN2_HIGH, _LN2_LOW = f32(0.693359375), f32(-2.12194440e-4)
_LOWEST, _HIGHEST = f32(-87.3), f32(88.7)
_ZERO, _ONE, _HALF, _TWO = f32(0), f32(1), f32(0.5), f32(2)
_INFINITE = f32(np.inf)
_ROOT_HALF = f32(0.70710678)
_DENSITY = f32(0.39894228)
#: exp(r) for r up to half of log(2) either way.
_E0, _E1, _E2, _E3, _E4, _E5, _E6 = (
    f32(c) for c in (1.0, 1.00000004, 0.5, 0.166664054, 0.0416662003, 0.00837596122, 0.00139497692)
)
#: erf(t) / t in t * t, for t up to 1.
_F0, _F1, _F2, _F3, _F4, _F5, _F6 = (
    f32(c)
    for c in (
        1.12837911, -0.37612626, 0.112835974, -0.0268543288, 0.00518931216, -0.00080188555,
        7.8824974e-05,
    )
)  # fmt: skip
#: The logarithm of erfc(t), for t from 1 to 6.5, where it is 4e-20.
_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9 = (
    f32(c)
    for c in (
        -6.24957395e-06, -1.12910196, -0.633408013, -0.10895144, 0.026011678, -0.00471462149,
        0.000616343322, -5.4310582e-05, 2.86928802e-06, -6.83599598e-08,
    )
)  # fmt: skip
_FARTHEST = f32(6.5)


def compiled(function: Any) -> Any:
    """Compiled when first called, kept on disk, and run without the interpreter's lock."""
    return numba.njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")(function)


def inlined(function: Any) -> Any:
    """A part of compiled loops."""
    return numba.njit(inline="always", fastmath=FAST, error_model="numpy")(function)


@intrinsic
def _float_of_bits(context: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@inlined
def exp(x):
    """The exponential function: a power of two times a polynomial."""
    y = x if x > _LOWEST else _LOWEST
    y = y if y < _HIGHEST else _HIGHEST
    n = np.floor(y * _LOG2_E + _HALF)
    r = (y - n * _LN2_HIGH) - n * _LN2_LOW
    p = _E6 * r + _E5
    p = p * r + _E4
    p = p * r + _E3
    p = p * r + _E2
    p = p * r + _E1
    p = p * r + _E0
    # 2 to the 128 is no float32: half of it, twice.
    power = _float_of_bits(np.int32((np.int32(n) + np.int32(126)) << np.int32(23)))
    out = p * power * _TWO
    out = out if x >= _LOWEST else _ZERO
    out = out if x <= _HIGHEST else _INFINITE
    return out if x == x else x


@inlined
def normal(x):
    """The distribution function of the normal distribution: half of erfc(-x / sqrt(2))."""
    a = x * _ROOT_HALF
    t = a if a > _ZERO else -a
    s = t * t
    near = _F6 * s + _F5
    near = near * s + _F4
    near = near * s + _F3
    near = near * s + _F2
    near = near * s + _F1
    near = near * s + _F0
    beyond = t >= _FARTHEST
    t = _FARTHEST if beyond else t
    far = _C9 * t + _C8
    far = far * t + _C7
    far = far * t + _C6
    far = far * t + _C5
    far = far * t + _C4
    far = far * t + _C3
    far = far * t + _C2
    far = far * t + _C1
    far = far * t + _C0
    tail = _ZERO if beyond else _HALF * exp(far)
    outside = _ONE - tail if a > _ZERO else tail
    inside = _HALF + _HALF * a * near
    out = inside if s < _ONE else outside
    return out if x == x else x


@inlined
def density(x):
    """The density of the normal distribution."""
    return exp(x * x * -_HALF) * _DENSITY
