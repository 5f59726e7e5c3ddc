"""scrambling: random bits that a Sobol sequence is scrambled with, and the scrambling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import anadrome as ad

from .directions import BITS

#: How many dimensions are scrambled at once: their matrices are 900 numbers each.
_AT_ONCE = 1024


def source(seed: int | None) -> Callable[..., Any]:
    """A function that draws bits in a shape.

    With a seed they are those that PyTorch draws: both take the lowest bits of the numbers of a
    Mersenne twister, which NumPy has as well. Without one the default generator draws them.
    """
    if seed is None:
        return lambda *shape: ad.randint(2, shape, device="cpu").numpy()
    if not isinstance(seed, int):
        raise ad.errors.ArgumentError(
            f"manual_seed expected a long, but got {type(seed).__name__}; seed takes an int"
        )
    twister = np.random.RandomState(seed & 0xFFFFFFFF)
    return lambda *shape: twister.randint(0, 2**32, shape, np.uint32) & 1


def scrambled(numbers: Any, bits: Callable[..., Any]) -> tuple[Any, Any]:
    """Direction numbers after a random matrix a dimension, and the random shifts.

    The matrices are lower triangular with ones on the diagonal, so that each bit stays decided by
    itself and by those above it, and are multiplied modulo 2.
    """
    dimensions = len(numbers)
    shift = bits(dimensions, BITS) @ (1 << np.arange(BITS))
    places = 1 << np.arange(BITS - 1, -1, -1)
    out = np.empty_like(numbers)
    for first in range(0, dimensions, _AT_ONCE):
        part = numbers[first : first + _AT_ONCE]
        # Small numbers, so that products are exact, and in floating point, so that they are fast.
        lower = np.tril(bits(len(part), BITS, BITS), -1).astype(np.float32)
        lower += np.eye(BITS, dtype=np.float32)
        digits = (part[:, :, None] & places != 0).astype(np.float32)
        product = digits @ lower.transpose(0, 2, 1)
        out[first : first + _AT_ONCE] = (product.astype(np.int64) & 1) @ places
    return out, shift
