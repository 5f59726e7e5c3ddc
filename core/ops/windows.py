"""windows: weights for the pieces of a signal that a spectrum is taken of."""

from __future__ import annotations

import math
from typing import Any

from .. import creation
from ..dtypes import get_default_dtype
from ..layouts import accept
from ..refusals import refusing
from ..tensor import Tensor


def _made(name: str, length: int, periodic: bool, shape: Any, keywords: dict[str, Any]) -> Tensor:
    """``shape`` of each value's place from 0 to 1."""
    requires_grad = keywords.pop("requires_grad", False)
    accept(name, keywords)
    keywords.pop("pin_memory", None)
    kind = keywords.pop("dtype", None) or get_default_dtype()
    if not kind.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {kind.name}")
    if length < 0:
        raise RuntimeError(
            f"{name} requires non-negative window_length, got window_length={length}"
        )
    if length <= 1:
        return creation.ones(length, dtype=kind, **keywords).requires_grad_(requires_grad)
    count = length + 1 if periodic else length
    place = creation.arange(count, dtype=kind, **keywords) / (count - 1)
    return shape(place)[:length].clone().requires_grad_(requires_grad)


@refusing
def bartlett_window(window_length: int, periodic: bool = True, **keywords: Any) -> Tensor:
    """A triangle (PyTorch: ``torch.bartlett_window``)."""
    return _made(
        "bartlett_window", window_length, periodic, lambda p: 1 - (2 * p - 1).abs(), keywords
    )


@refusing
def hann_window(window_length: int, periodic: bool = True, **keywords: Any) -> Tensor:
    """A raised cosine (PyTorch: ``torch.hann_window``).

    >>> import anadrome as ad
    >>> ad.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return hamming_window(window_length, periodic, 0.5, 0.5, _name="hann_window", **keywords)


@refusing
def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    _name: str = "hamming_window",
    **keywords: Any,
) -> Tensor:
    """``alpha - beta * cos`` (PyTorch: ``torch.hamming_window``)."""

    def shape(place: Tensor) -> Tensor:
        return alpha - beta * (place * (2 * math.pi)).cos()

    return _made(_name, window_length, periodic, shape, keywords)


@refusing
def blackman_window(window_length: int, periodic: bool = True, **keywords: Any) -> Tensor:
    """Two cosines (PyTorch: ``torch.blackman_window``)."""

    def shape(place: Tensor) -> Tensor:
        turn = place * (2 * math.pi)
        return 0.42 - 0.5 * turn.cos() + 0.08 * (2 * turn).cos()

    return _made("blackman_window", window_length, periodic, shape, keywords)


@refusing
def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, **keywords: Any
) -> Tensor:
    """A ratio of Bessel functions (PyTorch: ``torch.kaiser_window``).

    ``beta``: the larger, the wider its spectrum's peak and the lower its sides.
    """

    def shape(place: Tensor) -> Tensor:
        from .bessel import i0

        side = (1 - (place * 2 - 1).square()).clamp(min=0).sqrt()
        return i0(side * beta) / i0(creation.tensor(float(beta), dtype=place.dtype))

    return _made("kaiser_window", window_length, periodic, shape, keywords)
