"""mathematics: exp, tanh and their kin in float32, as arithmetic that the compiler can vectorise.

The C library's are called a value at a time, which costs ten times as much. The polynomial of exp
is a least-squares fit at Chebyshev nodes; the rational functions are minimax fits.

Numba looks at the file of a loop alone when it asks whether a compiled one is out of date: after a
change here, delete the ``*.nbi`` beside the loops.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import numba
import numpy as np
from llvmlite import binding, ir
from numba.core import types
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

#: NaN and infinities are what they are; sums may be reordered, and products fused with them.
FAST = {"reassoc", "contract", "arcp", "nsz"}

_HOST = binding.get_host_cpu_name()
#: Those whose cores do not slow down for vectors of 512 bits.
_WIDE = {
    "icelake-server", "sapphirerapids", "emeraldrapids", "graniterapids", "graniterapids-d",
    "znver4", "znver5",
}  # fmt: skip

f32 = np.float32
_LOG2_E = f32(1.44269504)
_LN2_HIGH, _LN2_LOW = f32(0.693359375), f32(-2.12194440e-4)
_LOWEST, _HIGHEST = f32(-87.3), f32(88.7)
_ZERO, _ONE, _HALF, _TWO = f32(0), f32(1), f32(0.5), f32(2)
_INFINITE = f32(np.inf)
#: exp(r) for r up to half of log(2) either way.
_E0, _E1, _E2, _E3, _E4, _E5, _E6 = (
    f32(c) for c in (1.0, 1.00000004, 0.5, 0.166664054, 0.0416662003, 0.00837596122, 0.00139497692)
)
#: Odd functions that level off, as ``x P(x * x) / Q(x * x)`` with x clamped: tanh (Eigen's), the
#: normal distribution function less one half, the derivative of GELU less one half. From the
#: highest power, Q monic but for tanh.
_T = tuple(
    f32(c)
    for c in (
        -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
        1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
        1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03,
        7.90531110763549805,
    )
)  # fmt: skip
_N = tuple(
    f32(c)
    for c in (
        0.01888207346200943, 5.344385623931885, 144.07530212402344, 3947.124755859375,
        28694.40625, 335630.875,
        62.54376983642578, 1596.970703125, 24219.830078125, 212142.484375, 841301.9375,
        5.550000190734863,
    )
)  # fmt: skip
_S = tuple(
    f32(c)
    for c in (
        0.021550046280026436, 4.016444206237793, 2.150007963180542, 1589.621826171875,
        -3462.334228515625, 89129.9921875,
        21.452604293823242, 393.5535583496094, 4577.85205078125, 32897.44921875, 111707.765625,
        5.8000006675720215,
    )
)  # fmt: skip


# A child that is forked while a thread compiles would wait for that thread, which it has not got.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


def compiled(function: Any) -> Any:
    """Compiled when first called, kept on disk, and run without the interpreter's lock."""
    return numba.njit(nogil=True, cache=True, fastmath=FAST, error_model="numpy")(function)


def compiled_for(*kinds: Any) -> Any:
    """The same for one set of types, to which what Python gives is converted: arrays of all layouts
    share what was compiled."""

    def compiling(function: Any) -> Any:
        dispatcher = compiled(function)

        def first(*arguments: Any) -> Any:
            dispatcher.compile(kinds)
            dispatcher.disable_compile()
            function.__globals__[function.__name__] = dispatcher  # where the next call finds it
            return dispatcher(*arguments)

        return functools.wraps(function)(first)

    return compiling


def inlined(function: Any) -> Any:
    """A part of compiled loops."""
    return numba.njit(inline="always", fastmath=FAST, error_model="numpy")(function)


@intrinsic
def wide(context: Any) -> Any:
    """Said in a loop of much arithmetic: its vectors are of 512 bits, where the CPU has them.

    The compiler prefers 256 for all CPUs, because the first ones with 512 ran slower for it.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        attributes = builder.function.attributes
        if _HOST in _WIDE and isinstance(attributes, set):
            # llvmlite's own ``add`` knows only attributes without a value.
            set.add(attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), generate


@intrinsic
def _float_of_bits(context: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


@intrinsic
def _bits_of_float(context: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(32))

    return types.int32(types.float32), generate


@inlined
def _clamped(x, limit):
    """Within ±limit; NaN is the lower one."""
    y = x if x > -limit else -limit
    return y if y < limit else limit


@inlined
def _exp(y):
    """Of what is in range: a power of two times a polynomial."""
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
    return p * power * _TWO


@inlined
def exp(x):
    out = _exp(_clamped(x, _HIGHEST))
    out = out if x >= _LOWEST else _ZERO
    out = out if x <= _HIGHEST else _INFINITE
    return out if x == x else x


@inlined
def exp_of_negative(x):
    """Of what is not above zero; in less time."""
    out = _exp(x if x > _LOWEST else _LOWEST)
    out = out if x >= _LOWEST else _ZERO
    return out if x == x else x


@inlined
def sigmoid(x):
    return _ONE / (_ONE + exp(-x))


@inlined
def tanh(x):
    y = _clamped(x, _T[11])
    s = y * y
    p = _T[0] * s + _T[1]
    p = p * s + _T[2]
    p = p * s + _T[3]
    p = p * s + _T[4]
    p = p * s + _T[5]
    p = p * s + _T[6]
    q = _T[7] * s + _T[8]
    q = q * s + _T[9]
    q = q * s + _T[10]
    out = y * p / q
    return out if x == x else x


@inlined
def _odd(x, c):
    """The functions whose coefficients are laid out as those of ``normal`` are."""
    y = _clamped(x, c[11])
    s = y * y
    p = c[0] * s + c[1]
    p = p * s + c[2]
    p = p * s + c[3]
    p = p * s + c[4]
    p = p * s + c[5]
    q = s + c[6]
    q = q * s + c[7]
    q = q * s + c[8]
    q = q * s + c[9]
    q = q * s + c[10]
    out = y * p / q
    return out if x == x else x


@inlined
def normal(x):
    """The distribution function of the normal distribution."""
    return _HALF + _odd(x, _N)


@inlined
def gelu_slope(x):
    """The derivative of GELU."""
    return _HALF + _odd(x, _S)


@inlined
def rank(x):
    """A number of the same order as ``x``, for a search that the compiler can vectorise.

    A positive NaN is above infinity, a negative one below all.
    """
    bits = _bits_of_float(x)
    return bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF))


@inlined
def of_rank(bits):
    """The value of that rank."""
    return _float_of_bits(np.int32(bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF))))
