"""complex: parts and wholes of complex arrays, as views or in one pass each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .common import declared

_WIDER = {np.dtype(np.float32): np.dtype(np.complex64), np.dtype(np.float64): np.dtype("c16")}


def view_as_real(x: Any) -> Any:
    """The same memory, with a last dimension for the two parts."""
    return x[..., None].view(x.real.dtype)


def view_as_complex(x: Any) -> Any:
    """The same memory, where the last dimension is dense; else a copy."""
    kind = _WIDER.get(x.dtype)
    if kind is None:
        return declared("view_as_complex")(x)
    if x.strides[-1] != x.itemsize:
        x = np.ascontiguousarray(x)
    return x.view(kind)[..., 0]


def sgn(x: Any) -> Any:
    """The sign (of NaN zero, as in PyTorch), or the direction of complex values."""
    if x.dtype.kind == "c":
        return np.sign(x)
    if x.dtype.kind == "b":
        return x.copy()
    return np.subtract(x > 0, x < 0, dtype=np.int8).astype(x.dtype)


KERNELS: dict[str, Callable[..., Any]] = {
    "sgn": sgn,
    "sign": sgn,
    "view_as_real": view_as_real,
    "view_as_complex": view_as_complex,
}
