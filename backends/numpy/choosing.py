"""choosing: ``where`` without a branch. ``np.where`` mispredicts one a value; bits have none."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

#: Integers as wide as each float: where the mask is true all bits are kept, elsewhere none.
BITS: dict[Any, Any] = {
    np.dtype(np.float32): np.dtype(np.int32),
    np.dtype(np.float64): np.dtype(np.int64),
    np.dtype(np.float16): np.dtype(np.int16),
    np.dtype(ml_dtypes.bfloat16): np.dtype(np.int16),
}
#: Below this many elements np.where is faster.
SMALL = 1024

_NUMBERS = (float, int)
_ONE = np.array(1, np.int8)


def where(condition: Any, a: Any, b: Any, /) -> Any:
    """``a`` where the condition holds, else ``b``."""
    out = by_bits(condition, a, b)
    return np.where(condition, a, b) if out is None else out


def by_bits(condition: Any, a: Any, b: Any) -> Any:
    """The same of large float arrays of one type, or one and a number; None of others."""
    if condition.__class__ is not np.ndarray:
        return None
    number_a, number_b = a.__class__ in _NUMBERS, b.__class__ in _NUMBERS
    if not (number_a or large(a, condition)) or not (number_b or large(b, condition)):
        return None
    if number_b:
        if number_a:
            return None
        b = np.asarray(b, a.dtype)
        if not b.view(BITS[a.dtype]):
            return without(a, np.logical_not(condition))
    elif number_a:
        a = np.asarray(a, b.dtype)
        if not a.view(BITS[b.dtype]):
            return without(b, condition)
    elif a.dtype is not b.dtype:
        return None
    bits = BITS[b.dtype]
    keep = all_or_nothing(condition, bits)
    out = np.bitwise_xor(a.view(bits), b.view(bits))
    np.bitwise_and(out, keep, out)
    np.bitwise_xor(out, a.view(bits), out)
    return out.view(b.dtype)


def without(x: Any, mask: Any) -> Any:
    """``x``, a float array of the mask's shape or larger, with zero where the mask is true."""
    bits = BITS[x.dtype]
    keep = all_or_nothing(mask, bits)
    out = keep if keep.shape == x.shape else None
    return np.bitwise_and(x.view(bits), keep, out).view(x.dtype)


def all_or_nothing(mask: Any, bits: Any) -> Any:
    """All bits set where the mask is False, none where it is True."""
    # Made wider by a pass of its own: a ufunc that casts does so in small pieces.
    return np.subtract(mask.view(np.int8), _ONE).astype(bits)


def replace(out: Any, mask: Any, other: Any) -> None:
    """``out = where(mask, out, other)``, in place, of float arrays alike."""
    bits = BITS[out.dtype]
    keep = all_or_nothing(mask, bits)
    np.bitwise_and(keep, out.view(bits) ^ other.view(bits), keep)
    out = out.view(bits)
    np.bitwise_xor(out, keep, out)


def clear(out: Any, mask: Any) -> None:
    """``out = where(mask, 0, out)``, in place, of a float array."""
    bits = BITS[out.dtype]
    np.bitwise_and(out.view(bits), all_or_nothing(mask, bits), out.view(bits))


def large(x: Any, mask: Any) -> bool:
    """Whether it is a large float array that a true mask broadcasts to without growing it."""
    if x.__class__ is not np.ndarray or x.size < SMALL or x.dtype not in BITS:
        return False
    if mask.dtype != np.bool_:
        return False
    if mask.shape == x.shape:
        return True
    lead = x.ndim - mask.ndim
    return lead >= 0 and all(m in (1, n) for m, n in zip(mask.shape, x.shape[lead:]))
