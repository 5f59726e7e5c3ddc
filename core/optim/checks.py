"""checks: what optimizers refuse, in PyTorch's words."""

from __future__ import annotations

from typing import Any

from ..errors import DomainError
from ..tensor import Tensor
from .optimizer import check_flags, check_one_element

__all__ = ["check_betas", "check_flags", "check_not_negative", "check_one_element", "check_pair",
           "check_rate", "check_real"]  # fmt: skip


def check_rate(lr: Any, foreach: Any = False, capturable: Any = False) -> None:
    """A learning rate: a number or a Tensor of one element, not negative."""
    if isinstance(lr, Tensor) and foreach and not capturable:
        raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
    check_one_element("lr", lr)
    check_not_negative("learning rate", lr)


def check_not_negative(name: str, value: Any) -> None:
    """``name`` is as PyTorch's message has it, such as "weight_decay value"."""
    if not value >= 0.0:
        raise ValueError(f"Invalid {name}: {value}")


def check_betas(betas: Any) -> None:
    """Both in [0, 1)."""
    check_pair("betas", betas)
    for i, beta in enumerate(betas[:2]):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")


def check_pair(name: str, values: Any) -> None:
    """Two numbers, or more, of which the first two count."""
    if len(values) < 2:
        raise IndexError(f"{name} are two numbers, not {values!r}")


def check_real(optimizer: Any, p: Any) -> None:
    """Refuse a complex parameter."""
    if p.dtype.is_complex:
        raise DomainError(
            f"{type(optimizer).__name__} takes real parameters, not {p.dtype.name}: keep the real "
            "and the imaginary part as two parameters, or use SGD"
        )
