"""_indices: pools that always give the places of the largest values (``*_with_indices``)."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from . import functional as F


def _pool(n: int) -> Any:
    pool = getattr(F, f"max_pool{n}d")

    def function(
        input: Tensor,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
        return_indices: bool = False,
    ) -> tuple[Tensor, Tensor]:
        return pool(input, kernel_size, stride, padding, dilation, ceil_mode, True)

    return _named(function, f"max_pool{n}d")


def _adaptive(n: int) -> Any:
    pool = getattr(F, f"adaptive_max_pool{n}d")

    def function(
        input: Tensor, output_size: Any, return_indices: bool = False
    ) -> tuple[Tensor, Tensor]:
        return pool(input, output_size, True)

    return _named(function, f"adaptive_max_pool{n}d")


def _fractional(n: int) -> Any:
    pool = getattr(F, f"fractional_max_pool{n}d")

    def function(
        input: Tensor,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        return pool(input, kernel_size, output_size, output_ratio, True, _random_samples)

    return _named(function, f"fractional_max_pool{n}d")


def _named(function: Any, name: str) -> Any:
    function.__name__ = function.__qualname__ = f"{name}_with_indices"
    # As in PyTorch, what `return_indices` says changes nothing.
    function.__doc__ = f"``{name}`` with ``return_indices=True``."
    return function


max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices = map(_pool, (1, 2, 3))
adaptive_max_pool1d_with_indices, adaptive_max_pool2d_with_indices = map(_adaptive, (1, 2))
adaptive_max_pool3d_with_indices = _adaptive(3)
fractional_max_pool2d_with_indices, fractional_max_pool3d_with_indices = map(_fractional, (2, 3))
