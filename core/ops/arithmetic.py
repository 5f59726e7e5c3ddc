"""arithmetic: functions of two arrays, value by value. Each Python operator is exactly one op."""

from __future__ import annotations

import math
import numbers
from typing import Any

from ..backend import by_type
from ..calls import as_operator
from ..dtypes import bool_, float32, from_native, get_default_dtype
from ..errors import DomainError, DtypeError, UnsupportedError
from ..making import within_64_bits
from ..naming import was_tensor
from ..op import EQUAL, FLOAT, FULL, KEEP, MISSING, NONE, WIDEST, ZERO, op
from ..operators import declining
from ..out import takes_out
from ..refusals import BOOLEAN
from ..samples import Arr, Sample, binary, call
from ..tangents import transposing
from ..tensor import Tensor

LOG2 = math.log(2.0)

# fmt: off
add = op("add", lambda xp, a, b: a + b, a=lambda g: g, b=lambda g: g,
         samples=binary(), inplace=True, method=False)
sub = op("sub", lambda xp, a, b: a - b, a=lambda g: g, b=lambda g: -g,
         refuses={"any bool": BOOLEAN["boolean subtract"]}, inplace=True, method=False,
         samples=binary())
mul = op("mul", lambda xp, a, b: a * b, a=lambda g, b: g * b, b=lambda g, a: g * a,
         factors=("a", "b"), samples=binary(), inplace=True)
div = op("div", lambda xp, a, b: a / b, a=lambda g, b: g / b, b=lambda g, a, b: -g * (a / b / b),
         dtype=FLOAT, factors=("a", "b"), samples=binary(0.4, 2), inplace=True, method=False)
#: ``//``; PyTorch has no gradient of it, but one that is zero of ``div(rounding_mode=...)``.
floor_divide = op("floor_divide", lambda xp, a, b: xp.floor_divide(a, divisor(a, b)),
                  a=MISSING, b=MISSING, inplace=True,
                  refuses=("bool",), factors=("b",),
                  samples=call(Arr((4,), -9, 9, "int"), Arr((4,), 1, 4, "int")))
div_floor = op("div_floor", lambda xp, a, b: xp.floor_divide(a, divisor(a, b)), a=ZERO, b=ZERO,
               method=False, node="DivBackward2", refuses=("bool",), factors=("b",),
               samples=binary(1.1, 1.9))
div_trunc = op("div_trunc", lambda xp, a, b: _truncated(xp, a, b), a=ZERO, b=ZERO,
               method=False, node="DivBackward2", refuses=("bool",), factors=("b",),
               samples=binary(1.1, 1.9))
remainder = op("remainder", lambda xp, a, b: xp.remainder(a, divisor(a, b)),
               a=lambda g: g, b=lambda g, a, b: -g * div_floor(a, b),
               named=lambda b=None: f"RemainderBackward{int(b is not None)}",
               refuses=("bool",),
               samples=call(Arr((4,), 3.1, 3.9), Arr((4,), 1.1, 1.4)), inplace=True)
pow_tensor = op("pow_tensor", lambda xp, a, b: _raised(xp, a, b),
                a=lambda g, a, b: _base_rule(g, a, b),
                b=lambda g, a, b, out: _exponent_rule(g, a, b, out),
                named=lambda a: f"PowBackward{2 - was_tensor(a)}",
                amp=FULL, node="PowBackward1", method=False, samples=binary(0.4, 2))
pow_number = op("pow_number", lambda xp, x, *, exponent: _power(xp, x, exponent),
                x=lambda g, x, exponent: _power_rule(g, x, exponent),
                amp=FULL, node="PowBackward0", method=False,
                samples=[Sample((Arr((3, 4), 0.4, 2),), {"exponent": e})
                         for e in (2, 3, 0.5, -1, 0, 1.7)])
maximum = op("maximum", lambda xp, a, b: xp.maximum(a, b),
             a=lambda g, a, b: where(a == b, g * 0.5, where(a < b, 0.0, g)),
             b=lambda g, a, b: where(a == b, g * 0.5, where(b < a, 0.0, g)),
             only_tensors=("a", "b"),
             refuses={"complex": "maximum not implemented for complex tensors"},
             samples=binary())
minimum = op("minimum", lambda xp, a, b: xp.minimum(a, b),
             a=lambda g, a, b: where(a == b, g * 0.5, where(a > b, 0.0, g)),
             b=lambda g, a, b: where(a == b, g * 0.5, where(b > a, 0.0, g)),
             only_tensors=("a", "b"),
             refuses={"complex": "minimum not implemented for complex tensors"},
             samples=binary())
atan2 = op("atan2", lambda xp, a, b: xp.atan2(a, b),
           a=lambda g, a, b: g * b * reciprocal(_squares(a, b)),
           b=lambda g, a, b: -a * g * reciprocal(_squares(a, b)),
           dtype=FLOAT, amp=WIDEST, only_tensors=("a", "b"),
           samples=binary(0.3, 2))
logaddexp = op("logaddexp", lambda xp, a, b: log_of_sum(xp, a, b),
               a=lambda g, a, b: g * sigmoid(a - b), b=lambda g, a, b: g * sigmoid(b - a),
               dtype=FLOAT, only_tensors=("a", "b"), refuses=("bool", "int"),
               samples=binary())
#: Of halves it is computed in float32, and rounded once, as all that is declared.
logaddexp2 = op("logaddexp2", lambda xp, a, b: log_of_sum(xp, a * LOG2, b * LOG2) / LOG2,
                a=lambda g, a, b: g * sigmoid((a - b) * LOG2),
                b=lambda g, a, b: g * sigmoid((b - a) * LOG2),
                dtype=FLOAT, only_tensors=("a", "b"), refuses=("bool", "int"),
                samples=binary())
where = op("where", lambda xp, condition, a, b: xp.where(condition, *alike(xp, a, b)),
           condition=NONE, a=lambda g, condition: where(condition, g, 0.0),
           b=lambda g, condition: where(condition, 0.0, g),
           dtype=KEEP, method=False,
           samples=call(Arr((3, 4), kind="bool"), Arr((3, 4)), Arr((4,)))
           + call(Arr((4,), kind="bool"), Arr(()), Arr((3, 1))))
clamp = op("clamp", lambda xp, x, *, min=None, max=None: _clamped(xp, x, min, max),
           x=lambda g, x, min, max: _inside(g, x, min, max), inplace=True, node="ClampBackward1",
           refuses={"complex": "clamp is not supported for complex types"},
           samples=[Sample((Arr((3, 4)),), kw)
                    for kw in ({"min": -1.0}, {"max": 0.5}, {"min": -1.0, "max": 1.0})])
lerp = op("lerp", lambda xp, input, end, weight: _between(xp, input, end, weight), dtype=EQUAL,
          only_tensors=("input", "end"), factors=("weight",),
          input=lambda g, weight: g * (1.0 - weight), end=lambda g, weight: g * weight,
          weight=lambda g, input, end: g * (end - input), inplace=True,
          named=lambda weight=True: f"LerpBackward{int(was_tensor(weight))}",
          samples=call(Arr((3, 4)), Arr((3, 4)), Arr((3, 4), 0, 1))
          + call(Arr((3, 4)), Arr((4,)), 0.25))
addcmul = op("addcmul", lambda xp, input, tensor1, tensor2, *, value=1:
                 input + tensor1 * tensor2 * factor(input, value),
             input=lambda g: g, tensor1=lambda g, tensor2, value: g * (tensor2 * value),
             tensor2=lambda g, tensor1, value: g * (tensor1 * value),
             amp=WIDEST, inplace=True,
             only_tensors=("input", "tensor1", "tensor2"), refuses=("bool",),
             samples=call(Arr((3, 4)), Arr((3, 4)), Arr((4,)), value=0.5))
addcdiv = op("addcdiv", lambda xp, input, tensor1, tensor2, *, value=1:
                 input + _quotient(tensor1, tensor2) * plain(value),
             input=lambda g: g, tensor1=lambda g, tensor2, value: g * (value / tensor2),
             tensor2=lambda g, tensor1, tensor2, value:
                 -g * (tensor1 * value / (tensor2 * tensor2)),
             amp=WIDEST, inplace=True,
             only_tensors=("input", "tensor1", "tensor2"),
             samples=call(Arr((3, 4)), Arr((3, 4)), Arr((4,), 0.5, 2), value=0.5))

eq = op("eq", lambda xp, a, b: a == b, a=NONE, b=NONE, only_tensors=("a",), float8=True,
        samples=binary())
ne = op("ne", lambda xp, a, b: a != b, a=NONE, b=NONE, only_tensors=("a",), float8=True,
        samples=binary())
lt = op("lt", lambda xp, a, b: a < b, a=NONE, b=NONE, only_tensors=("a",), refuses=("complex",),
        samples=binary())
le = op("le", lambda xp, a, b: a <= b, a=NONE, b=NONE, only_tensors=("a",), refuses=("complex",),
        samples=binary())
gt = op("gt", lambda xp, a, b: a > b, a=NONE, b=NONE, only_tensors=("a",), refuses=("complex",),
        samples=binary())
ge = op("ge", lambda xp, a, b: a >= b, a=NONE, b=NONE, only_tensors=("a",), refuses=("complex",),
        samples=binary())
logical_and = op("logical_and", lambda xp, a, b: xp.logical_and(_truth(xp, a), _truth(xp, b)),
                 a=NONE, b=NONE, only_tensors=("a", "b"),
                 samples=binary())
logical_or = op("logical_or", lambda xp, a, b: xp.logical_or(_truth(xp, a), _truth(xp, b)),
                a=NONE, b=NONE, only_tensors=("a", "b"),
                samples=binary())
logical_xor = op("logical_xor", lambda xp, a, b: xp.logical_xor(_truth(xp, a), _truth(xp, b)),
                 a=NONE, b=NONE, only_tensors=("a", "b"),
                 samples=binary())
bitwise_and = op("bitwise_and", lambda xp, a, b: a & b, a=NONE, b=NONE,
                 samples=call(Arr((4,), kind="bool"), Arr((4,), kind="bool")))
bitwise_or = op("bitwise_or", lambda xp, a, b: a | b, a=NONE, b=NONE,
                samples=call(Arr((4,), kind="bool"), Arr((4,), kind="bool")))
bitwise_xor = op("bitwise_xor", lambda xp, a, b: a ^ b, a=NONE, b=NONE,
                 samples=call(Arr((4,), kind="bool"), Arr((4,), kind="bool")))
bitwise_not = op("bitwise_not", lambda xp, x: ~x, x=NONE,
                 samples=call(Arr((4,), kind="bool")))
# fmt: on


def divisor(a: Any, b: Any) -> Any:
    """``b``, after the check that no integer of ``a`` is divided by zero."""
    native = getattr(b, "dtype", None)
    nothing = 0 in getattr(a, "shape", ())
    if native is not None and not nothing and from_native[native].category < float32.category:
        by_type[b.__class__].require(
            b != 0, lambda: DomainError("ZeroDivisionError: an integer was divided by zero")
        )
    return b


def _squares(a: Any, b: Any) -> Any:
    """The square of the distance from the origin; one at the origin, where atan2 has no slope."""
    total = a * a + b * b
    return where(total == 0.0, 1.0, total)


def _truncated(xp: Any, a: Any, b: Any) -> Any:
    if from_native[a.dtype].category >= float32.category:
        return xp.trunc(a / b)
    whole = xp.floor_divide(a, divisor(a, b))
    short = (xp.remainder(a, b) != 0) & ((a < 0) != (b < 0))
    return xp.where(short, whole + 1, whole)


def _quotient(a: Any, b: Any) -> Any:
    if from_native[a.dtype].category < float32.category:
        raise DtypeError(
            "Integer division with addcdiv is no longer supported; write "
            "`input + value * (tensor1 / tensor2)`, or use floats"
        )
    return a / b


def _between(xp: Any, start: Any, end: Any, weight: Any) -> Any:
    if from_native[start.dtype].category < float32.category:
        raise UnsupportedError(f"lerp is not implemented for {from_native[start.dtype].name}")
    way = end - start
    # From the nearer end, so that a weight of one gives `end` exactly.
    return xp.where(xp.abs(weight) < 0.5, start + weight * way, end - way * (1.0 - weight))


def _raised(xp: Any, a: Any, b: Any) -> Any:
    kind = from_native[a.dtype]
    if kind.category >= float32.category:
        return xp.pow(a, b)
    if kind is bool_:
        return a | ~b
    # Integers: 1 / a**n is zero but for a = 1 and -1, where its sign is that of the even power.
    one = (b < 0) & ((a == 1) | ((a == -1) & (b % 2 == 0)))
    minus = (b < 0) & (a == -1) & (b % 2 != 0)
    out = xp.pow(a, xp.where(b < 0, 0, b)) * xp.where(b < 0, xp.zeros_like(b), xp.ones_like(b))
    return out + xp.astype(one, a.dtype) - xp.astype(minus, a.dtype)


def _base_rule(g: Any, a: Any, b: Any) -> Any:
    still = b == 0.0
    if transposing():  # a tangent's zero would meet the infinite power of zero
        a = where(still, 1.0, a)
    return where(still, 0.0, g * (b * pow_tensor(a, b - 1.0)))


def _exponent_rule(g: Any, a: Any, b: Any, out: Any) -> Any:
    still = (a == 0.0) & (b >= 0.0) if _ordered(b) else a == 0.0
    return g * where(still, 0.0, out * log(where(still, 1.0, a)))


def _ordered(x: Any) -> bool:
    kind = x.dtype
    return not (kind if hasattr(kind, "is_complex") else from_native[kind]).is_complex


def _truth(xp: Any, x: Any) -> Any:
    return xp.astype(x, xp.bool) if hasattr(x, "dtype") else xp.asarray(bool(x))


def alike(xp: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """A Python number beside an array, as an array of its type."""
    if not hasattr(a, "dtype"):
        return xp.asarray(within_64_bits(a, from_native[b.dtype]), dtype=b.dtype), b
    if not hasattr(b, "dtype"):
        b = xp.asarray(within_64_bits(b, from_native[a.dtype]), dtype=a.dtype)
    return a, b


def as_float(xp: Any, x: Any, *numbers: Any) -> Any:
    """Integers beside a float become the default floating type, as PyTorch's do."""
    from ..align import cast

    if from_native[x.dtype].category < float32.category:
        if any(isinstance(n, float) for n in numbers):
            return cast(x, get_default_dtype())
    return x


def _clamped(xp: Any, x: Any, low: Any, high: Any) -> Any:
    if low is None and high is None:
        raise ValueError("At least one of 'min' or 'max' must not be None")
    low, high = plain(low), plain(high)
    return xp.clip(as_float(xp, x, low, high), low, high)


def zeros(g: Any) -> Any:
    """The gradient of what does not change, also where ``g`` is infinite or NaN."""
    return where((g == g) | (g != g), 0.0, g)


def plain(value: Any) -> Any:
    """One of NumPy's numbers as Python's, beside which an array keeps its type."""
    if value.__class__ is float or value.__class__ is int or not isinstance(value, numbers.Number):
        return value
    return value.item() if hasattr(value, "item") else value


def factor(x: Any, value: Any) -> Any:
    """A number to multiply ``x`` by; beside integers it must be whole."""
    value = plain(value)
    if isinstance(value, float) and from_native[x.dtype].category < float32.category:
        if not value.is_integer():
            raise TypeError(f"beside integers, the factor must be an integer, not {value}")
        return int(value)
    return value


def _power(xp: Any, x: Any, exponent: float) -> Any:
    x = as_float(xp, x, exponent)
    if from_native[x.dtype] is bool_:
        if isinstance(exponent, bool):
            return x | (not exponent)
        x = xp.astype(x, xp.int64)
    if exponent < 0 and from_native[x.dtype].category < float32.category:
        raise TypeError("Integers to negative integer powers are not allowed.")
    if exponent == 2:
        return x * x
    if exponent == 0.5:
        return xp.sqrt(x)
    if exponent == -0.5 and not from_native[x.dtype].is_complex:
        # One over the root at the corners, as PyTorch's; else the bits that `**` gives of arrays.
        corner = (x == 0) | (x == -math.inf)
        return xp.where(corner, 1.0 / xp.sqrt(x), x**exponent)
    return x**exponent


def _power_rule(g: Any, x: Any, exponent: float) -> Any:
    if exponent == 0:
        return zeros(g)
    if exponent == 2:
        return g * x * 2.0
    return g * (pow_number(x, exponent=exponent - 1) * float(exponent))


def log_of_sum(xp: Any, a: Any, b: Any) -> Any:
    """``log(exp(a) + exp(b))``, of complex values too, which array libraries have not."""
    if not from_native[a.dtype].is_complex:
        return xp.logaddexp(a, b)
    first = xp.real(a) >= xp.real(b)
    top, low = xp.where(first, a, b), xp.where(first, b, a)
    out = top + xp.log1p(xp.exp(low - top))
    return xp.where(xp.real(top) == -math.inf, top, out)  # both are the logarithm of zero


def _inside(g: Any, x: Any, low: Any, high: Any) -> Any:
    if low is not None:
        g = where(x >= low, g, 0.0)
    if high is not None:
        g = where(x <= high, g, 0.0)
    return g


@takes_out
def _pow(input: Any, exponent: Any) -> Any:
    """``input ** exponent`` (PyTorch: ``torch.pow``); either may be a number."""
    out = pow(input, exponent)
    return out if out is not NotImplemented else pow_tensor(input, exponent)  # which raises


_power_of_tensors = as_operator(pow_tensor)


def pow(a: Any, exponent: Any) -> Any:
    """The operator ``**``."""
    if isinstance(exponent, (int, float)) and hasattr(a, "dtype"):
        return pow_number(a, exponent=exponent)
    if not isinstance(exponent, Tensor) and hasattr(exponent, "is_integer"):
        if hasattr(exponent, "item") and hasattr(a, "dtype"):  # a number of NumPy's, no fraction
            return pow_number(a, exponent=exponent.item())
    return _power_of_tensors(a, exponent)


def _install_operators() -> None:
    forward = {
        "add": add,
        "sub": sub,
        "mul": mul,
        "truediv": div,
        "floordiv": floor_divide,
        "mod": remainder,
        "pow": pow,
        "and": bitwise_and,
        "or": bitwise_or,
        "xor": bitwise_xor,
    }
    for name, function in forward.items():
        function = function if function is pow else as_operator(function)
        setattr(Tensor, f"__{name}__", function)
        # What commutes has the Tensor first, as in PyTorch.
        turned = function if name in ("add", "mul") else _reflected(function)
        setattr(Tensor, f"__r{name}__", turned)
    for name, function in {"add": add, "sub": sub, "mul": mul, "truediv": div}.items():
        op_name = function.op.name
        setattr(Tensor, f"__i{name}__", declining(getattr(Tensor, op_name + "_")))
    for name, function in {"eq": eq, "ne": ne, "lt": lt, "le": le, "gt": gt, "ge": ge}.items():
        setattr(Tensor, f"__{name}__", as_operator(function))
    Tensor.__invert__ = bitwise_not
    Tensor.pow = _pow


def _reflected(function: Any) -> Any:
    def reflected(self: Tensor, other: Any) -> Any:
        return function(other, self)

    return reflected


_install_operators()

# At the end: elementwise functions are needed by rules above, and need `where` from here.
from .activation import sigmoid
from .elementwise import log, neg, reciprocal

Tensor.__neg__ = neg
