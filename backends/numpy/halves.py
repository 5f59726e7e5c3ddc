"""halves: a Python number beside half precision, which products and quotients take in float32."""

from __future__ import annotations

from typing import Any

import numpy as np

_EXACT = (np.multiply, np.divide)


class HalfNumber(np.ndarray):
    """A number that half precision rounds: as an array rounded, as a factor or divisor not.

    As in PyTorch a product or quotient is computed in float32 and rounded once, while sums,
    comparisons and all else take the rounded number. Being a class of its own it costs nothing
    where there is none.
    """

    wide: Any

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **keywords: Any
    ) -> Any:
        plain = [_rounded(i) for i in inputs]
        if ufunc not in _EXACT or method != "__call__" or (isinstance(inputs[0], HalfNumber) and (
            ufunc is np.divide or isinstance(inputs[1], HalfNumber)
        )):  # fmt: skip
            return getattr(ufunc, method)(*plain, out=out, **keywords)
        array = inputs[1] if inputs[0] is self else inputs[0]
        if getattr(array, "dtype", None) != self.dtype:
            return ufunc(*plain, out=out, **keywords)
        result = ufunc(array.astype(np.float32), self.wide, **keywords)
        if out is None:
            return result.astype(self.dtype)
        out[0][...] = result
        return out[0]


def _rounded(value: Any) -> Any:
    return value.view(np.ndarray) if isinstance(value, HalfNumber) else value


def remembering(rounded: Any, value: float) -> Any:
    """``rounded``, an array without dimensions, which remembers what it was before."""
    out = rounded.view(HalfNumber)
    out.wide = np.float32(value)
    return out
