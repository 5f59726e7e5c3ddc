"""factors: ``beta`` and ``alpha``, by which ``addmm`` and its kin scale what they add."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..dtypes import float32
from ..making import number
from ..tensor import Tensor


def factors(x: Tensor, beta: Any, alpha: Any) -> tuple[Any, Any]:
    """The two factors as numbers; beside integers they lose their fractions, as in PyTorch."""
    beta, alpha = number(beta, "beta"), number(alpha, "alpha")
    if x.dtype.category < float32.category:
        return int(beta), int(alpha)
    return tuple(v if isinstance(v, complex) else float(v) for v in (beta, alpha))  # type: ignore


def older_form(form: Callable[..., Tensor], given: list[Any], beta: Any, alpha: Any) -> Tensor:
    """PyTorch's older form, in which the factors come before what they scale.

    ``addmm(beta, input, alpha, mat1, mat2)``, ``input.addmm(beta, alpha, mat1, mat2)``, and both
    without ``alpha``.
    """
    if len(given) > 5 or (beta, alpha) != (1, 1) or all(map(_operand, given[:2])):
        name = form.__name__.removesuffix("_form").lstrip("_")
        raise TypeError(
            f"{name}() takes 3 positional arguments but {len(given)} were given; write "
            f"{name}(input, ..., beta=beta, alpha=alpha)"
        )
    if not _operand(given[0]):  # the form of a function; else of a method
        given[:2] = given[1], given[0]
    alpha = given.pop(2) if len(given) == 5 else 1
    return form(given[0], *given[2:], beta=given[1], alpha=alpha)


def _operand(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0
