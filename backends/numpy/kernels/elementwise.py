"""elementwise: ops that are one ufunc."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..parallel import divided
from .common import BLAS, declared

_UFUNCS = {
    "abs": np.absolute,
    "neg": np.negative,
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "log2": np.log2,
    "log10": np.log10,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "exp2": np.exp2,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "hypot": np.hypot,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}


def _negative(x: Any, *, out: Any) -> Any:
    """NumPy 2.4 gives other values from strides of four elements to strides."""
    if out.flags.forc:
        return np.negative(x, out=out)
    out[...] = np.negative(x)
    return out


_NUMBERS = (int, float)


def pow_number(x: Any, *, exponent: float) -> Any:
    """A power; squares, cubes and roots are what they are.

    NumPy takes a hundred times as long for a base below zero; a whole power is that of its size.
    """
    if x.dtype not in BLAS:
        return declared("pow_number")(x, exponent=exponent)
    if exponent == 2:
        return np.multiply(x, x)
    if exponent == 3:
        return np.multiply(np.multiply(x, x), x)
    if exponent == -0.5:
        corner = (x == 0) | (x == -math.inf)
        return np.where(corner, 1 / np.sqrt(x), np.power(x, exponent))
    if exponent == 0.5:
        return np.sqrt(x)
    if not float(exponent).is_integer():
        return np.power(x, exponent)
    out = np.power(np.abs(x), exponent)
    return np.copysign(out, x) if float(exponent) % 2 else out  # 2**63 - 1 is even there


def clamp(x: Any, *, min: Any = None, max: Any = None) -> Any:
    """Bounds by two ufuncs where the Python around NumPy's ``clip`` costs more than they do."""
    if x.size > 4096 or x.dtype not in BLAS:
        return declared("clamp")(x, min=min, max=max)
    if min.__class__ in _NUMBERS and (max is None or max.__class__ in _NUMBERS):
        out = np.maximum(x, min)
        return out if max is None else np.minimum(out, max)
    if min is None and max.__class__ in _NUMBERS:
        return np.minimum(x, max)
    return declared("clamp")(x, min=min, max=max)


def square(x: Any) -> Any:
    """A product; of booleans the declaration knows."""
    return np.multiply(x, x) if x.dtype in BLAS else declared("square")(x)


#: The slow ones gain from several cores; the others are called without a Python frame in between.
KERNELS: dict[str, Callable[..., Any]] = {
    **_UFUNCS,
    **{name: divided(_UFUNCS[name]) for name in ("exp", "log", "tanh")},
}
KERNELS["pow_number"] = pow_number
KERNELS["square"] = square
KERNELS["clamp"] = clamp
#: Those that may write into their first operand, for in-place forms without a graph.
OUT_KERNELS: dict[str, Callable[..., Any]] = {
    **{name: _UFUNCS[name] for name in ("add", "sub", "mul", "div", "exp", "sqrt")},
    "neg": _negative,
}
