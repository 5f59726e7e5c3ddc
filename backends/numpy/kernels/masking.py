"""masking: choosing by a mask, by bits (``choosing``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..choosing import BITS, all_or_nothing, by_bits, large, without
from .common import declared


def masked_fill(x: Any, mask: Any, *, value: Any) -> Any:
    """``x`` with ``value`` where the mask is true."""
    if not large(x, mask):
        return declared("masked_fill")(x, mask, value=value)
    if value == 0:
        return without(x, mask)
    bits = BITS[x.dtype]
    keep = all_or_nothing(mask, bits)
    out = np.bitwise_and(x.view(bits), keep)
    np.invert(keep, keep)
    np.bitwise_and(np.asarray(value, x.dtype).view(bits), keep, keep)
    np.bitwise_or(out, keep, out)
    return out.view(x.dtype)


def where(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where the condition holds, else ``b``."""
    out = by_bits(condition, a, b)
    return declared("where")(condition, a, b) if out is None else out


KERNELS: dict[str, Callable[..., Any]] = {"masked_fill": masked_fill, "where": where}
