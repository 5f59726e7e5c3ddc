"""random: Philox keys to CuPy arrays.

Philox 4x32 with ten rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011)
has no state: a value is computed from its position in the array, under a key. So a draw is one
kernel, and what it gives depends on key and shape alone. The four counter words are the position
and the number of the draw, the key words are the seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import cupy
import numpy as np

#: ``philox(position, number, seed)``: four random 32-bit words.
PHILOX = """
struct philox_words { unsigned int w[4]; };

__device__ philox_words philox(
    unsigned long long position, unsigned long long number, unsigned long long seed) {
  unsigned int c0 = (unsigned int)position, c1 = (unsigned int)(position >> 32);
  unsigned int c2 = (unsigned int)number, c3 = (unsigned int)(number >> 32);
  unsigned int k0 = (unsigned int)seed, k1 = (unsigned int)(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    unsigned long long a = 0xD2511F53ULL * c0, b = 0xCD9E8D57ULL * c2;
    c0 = (unsigned int)(b >> 32) ^ c1 ^ k0;
    c2 = (unsigned int)(a >> 32) ^ c3 ^ k1;
    c1 = (unsigned int)b;
    c3 = (unsigned int)a;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  philox_words out = {{c0, c1, c2, c3}};
  return out;
}

__device__ double unit(unsigned int high, unsigned int low) {  // [0, 1), 53 bits
  return ((high >> 5) * 67108864.0 + (low >> 6)) * (1.0 / 9007199254740992.0);
}
"""


def _kernel(name: str, result: str, body: str, extra: str = "") -> Any:
    """A draw of ``size`` values; ``p.w`` are the words of value ``i``'s position."""
    return cupy.ElementwiseKernel(
        f"uint64 seed, uint64 number{extra}", f"{result} out", body, f"anadrome_{name}",
        preamble=PHILOX,
    )  # fmt: skip


_words = _kernel("words", "uint32", "out = philox(i >> 2, number, seed).w[i & 3];")
_uniform32 = _kernel(
    "uniform32", "float32",
    "out = (philox(i >> 2, number, seed).w[i & 3] >> 8) * (1.0f / 16777216.0f);",
)  # fmt: skip
_uniform64 = _kernel(
    "uniform64", "float64",
    "philox_words p = philox(i >> 1, number, seed); int at = 2 * (i & 1);"
    "out = unit(p.w[at], p.w[at + 1]);",
)  # fmt: skip
# Box and Muller: two normal values from two uniform ones; the first is never zero.
_normal32 = _kernel(
    "normal32", "float32",
    "philox_words p = philox(i >> 1, number, seed);"
    "float r = sqrtf(-2.0f * logf((p.w[0] + 0.5f) * (1.0f / 4294967296.0f)));"
    "float turn = 2.0f * p.w[1] * (1.0f / 4294967296.0f);"
    "out = r * ((i & 1) ? sinpif(turn) : cospif(turn));",
)  # fmt: skip
_normal64 = _kernel(
    "normal64", "float64",
    "philox_words p = philox(i >> 1, number, seed);"
    "double r = sqrt(-2.0 * log(1.0 - unit(p.w[0], p.w[1])));"
    "double turn = 2.0 * unit(p.w[2], p.w[3]);"
    "out = r * ((i & 1) ? sinpi(turn) : cospi(turn));",
)  # fmt: skip
_integers = _kernel(
    "integers", "int64",
    "philox_words p = philox(i >> 1, number, seed); int at = 2 * (i & 1);"
    "unsigned long long word = ((unsigned long long)p.w[at] << 32) | p.w[at + 1];"
    "out = low + (long long)(range ? __umul64hi(word, range) : word);",
    ", int64 low, uint64 range",
)  # fmt: skip
_keep = _kernel(
    "keep", "bool", "out = philox(i >> 2, number, seed).w[i & 3] < limit;", ", uint64 limit"
)

_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)


def limit_of(probability: float) -> Any:
    """Below which of the 2**32 words a value is kept."""
    return np.uint64(round(probability * 2**32))


class Draws:
    """The draws a backend owes ``core/random.py``: key, shape and native dtype to an array."""

    def __init__(self, placed: Callable[[], AbstractContextManager[Any]]) -> None:
        self.placed = placed

    def _draw(self, kernel: Any, key: Any, shape: Any, *parameters: Any) -> Any:
        """On the current device."""
        seed, number = key
        flat = kernel(np.uint64(seed), np.uint64(number), *parameters, size=math.prod(shape))
        return flat.reshape(shape)

    def uniform(self, key: Any, shape: Any, dtype: Any) -> Any:
        """Uniform in [0, 1)."""
        with self.placed():
            if dtype == _F64:
                return self._draw(_uniform64, key, shape)
            out = self._draw(_uniform32, key, shape)
            # Rounding to half precision could give 1: keep the values below it.
            return out if dtype == _F32 else cupy.minimum(out, 1 - 2.0**-8).astype(dtype)

    def normal(self, key: Any, shape: Any, dtype: Any) -> Any:
        """Standard normal."""
        with self.placed():
            out = self._draw(_normal64 if dtype == _F64 else _normal32, key, shape)
            return out if out.dtype == dtype else out.astype(dtype)

    def integers(self, key: Any, shape: Any, dtype: Any, low: int, high: int) -> Any:
        """Integers in [low, high)."""
        span = np.uint64((high - low) % 2**64)  # 0 stands for all 2**64
        with self.placed():
            return self._draw(_integers, key, shape, np.int64(low), span).astype(dtype)

    def permutation(self, key: Any, shape: Any, dtype: Any) -> Any:
        """A random order of 0 … n - 1: the order of as many random numbers."""
        with self.placed():
            return cupy.argsort(self._draw(_uniform64, key, shape)).astype(dtype)

    def keep_mask(self, key: Any, shape: Any, probability: float) -> Any:
        """Booleans that are true with the probability (in steps of 2**-32)."""
        with self.placed():
            return self._draw(_keep, key, shape, limit_of(probability))
