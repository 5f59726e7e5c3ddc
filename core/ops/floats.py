"""floats: numbers by their representation: the next one, and mantissa and exponent."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..forms import inplace_composite
from ..op import FLOAT, KEEP, ZERO, op
from ..out import takes_out
from ..returned import returned
from ..samples import unary
from ..tensor import Tensor
from .arithmetic import where

# fmt: off
#: KEEP: in a wider type it would be another number that is next.
nextafter_op = op("nextafter", lambda xp, a, b: xp.nextafter(a, b),
                  a=lambda g, a, b: where(a == b, 0.0, g), b=ZERO, dtype=KEEP, method=False,
                  refuses=("bool", "int", "complex"))
frexp_op = op("frexp", lambda xp, x: _parts(xp, x), x=lambda g, x: g[0] * frexp_slope(x),
              outputs=("mantissa", "exponent"), differentiable=1,
              dtype=FLOAT, refuses=("complex",), method=False, samples=unary(0.1, 5))
frexp_slope = op("frexp_slope", lambda xp, x: _slope(xp, x), x=ZERO,
                 dtype=FLOAT, method=False, samples=unary(0.1, 5))
# fmt: on


def _slope(xp: Any, x: Any) -> Any:
    """The power of two that ``x`` was divided by, the other way up."""
    return 2.0 ** -xp.astype(_parts(xp, x)[1], x.dtype)


@takes_out
def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The number of the type that comes next after ``input``, toward ``other``.

    (PyTorch: ``torch.nextafter``.)

    >>> import anadrome as ad
    >>> (ad.nextafter(ad.tensor(1.0), ad.tensor(2.0)) - 1).item() == ad.finfo(ad.float32).eps
    True
    """
    kind = dtypes.result_type([(t.dtype, 2 if t.ndim else 1) for t in (input, other)])
    if not kind.is_floating_point:
        raise RuntimeError(
            f"nextafter: expected Tensors of a floating-point type, but got {kind.name}"
        )
    return nextafter_op(input.to(kind), other.to(kind))


Frexp = returned("frexp", "mantissa", "exponent")


def _parts(xp: Any, x: Any) -> tuple[Any, Any]:
    """``x`` as mantissa in [0.5, 1) times a power of two."""
    plain = xp.isfinite(x) & (x != 0.0)
    size = xp.abs(xp.where(plain, x, 1.0))
    exponent = xp.floor(xp.log2(size)) + 1.0
    half = xp.floor(exponent * 0.5)  # in two steps: one power might be out of range
    mantissa = size * 2.0**-half * 2.0 ** (half - exponent)
    # The logarithm may be rounded to a whole number.
    high, low = mantissa >= 1.0, mantissa < 0.5
    mantissa = xp.where(high, mantissa * 0.5, xp.where(low, mantissa * 2.0, mantissa))
    exponent = xp.where(high, exponent + 1.0, xp.where(low, exponent - 1.0, exponent))
    mantissa = xp.where(plain, xp.where(x < 0.0, -mantissa, mantissa), x)
    return mantissa, xp.astype(xp.where(plain, exponent, 0.0), xp.int32)


@takes_out
def frexp(input: Any) -> Any:
    """Mantissa, of magnitude in [0.5, 1), and exponent of two (PyTorch: ``torch.frexp``).

    Zero, infinities and NaN have the exponent 0.

    >>> import anadrome as ad
    >>> mantissa, exponent = ad.frexp(ad.tensor([3.0, 0.25]))
    >>> mantissa, exponent
    (tensor([0.7500, 0.5000]), tensor([ 2, -1], dtype=anadrome.int32))
    """
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            f"torch.frexp() only supports floating-point dtypes, not {input.dtype.name}"
        )
    return Frexp(*frexp_op(input))


Tensor.nextafter = nextafter  # type: ignore[attr-defined]
Tensor.nextafter_ = inplace_composite(nextafter, "nextafter_")  # type: ignore[attr-defined]
Tensor.frexp = frexp  # type: ignore[attr-defined]
