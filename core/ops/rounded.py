"""rounded: in half precision, rules of which PyTorch's formula rounds otherwise than ours.

Only for backends that play rules over half precision op by op (``core/halves.py``).
"""

from __future__ import annotations

from typing import Any

from ..dtypes import float32
from ..halves import in_halves, wide
from .activation import logsigmoid
from .arithmetic import addcdiv, div, logaddexp, logaddexp2, pow_number, where
from .elementary import exp2
from .elementwise import abs, exp, reciprocal, rsqrt
from .norms import norm2
from .reduce import spread

in_halves(rsqrt, x=lambda g, out: g * -0.5 * pow_number(out, exponent=3))
in_halves(norm2, x=lambda g, x, out, dim, keepdim: _norm2(g, x, out, dim, keepdim))
in_halves(
    logaddexp,
    a=lambda g, a, b: g / (exp(b - a) + 1.0),
    b=lambda g, a, b: g / (exp(a - b) + 1.0),
)
in_halves(
    logaddexp2,
    a=lambda g, a, b: g / (exp2(b - a) + 1.0),
    b=lambda g, a, b: g / (exp2(a - b) + 1.0),
)
in_halves(
    addcdiv,
    tensor1=lambda g, tensor2, value: g * (tensor2.new_full(tensor2.shape, value) / tensor2),
)
in_halves(div, b=lambda g, a, b: _divisor(g, a, b))
in_halves(logsigmoid, x=lambda g, x: _logsigmoid(g, x))


def _norm2(g: Any, x: Any, out: Any, dim: Any, keepdim: bool) -> Any:
    size = spread(where(out == 0.0, 1.0, out), x.shape, dim, keepdim)
    return spread(g, x.shape, dim, keepdim) * (x / size)


def _divisor(g: Any, a: Any, b: Any) -> Any:
    if getattr(a, "dtype", float32) is not float32:
        return -g * (a / b / b)
    inverse = reciprocal(b)  # PyTorch divides a number so
    return -(g * a) * (inverse * inverse)


def _logsigmoid(g: Any, x: Any) -> Any:
    """The exponential is kept in half precision by the forward; all else is one kernel."""
    power = wide(exp(-abs(x)))
    share = power / (power + 1.0)
    return wide(g) * where(x < 0.0, 1.0 - share, share)
