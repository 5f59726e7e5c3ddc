"""pointwise: functions value by value that are made of ops; PyTorch's signatures."""

from __future__ import annotations

import math
from typing import Any

from . import dtypes
from .align import NUMBERS
from .calls import as_operator
from .errors import ArgumentError, DtypeError
from .forms import inplace_composite
from .inplace import inplace_form
from .making import number
from .op import table
from .operators import declining
from .ops import arithmetic, elementary, elementwise, pairs, special
from .out import takes_out
from .refusals import BOOLEAN, refusing
from .tensor import Tensor


@refusing
def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Any = None) -> Tensor:
    """Values brought into ``[min, max]``, which are numbers or Tensors (``torch.clamp``).

    Where the bounds are Tensors they have gradients too. Raises without any bound.

    >>> import anadrome as ad
    >>> ad.clamp(ad.tensor([-1.0, 0.5, 3.0]), min=0, max=ad.tensor([1.0, 1.0, 2.0]))
    tensor([0.0000, 0.5000, 2.0000])
    """
    low, high = isinstance(min, Tensor), isinstance(max, Tensor)
    if min.__class__ not in _BOUNDS or max.__class__ not in _BOUNDS:
        min, max = _bound("min", min), _bound("max", max)
    if not (low or high):
        return arithmetic.clamp(input, min=min, max=max, out=out)
    if low and not high and max is not None:
        max = input.new_tensor(max, dtype=dtypes.promote_types(input.dtype, dtypes.of_python(max)))
    elif high and not low and min is not None:
        min = input.new_tensor(min, dtype=dtypes.promote_types(input.dtype, dtypes.of_python(min)))
    if max is None:
        return pairs.clamp_low(input, min, out=out)
    if min is None:
        return pairs.clamp_high(input, max, out=out)
    return pairs.clamp_between(input, min, max, out=out)


_BOUNDS = frozenset((type(None), Tensor, *NUMBERS))


def _bound(name: str, bound: Any) -> Any:
    """A bound of further classes: an array library's number, or a subclass of Tensor."""
    if bound is None or isinstance(bound, (Tensor, *NUMBERS)):
        return bound
    if not hasattr(bound, "dtype"):
        raise ArgumentError(
            f"clamp(): argument '{name}' must be Tensor or Number, not {type(bound).__name__}"
        )
    return bound if getattr(bound, "ndim", 0) else number(bound, name)


@refusing
def clamp_min(input: Tensor, min: Any, *, out: Any = None) -> Tensor:
    """Values below ``min`` raised to it (``torch.clamp_min``)."""
    return clamp(input, min=min, out=out)


@refusing
def clamp_max(input: Tensor, max: Any, *, out: Any = None) -> Tensor:
    """Values above ``max`` lowered to it (``torch.clamp_max``)."""
    return clamp(input, max=max, out=out)


@takes_out
def rsub(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """``other - alpha * input`` (``torch.rsub``)."""
    if input.dtype is dtypes.bool_ or getattr(other, "dtype", None) is dtypes.bool_:
        raise DtypeError(BOOLEAN["boolean subtract"])
    return arithmetic.sub(other, input if alpha == 1 else input * alpha)


@takes_out
def polygamma(n: int, input: Tensor) -> Tensor:
    """The n-th derivative of ``digamma`` (``torch.polygamma``).

    >>> import anadrome as ad
    >>> ad.polygamma(1, ad.tensor([1.0, 2.0]))
    tensor([1.6449, 0.6449])
    """
    return special.polygamma(input, n=n)


@takes_out
def float_power(input: Any, exponent: Any) -> Tensor:
    """``input ** exponent`` in double precision (``torch.float_power``)."""
    if isinstance(exponent, Tensor):
        exponent = exponent.to(_double(exponent))
    elif not isinstance(exponent, complex):
        exponent = float(exponent)
    if isinstance(input, Tensor):
        input = input.to(_double(input))
    elif not isinstance(input, complex):
        input = float(input)
    return arithmetic._pow(input, exponent)


def _double(x: Tensor) -> Any:
    return dtypes.complex128 if x.dtype.is_complex else dtypes.float64


@takes_out
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """``input * 2 ** other`` (``torch.ldexp``).

    Beside whole exponents the type is that of ``input``, which need not hold ``2 ** other``.
    """
    if not isinstance(input, Tensor):
        raise ArgumentError(
            f"ldexp(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    if not isinstance(other, Tensor) or other.dtype.category != dtypes.int64.category:
        return input * arithmetic._pow(2.0, other)
    given = (
        input.dtype if input.dtype.category > dtypes.int64.category else dtypes.get_default_dtype()
    )
    kind = dtypes.float32 if given.itemsize == 2 else given
    third = other // 3
    out = input.to(kind)
    for part in (third, third, other - 2 * third):
        out = out * arithmetic._pow(2.0, part.to(kind))
    return out.to(given)


@takes_out
def deg2rad(input: Tensor) -> Tensor:
    """Degrees to radians (``torch.deg2rad``)."""
    return input * (math.pi / 180)


@takes_out
def rad2deg(input: Tensor) -> Tensor:
    """Radians to degrees (``torch.rad2deg``)."""
    return input * (180 / math.pi)


@refusing
def positive(input: Tensor) -> Tensor:
    """``+input``: the Tensor itself (``torch.positive``); bool is refused."""
    if not isinstance(input, Tensor):
        raise ArgumentError(
            f"positive(): argument 'input' must be Tensor, not {type(input).__name__}"
        )
    if input.dtype is dtypes.bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@takes_out
def isposinf(input: Tensor) -> Tensor:
    """Where values are positive infinity (``torch.isposinf``)."""
    return _is(input, math.inf)


@takes_out
def isneginf(input: Tensor) -> Tensor:
    """Where values are negative infinity (``torch.isneginf``)."""
    return _is(input, -math.inf)


def _is(input: Tensor, value: float) -> Tensor:
    if input.dtype.is_complex:
        raise RuntimeError("isposinf and isneginf do not support complex inputs.")
    if not input.dtype.is_floating_point:
        return input.new_zeros(tuple(input.shape), dtype=dtypes.bool_)
    return arithmetic.eq(input, value)


@takes_out
def lcm(input: Tensor, other: Tensor) -> Tensor:
    """The least common multiple of integers (``torch.lcm``)."""
    common = pairs.gcd(input, other)
    return elementwise.abs(input // arithmetic.maximum(common, common.new_tensor(1)) * other)


#: PyTorch's second names.
ALIASES = {
    "__abs__": "abs", "__pos__": "positive", "clip": "clamp", "absolute": "abs",
    "negative": "neg", "arccos": "acos", "arcsin": "asin", "arctan": "atan",
    "arccosh": "acosh", "arcsinh": "asinh", "arctanh": "atanh", "arctan2": "atan2", "fix": "trunc",
    "multiply": "mul", "greater": "gt", "greater_equal": "ge", "less": "lt", "less_equal": "le",
    "not_equal": "ne",
}  # fmt: skip
#: Ops whose in-place forms PyTorch has and their declarations do not ask for.
_IN_PLACE = (
    "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor", "logical_not",
    "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "atan2", "nan_to_num", "sgn",
)  # fmt: skip


def _install() -> None:
    for name in ("clamp", "clamp_min", "clamp_max", "float_power", "ldexp", "deg2rad", "rad2deg",
                 "lcm"):  # fmt: skip
        setattr(Tensor, name, globals()[name])
        setattr(Tensor, name + "_", inplace_composite(globals()[name]))
    for name in ("positive", "isposinf", "isneginf", "rsub"):
        setattr(Tensor, name, globals()[name])
    for name in _IN_PLACE:
        if name in table and not hasattr(Tensor, name + "_"):
            setattr(Tensor, name + "_", inplace_form(table[name]))
    for alias, name in ALIASES.items():
        setattr(Tensor, alias, getattr(Tensor, name))
        if hasattr(Tensor, name + "_") and not alias.startswith("_"):
            setattr(Tensor, alias + "_", getattr(Tensor, name + "_"))
    setattr(Tensor, "pow_", inplace_composite(arithmetic._pow))  # noqa: B010
    _install_operators()


def _install_operators() -> None:
    shifts = {"lshift": pairs.bitwise_left_shift, "rshift": pairs.bitwise_right_shift}
    for name, function in shifts.items():
        form = as_operator(function)
        setattr(Tensor, f"__{name}__", form)
        setattr(Tensor, f"__r{name}__", arithmetic._reflected(form))
    for name, method in {
        "floordiv": "floor_divide_", "mod": "remainder_", "pow": "pow_", "and": "bitwise_and_",
        "or": "bitwise_or_", "xor": "bitwise_xor_", "lshift": "bitwise_left_shift_",
        "rshift": "bitwise_right_shift_",
    }.items():  # fmt: skip
        setattr(Tensor, f"__i{name}__", declining(getattr(Tensor, method)))


_install()

# Under their public names, for ``anadrome.namespace``.
clip = clamp
absolute, negative, fix = elementwise.abs, elementwise.neg, elementwise.trunc
arccos, arcsin, arctan = elementwise.acos, elementwise.asin, elementwise.atan
arccosh, arcsinh, arctanh = elementary.acosh, elementary.asinh, elementary.atanh
arctan2, greater, greater_equal = arithmetic.atan2, arithmetic.gt, arithmetic.ge
less, less_equal, not_equal = arithmetic.lt, arithmetic.le, arithmetic.ne
