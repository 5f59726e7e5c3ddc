"""namespace: CuPy shaped like the array API standard, as the forwards see it."""

from __future__ import annotations

from typing import Any

import array_api_compat.cupy as _standard
import cupy


def asarray(data: Any, /, *, dtype: Any = None, copy: bool | None = None) -> Any:
    """An array on the current device, without the standard wrapper's switching of devices."""
    if copy:
        return cupy.array(data, dtype=dtype, copy=True)
    return cupy.asarray(data, dtype=dtype)


def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """``x`` with another element type."""
    return x.astype(dtype, copy=copy)


def __getattr__(name: str) -> Any:
    try:
        return getattr(_standard, name)
    except AttributeError:
        return getattr(cupy, name)
