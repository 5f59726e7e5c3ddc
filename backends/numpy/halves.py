"""halves: numbers beside floats of 16 bits that are factors or divisors of theirs.

``x * 0.1`` of bfloat16 is computed in float32, with 0.1 as exact as that is, and rounded once, as
PyTorch does it; with a number of 16 bits all results would be off by as much as the number is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Where PyTorch computes with the exact number; terms of a sum it rounds.
_EXACT = frozenset((np.multiply, np.divide))


class ExactNumber(np.ndarray):
    """A number of 16 bits that knows what it was before it was rounded."""

    exact: Any

    def __new__(cls, rounded: Any, exact: float) -> ExactNumber:
        out = rounded.view(cls)
        out.exact = np.float32(exact)
        return out

    def __array_finalize__(self, of: Any) -> None:
        self.exact = None

    def __array_ufunc__(
        self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any
    ) -> Any:
        plain = [_plain(value) for value in inputs]
        if out is not None:
            options["out"] = out
        if ufunc not in _EXACT or method != "__call__" or not _all_halves(plain):
            return getattr(ufunc, method)(*plain, **options)
        wide = [getattr(value, "exact", None) for value in inputs]
        wide = [v.astype(np.float32) if e is None else e for v, e in zip(plain, wide)]
        result = ufunc(*wide, **options, casting="same_kind", dtype=np.float32)
        return result if out is not None else result.astype(plain[0].dtype)

    def astype(self, *args: Any, **options: Any) -> Any:
        return _plain(self).astype(*args, **options)


def _plain(value: Any) -> Any:
    return value.view(np.ndarray) if value.__class__ is ExactNumber else value


def _all_halves(values: list[Any]) -> bool:
    return all(v.__class__ is np.ndarray and v.dtype == values[0].dtype for v in values)
