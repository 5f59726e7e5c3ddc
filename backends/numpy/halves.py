"""halves: numbers that arrays of half precision are multiplied with, or divided by.

``x * 0.1`` of bfloat16 is computed in float32, with 0.1 as exact as that is, and rounded once, as
PyTorch does it; with a number of 16 bits all results would be off by as much as the number is.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_F32 = np.dtype(np.float32)
_multiply, _divide = np.multiply, np.divide
_ONE = np.asarray(1, _F32)


class Factor(np.ndarray):
    """A number of 16 bits that knows what it was before it was rounded."""

    #: That as float32, without dimensions.
    exact: Any

    def __array_finalize__(self, of: Any) -> None:
        self.exact = None

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        if (ufunc is not _multiply and ufunc is not _divide) or method != "__call__":
            if out is not None:
                options["out"] = out
            return getattr(ufunc, method)(*[np.asarray(value) for value in inputs], **options)
        a, b = inputs
        if ufunc is _multiply:
            wide = (b if a is self else a).astype(_F32)
            _multiply(wide, self.exact, wide)
        elif b is self:
            wide = a.astype(_F32)
            _divide(wide, self.exact, wide)
        else:  # as in PyTorch: the reciprocal, which is rounded, times the number
            wide = b.astype(_F32)
            _divide(_ONE, wide, wide)
            wide = wide.astype(self.dtype).astype(_F32)
            _multiply(wide, self.exact, wide)
        if out is None:
            return wide.astype(self.dtype)
        out[0][...] = wide
        return out[0]

    def astype(self, dtype: Any, *args: Any, **options: Any) -> Any:
        if self.exact is None:
            return np.asarray(self).astype(dtype, *args, **options)
        return self.exact.astype(dtype, *args, **options)


def factor(rounded: Any, value: Any) -> Any:
    """``value``, whose array of 16 bits is given; that array where the product is the same."""
    if value.__class__ not in (float, int) or math.frexp(value)[0] in (0.5, -0.5, 0.0):
        return rounded
    out = rounded.view(Factor)
    out.exact = np.asarray(value, _F32)
    return out
