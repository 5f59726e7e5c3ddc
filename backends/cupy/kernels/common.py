"""common: what kernels take, and how their CUDA source is compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import ml_dtypes
import numpy as np

from ..source import WIDE

#: From what has run an op until now to the op's kernel.
Maker = Callable[[Callable[..., Any]], Callable[..., Any]]

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
#: The element types that kernels take, and CUDA's names for them.
NAMES = {
    np.dtype(np.float32): "float", np.dtype(np.float64): "double",
    np.dtype(np.float16): "__half", BFLOAT16: "__nv_bfloat16",
}  # fmt: skip


def elementwise(name: str, inputs: str, body: str, preamble: str = "") -> Any:
    """A kernel from arrays of one element type ``T`` to one ``out``, whatever their strides."""
    return cupy.ElementwiseKernel(
        inputs, "T out", body, f"anadrome_{name}", preamble=WIDE + preamble
    )


def floating(x: Any) -> bool:
    """Whether it is an array of an element type that the kernels take."""
    return getattr(x, "dtype", None) in NAMES


def alike(x: Any, *others: Any) -> bool:
    """Whether they are arrays of one element type that the kernels take."""
    return floating(x) and all(getattr(other, "dtype", None) == x.dtype for other in others)
