"""clipping: norms without temporaries, and no pass over gradients that are small enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..blas import brief
from .common import BLAS, F32, HALVES, declared

#: Elements whose squares are summed in their own precision; the sums of these in double.
_RUN = 65536


def total_norm(*tensors: Any, norm_type: float) -> Any:
    kind = tensors[0].dtype
    if norm_type != 2 or any(t.dtype is not kind for t in tensors):
        return declared("total_norm")(*tensors, norm_type=norm_type)
    if kind not in BLAS and kind not in HALVES:
        return declared("total_norm")(*tensors, norm_type=norm_type)
    total = 0.0
    with brief():
        for t in tensors:
            flat = t.ravel("K")  # any order serves, so that a transposed gradient is not copied
            for start in range(0, flat.size, _RUN):
                run = flat[start : start + _RUN]
                if kind in HALVES:
                    run = run.astype(F32)
                total += float(np.dot(run, run))
    return np.array(math.sqrt(total)).astype(kind)


def shrink_to_norm(*tensors: Any, max_norm: float) -> None:
    factor = max_norm / (tensors[-1] + 1e-6)
    if factor >= 1.0:
        return
    for t in tensors[:-1]:
        np.multiply(t, factor.astype(t.dtype), t)


def clip_values(*tensors: Any, limit: float) -> None:
    for t in tensors:
        np.clip(t, -limit, limit, t)


KERNELS: dict[str, Callable[..., Any]] = {
    "total_norm": total_norm,
    "shrink_to_norm": shrink_to_norm,
    "clip_values": clip_values,
}
