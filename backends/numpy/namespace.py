"""namespace: NumPy as the forwards see it.

NumPy's, but for functions of NumPy's that are written in Python: they take microseconds before they
begin. In some, too, a floating-point warning is raised in NumPy's name, and ours could not be told
from the user's; see ``adapter.py``.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from . import choosing

#: It has no infinity: PyTorch gives the largest value for what lies beyond, NumPy NaN.
FLOAT8_E4M3 = np.dtype(ml_dtypes.float8_e4m3fn)


def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
    """``x`` with another element type."""
    if dtype is FLOAT8_E4M3:
        x = np.clip(x.astype(np.float32), -448.0, 448.0)
    return x.astype(dtype, copy=copy)


def sum(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The sum over the axes."""
    return np.add.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]


def prod(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The product over the axes."""
    return np.multiply.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]


def mean(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The mean over the axes; NaN of nothing."""
    total = np.add.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]
    return total / np.asarray(x.size // total.size if x.size else 0, total.dtype)


def max(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The largest over the axes."""
    return np.maximum.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]


def min(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """The smallest over the axes."""
    return np.minimum.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]


def any(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether any over the axes is true."""
    return np.logical_or.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]


def all(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all over the axes are true."""
    return np.logical_and.reduce(x, axis=axis, keepdims=keepdims)  # type: ignore[call-overload]


def expand_dims(x: Any, /, *, axis: int = 0) -> Any:
    """``x`` with one dimension more, of length one."""
    shape = x.shape
    axis = axis if axis >= 0 else axis + len(shape) + 1
    return x.reshape(*shape[:axis], 1, *shape[axis:])


def flip(x: Any, /, *, axis: Any = None) -> Any:
    """``x`` with the order of some axes reversed."""
    if axis.__class__ is not int:
        return np.flip(x, axis=axis)
    axis = axis if axis >= 0 else axis + x.ndim
    return x[(slice(None),) * axis + (_BACKWARDS,)]


_BACKWARDS = slice(None, None, -1)


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """Of each line along the axis, what its line of indices says."""
    ndim = x.ndim
    axis = axis if axis >= 0 else axis + ndim
    if indices.ndim != ndim or indices.dtype.kind not in "iu":
        return np.take_along_axis(x, indices, axis=axis)
    places = [
        indices if i == axis else np.arange(n).reshape(-1, *(1,) * (ndim - 1 - i))
        for i, n in enumerate(x.shape)
    ]
    return x[tuple(places)]


def from_parts(re: Any, im: Any, dtype: Any, /) -> Any:
    """Complex values from their parts, in one pass."""
    out = np.empty(np.broadcast_shapes(re.shape, im.shape), dtype)
    out.real = re
    out.imag = im
    return out


def where(condition: Any, a: Any, b: Any, /) -> Any:
    """``a`` where the condition holds, else ``b``."""
    return choosing.where(condition, a, b)


def __getattr__(name: str) -> Any:
    found = globals()[name] = getattr(np, name)
    return found
