"""functional: what is computed with ops but is no op itself; PyTorch's signatures."""

from __future__ import annotations

from typing import Any

from . import modes
from .inplace import assign, check_writable, write
from .ops import arithmetic, convert, reduce
from .random import draw
from .tensor import Tensor, wrap


def add(x: Any, other: Any, *, alpha: float = 1) -> Any:
    """``x + alpha * other`` (``torch.add``)."""
    return arithmetic.add(x, other if alpha == 1 else other * alpha)


def sub(x: Any, other: Any, *, alpha: float = 1) -> Any:
    """``x - alpha * other`` (``torch.sub``)."""
    return arithmetic.sub(x, other if alpha == 1 else other * alpha)


def div(x: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """``x / other``, rounded down or toward zero on request (``torch.div``)."""
    if rounding_mode is None:
        return arithmetic.div(x, other)
    if rounding_mode == "floor":
        return arithmetic.floor_divide(x, other)
    if rounding_mode == "trunc":
        out = arithmetic.div(x, other).trunc()
        whole = not (x.dtype.is_floating_point or getattr(other, "is_floating_point", bool)())
        return out.to(x.dtype) if whole else out
    raise RuntimeError(
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"{rounding_mode!r}"
    )


def allclose(
    x: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether all values agree within the tolerances (``torch.allclose``)."""
    return bool(isclose(x, other, rtol, atol, equal_nan).all().item())


def isclose(
    x: Tensor, other: Tensor, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Tensor:
    """Where values agree within the tolerances (``torch.isclose``)."""
    with modes.no_grad():
        out = ((x - other).abs() <= other.abs() * rtol + atol) | (x == other)
        return out | (x.isnan() & other.isnan()) if equal_nan else out


def equal(x: Tensor, other: Tensor) -> bool:
    """Whether shape and all values are the same (``torch.equal``)."""
    return x.shape == other.shape and bool((x == other).all().item())


def einsum(equation: str, *operands: Any) -> Tensor:
    """Sums of products in Einstein's notation (``torch.einsum``), pairwise from the left.

    >>> import anadrome as ad
    >>> ad.einsum("ij,kj->ik", ad.ones(2, 3), ad.ones(4, 3)).shape
    anadrome.Size([2, 4])
    """
    from .ops.einsum import einsum as compute

    return compute(equation, *operands)


# -- in-place forms that are no op's ------------------------------------------------------------
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


def fill_(self: Tensor, value: Any) -> Tensor:
    """Write one value everywhere."""
    check_writable(self)
    if isinstance(value, Tensor):
        return copy_(self, value)
    if modes.is_grad_enabled() and self.requires_grad:
        return assign(self, convert.fill(self, value=value), "fill_")
    modes.touch(self)
    write(self, Ellipsis, value)
    return self


def zero_(self: Tensor) -> Tensor:
    """Write zero everywhere."""
    return fill_(self, 0)


def _drawn(self: Tensor, kind: str, scale: float, shift: float, generator: Any) -> Tensor:
    check_writable(self)
    modes.touch(self)
    shape = tuple(self._data.shape)
    values = draw(kind, shape, self.dtype, self.device, generator)
    if modes.is_grad_enabled() and self.requires_grad:
        return copy_(self, wrap(values * scale + shift))
    write(self, Ellipsis, values * scale + shift)
    return self


def uniform_(self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with uniform values in [a, b)."""
    return _drawn(self, "uniform", b - a, a, generator)


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with normal values."""
    return _drawn(self, "normal", std, mean, generator)


def clamp_min(x: Tensor, min: Any) -> Tensor:
    """Values below ``min`` raised to it."""
    return arithmetic.clamp(x, min=min)


def clamp_max(x: Tensor, max: Any) -> Tensor:
    """Values above ``max`` lowered to it."""
    return arithmetic.clamp(x, max=max)


def _install() -> None:
    for function in (
        add, sub, div, allclose, isclose, equal, copy_, fill_, zero_, uniform_, normal_,
        clamp_min, clamp_max,
    ):  # fmt: skip
        setattr(Tensor, function.__name__, function)
    Tensor.multiply = arithmetic.mul
    Tensor.std = reduce.std
    Tensor.real = property(lambda self: convert.real(self))


_install()
