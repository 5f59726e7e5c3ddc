"""namespace: CuPy shaped like the array API standard, as the forwards see it."""

from __future__ import annotations

from typing import Any

import array_api_compat.cupy as _standard
import cupy

from .placement import where_they_are

#: Whether functions are to run where their arrays are, and those that do.
several = False
_placed: dict[str, Any] = {}


def asarray(data: Any, /, *, dtype: Any = None, copy: bool | None = None) -> Any:
    """An array on the current device, without the standard wrapper's switching of devices."""
    if copy:
        return cupy.array(data, dtype=dtype, copy=True)
    return cupy.asarray(data, dtype=dtype)


def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """``x`` with another element type."""
    return (_astype_there if several else _astype)(x, dtype, copy=copy)


def _astype(x: Any, dtype: Any, *, copy: bool) -> Any:
    return x.astype(dtype, copy=copy)


_astype_there = where_they_are(_astype)


def __getattr__(name: str) -> Any:
    if name in _placed:
        return _placed[name]
    try:
        found = getattr(_standard, name)
    except AttributeError:
        found = getattr(cupy, name)
    if several and callable(found) and not isinstance(found, type):
        found = _placed[name] = where_they_are(found)
    return found
