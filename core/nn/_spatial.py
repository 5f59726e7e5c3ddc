"""_spatial: what the functions over spatial dimensions share.

Their ops take batched inputs and tuples; in these functions single numbers become tuples, inputs
without a batch dimension get one, and shapes are checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import Any

from ..errors import ArgumentError, ShapeError
from ..size import is_index
from ..tensor import Tensor


def ntuple(value: Any, n: int, name: str) -> tuple[int, ...]:
    """One number for all n dimensions, or one for each."""
    if is_index(value):
        return (index(value),) * n
    if isinstance(value, (str, bytes, dict, set)):
        raise ArgumentError(f"{name} is an int or {n} of them, not a {type(value).__name__}")
    values = tuple(value)
    if len(values) == 1:
        return values * n
    if len(values) != n:
        raise ShapeError(
            f"expected {name} to be a single integer value or a list of {n} values to match the "
            f"convolution dimensions, but got {name}={list(values)}"
        )
    return values


def batched(n: int, what: str, input: Tensor) -> tuple[Tensor, bool]:
    """The input with a batch dimension before its channels, and whether it had one."""
    ndim = input._data.ndim
    if ndim == n + 2:
        return input, True
    if ndim == n + 1:
        return input.unsqueeze(0), False
    raise ShapeError(
        f"{what}: Expected {n + 1}D or {n + 2}D (batch mode) tensor for input, but got: "
        f"{list(input.shape)}"
    )


def by(sizes: Iterable[int]) -> str:
    """Sizes as PyTorch prints them."""
    return "(" + " x ".join(map(str, sizes)) + ")"
