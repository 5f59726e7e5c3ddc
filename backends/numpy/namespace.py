"""namespace: NumPy as the forwards see it.

NumPy's, but for a few functions of NumPy's that are written in Python. In those a floating-point
warning is raised in NumPy's name, and ours could not be told from the user's; see ``adapter.py``.
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
    return getattr(np, name)
