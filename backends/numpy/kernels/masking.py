"""masking: choosing by a mask. ``np.where`` mispredicts a branch a value; a bit mask has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .common import HALVES, declared

#: Integers as wide as each float: where the mask is true all bits are kept, elsewhere none.
BITS: dict[Any, Any] = {
    np.dtype(np.float32): np.dtype(np.int32),
    np.dtype(np.float64): np.dtype(np.int64),
    **{half: np.dtype(np.int16) for half in HALVES},
}
#: Below this many elements np.where is faster.
_SMALL = 1024


def _all_or_nothing(mask: Any, bits: Any) -> Any:
    """All bits set where the mask is False, none where it is True."""
    return np.subtract(mask.view(np.int8), 1, dtype=bits)


def without(x: Any, mask: Any) -> Any:
    """``x``, a float array of the mask's shape or larger, with zero where the mask is true."""
    bits = BITS[x.dtype]
    keep = _all_or_nothing(mask, bits)
    out = keep if keep.shape == x.shape else None
    return np.bitwise_and(x.view(bits), keep, out).view(x.dtype)


def _either(condition: Any, a: Any, b: Any) -> Any:
    """``a`` or ``b``, of one type, by the exclusive or of their bits."""
    bits = BITS[a.dtype]
    keep = _all_or_nothing(condition, bits)
    out = np.bitwise_xor(a.view(bits), b.view(bits))
    np.bitwise_and(out, keep, out)
    np.bitwise_xor(out, a.view(bits), out)
    return out.view(a.dtype)


def masked_fill(x: Any, mask: Any, *, value: Any) -> Any:
    """``x`` with ``value`` where the mask is true."""
    if x.size < _SMALL or not _fits(x, mask):
        return declared("masked_fill")(x, mask, value=value)
    if value == 0:
        return without(x, mask)
    bits = BITS[x.dtype]
    keep = _all_or_nothing(mask, bits)
    out = np.bitwise_and(x.view(bits), keep)
    np.invert(keep, keep)
    np.bitwise_and(np.asarray(value, x.dtype).view(bits), keep, keep)
    np.bitwise_or(out, keep, out)
    return out.view(x.dtype)


def where(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition holds, else ``b``."""
    if condition.size >= _SMALL:
        if b.__class__ is float and b == 0.0 and _fits(a, condition):
            return without(a, np.logical_not(condition))
        if a.__class__ is float and a == 0.0 and _fits(b, condition):
            return without(b, condition)
        if _fits(a, condition) and _fits(b, condition) and a.dtype == b.dtype:
            return _either(condition, a, b)
    return declared("where")(condition, a, b)


def _fits(x: Any, mask: Any) -> bool:
    """A float array that a true mask broadcasts to without growing it."""
    return (
        getattr(x, "dtype", None) in BITS
        and mask.dtype == np.bool_
        and (mask.shape == x.shape or mask.shape == x.shape[x.ndim - mask.ndim :])
    )


KERNELS: dict[str, Callable[..., Any]] = {"masked_fill": masked_fill, "where": where}
