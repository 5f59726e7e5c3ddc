"""functional: what is computed with ops but is no op itself; PyTorch's signatures."""

from __future__ import annotations

from typing import Any

from . import dtypes, modes
from .errors import DtypeError, ShapeError
from .facts import result_type
from .forms import inplace_composite
from .inplace import assign, check_writable, inplace_form, write
from .looking import answered
from .ops import arithmetic, convert, pairs
from .out import takes_out
from .refusals import BOOLEAN, refusing
from .tensor import Tensor


def add(input: Any, other: Any, *older: Any, alpha: Any = 1, out: Any = None) -> Any:
    """``input + alpha * other`` (``torch.add``); older programs write ``add(x, alpha, other)``."""
    if older:
        other, alpha = _reordered("add", other, older)
    try:
        if alpha.__class__ is not int or alpha != 1:
            if _of_halves(input, other, alpha):
                return pairs.add_scaled(input, other, alpha=alpha, out=out)
            other = _scaled("add", input, other, alpha)
        return arithmetic.add(input, other, out=out)
    except Exception as error:
        return answered(error)


def sub(input: Any, other: Any, *older: Any, alpha: Any = 1, out: Any = None) -> Any:
    """``input - alpha * other`` (``torch.sub``); older programs write ``sub(x, alpha, other)``."""
    if older:
        other, alpha = _reordered("sub", other, older)
    try:
        if alpha.__class__ is not int or alpha != 1:
            if _of_halves(input, other, alpha):
                return pairs.sub_scaled(input, other, alpha=alpha, out=out)
            other = _scaled("sub", input, other, alpha)
        return arithmetic.sub(input, other, out=out)
    except Exception as error:
        return answered(error)


def subtract(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """``sub`` (``torch.subtract``); it has no older form."""
    return sub(input, other, alpha=alpha, out=out)


def _reordered(name: str, alpha: Any, older: tuple[Any, ...]) -> tuple[Any, Any]:
    """``other`` and ``alpha`` of PyTorch's older form, in which ``alpha`` comes first."""
    if len(older) > 1 or isinstance(alpha, Tensor):
        raise TypeError(
            f"{name}() takes 2 positional arguments but {2 + len(older)} were given; write "
            f"{name}(input, other, alpha=alpha)"
        )
    return older[0], alpha


def _of_halves(input: Any, other: Any, alpha: Any) -> bool:
    """Whether the sum is of half precision: it is rounded once then, and not after the product."""
    if alpha.__class__ is not float and alpha.__class__ is not int:
        return False
    kind = result_type(input, other)
    return kind.is_floating_point and kind.itemsize == 2


@refusing
def _scaled(name: str, input: Any, other: Any, alpha: Any) -> Any:
    if name == "sub" and dtypes.bool_ in [getattr(t, "dtype", None) for t in (input, other)]:
        raise DtypeError(BOOLEAN["boolean subtract"])
    kind = result_type(input, other)
    if alpha.__class__ is bool and kind is not dtypes.bool_:
        raise DtypeError("Boolean alpha only supported for Boolean results.")
    if isinstance(alpha, (float, complex)) and not (kind.is_floating_point or kind.is_complex):
        raise DtypeError(
            "For integral input tensors, argument alpha must not be a floating point number; "
            f"{alpha} was given for {kind.name}"
        )
    if isinstance(alpha, complex) and not kind.is_complex:
        raise DtypeError(
            "For non-complex input tensors, argument alpha must not be a complex number; "
            f"{alpha} was given for {kind.name}"
        )
    if kind is dtypes.bool_:
        return other if alpha else other & False
    if isinstance(other, Tensor) and other.dtype.category < kind.category:
        other = other.to(kind)  # alpha is of the result's type, not of other's
    return other * alpha


def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """``input / other``, rounded down or toward zero on request (``torch.div``)."""
    if rounding_mode is None:
        try:
            return arithmetic.div(input, other, out=out)
        except Exception as error:
            return answered(error)
    if not isinstance(rounding_mode, str):
        kind = type(rounding_mode).__name__
        raise TypeError(f"div(): argument 'rounding_mode' must be str or None, not {kind}")
    if rounding_mode == "floor":
        return arithmetic.div_floor(input, other, out=out)
    if rounding_mode == "trunc":
        return arithmetic.div_trunc(input, other, out=out)
    raise RuntimeError(
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"{rounding_mode!r}"
    )


@refusing
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all values agree within the tolerances (``torch.allclose``)."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all().item())


@refusing
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Where values agree within the tolerances (``torch.isclose``)."""
    for t in (input, other):
        if not isinstance(t, Tensor):
            raise TypeError(f"isclose() compares Tensors, not {type(t).__name__}")
    if input.dtype is not other.dtype:
        raise RuntimeError(
            f"{input.dtype.name} did not match {other.dtype.name}; write `other.to(input.dtype)`"
        )
    for name, tolerance in (("rtol", rtol), ("atol", atol)):
        if not tolerance >= 0:
            raise RuntimeError(f"{name} must be greater than or equal to zero, but got {tolerance}")
    with modes.no_grad():
        same = input == other
        if not equal_nan and rtol == 0 and atol == 0:
            return same
        inexact = input.dtype.category >= dtypes.float32.category
        if not inexact:
            input, other = input.double(), other.double()
        out = (input - other).abs() <= other.abs() * rtol + atol
        if inexact:  # infinities are close to themselves alone
            out = out & other.isfinite()
        out = out | same
        return out | (input.isnan() & other.isnan()) if equal_nan else out


@refusing
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether shape and all values are the same (``torch.equal``)."""
    if not isinstance(input, Tensor) or not isinstance(other, Tensor):
        wrong = other if isinstance(input, Tensor) else input
        raise TypeError(f"equal() compares Tensors, not {type(wrong).__name__}")
    return input.shape == other.shape and bool((input == other).all().item())


@refusing
def einsum(equation: Any, *operands: Any) -> Tensor:
    """Sums of products in Einstein's notation (``torch.einsum``), pairwise from the left.

    >>> import anadrome as ad
    >>> ad.einsum("ij,kj->ik", ad.ones(2, 3), ad.ones(4, 3)).shape
    anadrome.Size([2, 4])
    """
    from .ops.einsum import einsum as compute

    return compute(equation, *operands)


# -- in-place forms that are no op's ------------------------------------------------------------
@refusing
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Write ``src``, broadcast and cast, into this Tensor; its gradient flows to ``src``."""
    check_writable(self)
    if not isinstance(src, Tensor):
        from .creation import tensor

        src = tensor(src, device=self.device)
    src = src.to(device=self.device, dtype=self.dtype)
    recorded = modes.is_grad_enabled() and (self.requires_grad or src.requires_grad)
    if recorded or src.shape != self.shape:
        src = convert.copy(self, src)
    return assign(self, src, "copy_")


@refusing
def fill_(self: Tensor, value: Any) -> Tensor:
    """Write one value everywhere."""
    check_writable(self)
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(
                "fill_ only supports 0-dimension value tensor but got tensor with "
                f"{value.ndim} dimensions.; write copy_"
            )
        return copy_(self, value)
    value = convert.number_for("fill_", value, self)
    if modes.is_grad_enabled() and self.requires_grad:
        return assign(self, convert.fill(self, value=value), "fill_")
    modes.touch(self)
    write(self, Ellipsis, value)
    return self


@takes_out
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The p-norm of ``input - other`` (``torch.dist``)."""
    return (input - other).norm(p)


@refusing
def fill(input: Tensor, value: Any) -> Tensor:
    """A Tensor like ``input`` with one value everywhere (``torch.fill``)."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise ShapeError(
                "fill only supports 0-dimension value tensor but got tensor with "
                f"{value.ndim} dimensions."
            )
        return convert.copy(input, value.to(device=input.device, dtype=input.dtype))
    return convert.fill(input, value=convert.number_for("fill", value, input))


def zero_(self: Tensor) -> Tensor:
    """Write zero everywhere."""
    return fill_(self, 0)


def _with_alpha(plain: Any, scaled: Any) -> Any:
    def inplace(self: Tensor, other: Any, *older: Any, alpha: Any = 1) -> Tensor:
        if older:
            other, alpha = _reordered(plain.__name__, other, older)
        if alpha.__class__ is not int or alpha != 1:
            if _of_halves(self, other, alpha):
                return scaled(self, other, alpha=alpha)
            other = _scaled(plain.__name__[:3], self, other, alpha)
        return plain(self, other)

    inplace.__name__ = inplace.__qualname__ = plain.__name__
    inplace.__doc__ = plain.__doc__
    return inplace


def _subtract_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """In-place form of ``subtract``; returns self."""
    return Tensor.sub_(self, other, alpha=alpha)


def _div_(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """In-place form of ``div``; returns self."""
    if rounding_mode is None:
        return _plain_div_(self, other)
    return _rounded_div_(self, other, rounding_mode=rounding_mode)


def _install() -> None:
    for function in (add, sub, subtract, div, allclose, isclose, equal, dist, copy_, fill_, zero_):
        setattr(Tensor, function.__name__, function)
    Tensor.add_ = _with_alpha(Tensor.add_, inplace_form(pairs.add_scaled.op))
    Tensor.sub_ = _with_alpha(Tensor.sub_, inplace_form(pairs.sub_scaled.op))
    Tensor.div_ = _div_
    Tensor.multiply, Tensor.multiply_ = arithmetic.mul, Tensor.mul_
    Tensor.subtract_ = _subtract_
    for name in ("divide", "true_divide"):
        setattr(Tensor, name, div)
        setattr(Tensor, name + "_", _div_)


_plain_div_ = Tensor.div_
_rounded_div_ = inplace_composite(div, "div_")
_install()
