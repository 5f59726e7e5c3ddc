"""precision: whether float32 products may round their factors to TF32 (11 bits). CuPy's default,
and ours, is that they may not."""

from __future__ import annotations

import cupy._core._routines_linalg as products
import numpy as np


def allow_tf32(allowed: bool) -> None:
    """For products on the current device, which must have compute capability 8.0 for it."""
    products.set_compute_type(
        np.float32, products.COMPUTE_TYPE_TF32 if allowed else products.COMPUTE_TYPE_DEFAULT
    )


def allowed() -> bool:
    """Whether it is allowed now."""
    return bool(products.get_compute_type(np.float32) == products.COMPUTE_TYPE_TF32)
