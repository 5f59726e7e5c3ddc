"""determinants: their gradient by inverses, where those are as exact as singular values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .common import declared

#: In which type to invert, and up to which condition that loses nothing.
_EXACT = {"f": ("d", 1e6), "F": ("D", 1e6), "d": ("d", 1e5), "D": ("D", 1e5)}


def cofactors(x: Any) -> Any:
    """``det(x) * inv(x).mT`` of matrices far from singular; of the others what is declared."""
    whole = declared("cofactors")
    if x.dtype.char not in _EXACT or not x.size or not np.isfinite(x).all():
        return whole(x)
    kind, most = _EXACT[x.dtype.char]
    wide = x.astype(kind)
    with np.errstate(all="ignore"):
        try:
            inverse = np.linalg.inv(wide)
        except np.linalg.LinAlgError:
            return whole(x)
        size = np.linalg.det(wide)
        condition = _norm(wide) * _norm(inverse)
        out = (size[..., None, None] * inverse.mT).astype(x.dtype)
        good = (condition < most) & np.isfinite(out).all((-2, -1)) & (size != 0)
    if good.all():
        return out
    out[~good] = whole(x[~good])
    return out


def _norm(x: Any) -> Any:
    """The largest sum of sizes in a column."""
    return np.abs(x).sum(-2).max(-1)


KERNELS: dict[str, Callable[..., Any]] = {"cofactors": cofactors}
