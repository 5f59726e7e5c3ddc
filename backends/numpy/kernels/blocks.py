"""blocks: functions of each value for itself whose declaration makes dozens of passes.

Several cores share the blocks of a large array.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..parallel import LARGE, side_by_side
from .common import BLAS, BLOCK, declared

#: As much work as so many values of ``exp``.
_WORK = 16
_NAMES = (
    "airy_ai airy_ai_slope bessel_j0 bessel_j1 bessel_y0 bessel_y1 digamma erfc erfcx erfinv i0 "
    "i0e i1 i1e lgamma log_ndtr modified_bessel_k0 modified_bessel_k1 ndtri polygamma "
    "spherical_bessel_j0"
)


def _in_blocks(name: str) -> Callable[..., Any]:
    def kernel(x: Any, **metadata: Any) -> Any:
        whole = declared(name)
        if x.dtype not in BLAS or _WORK * x.size < LARGE:
            return whole(x, **metadata)
        out = np.empty(x.shape, x.dtype)
        source, target = x.reshape(-1), out.reshape(-1)

        def piece(part: slice) -> None:
            for start in range(part.start, part.stop, BLOCK):
                span = slice(start, min(start + BLOCK, part.stop))
                target[span] = whole(source[span], **metadata)

        side_by_side(piece, target.size, _WORK * target.size)
        return out

    return kernel


KERNELS: dict[str, Callable[..., Any]] = {name: _in_blocks(name) for name in _NAMES.split()}
