"""random: Philox keys to NumPy arrays."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

_local = threading.local()
_SMALL = (np.dtype(np.float32), np.dtype(np.float64))


def philox(key: tuple[int, int]) -> Any:
    """A generator that starts at a key; one object a thread is re-seated, which is cheaper."""
    seed, number = key
    generator = getattr(_local, "generator", None)
    if generator is None:
        generator = _local.generator = np.random.Generator(np.random.Philox(key=0))
        _local.state = generator.bit_generator.state
    state = _local.state
    state["state"]["key"] = np.array([seed, number], dtype=np.uint64)
    generator.bit_generator.state = state
    return generator


class Draws:
    """The draws a backend owes ``core/random.py``: key, shape and native dtype to an array."""

    def uniform(self, key: Any, shape: Any, dtype: Any) -> Any:
        """Uniform in [0, 1)."""
        generator = philox(key)
        if dtype in _SMALL:
            return generator.random(shape, dtype=dtype)
        # Rounding to half precision could give 1: keep the values below it.
        out = generator.random(shape, dtype=np.float32)
        return np.minimum(out, 1 - 2.0**-8, out=out).astype(dtype)

    def normal(self, key: Any, shape: Any, dtype: Any) -> Any:
        """Standard normal."""
        generator = philox(key)
        if dtype in _SMALL:
            return generator.standard_normal(shape, dtype=dtype)
        return generator.standard_normal(shape, dtype=np.float32).astype(dtype)

    def integers(self, key: Any, shape: Any, dtype: Any, low: int, high: int) -> Any:
        """Integers in [low, high)."""
        return philox(key).integers(low, high, size=shape).astype(dtype)

    def permutation(self, key: Any, shape: Any, dtype: Any) -> Any:
        """A random order of 0 … n - 1."""
        return philox(key).permutation(shape[0]).astype(dtype)

    def keep_mask(self, key: Any, shape: Any, probability: float) -> Any:
        """Booleans that are true with the probability (in steps of 2**-16: 16 bits a value)."""
        size = 1
        for n in shape:
            size *= n
        words = philox(key).bit_generator.random_raw(-(-size // 4) or 1)
        return (words.view(np.uint16)[:size] < round(probability * 65536)).reshape(shape)
