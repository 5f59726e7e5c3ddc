"""shape: views, by the array's own methods; what they refuse, the declaration explains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .common import declared

_nditer: Any = np.nditer
_FLAGS = ("multi_index", "refs_ok", "zerosize_ok")
_READONLY = ("readonly",)


def reshape(x: Any, *, shape: Any) -> Any:
    """The same values in another shape; a view where the layout allows it."""
    try:
        out = x.reshape(shape)
        if out.shape == shape or min(shape) >= -1:  # NumPy takes any negative number for -1
            return out
    except (ValueError, TypeError):
        pass
    return declared("reshape")(x, shape=shape)


def expand(x: Any, *, shape: Any) -> Any:
    """A read-only view that repeats ``x``: np.broadcast_to without its handling of arguments."""
    try:
        new = len(shape) - x.ndim
        if x.shape == shape[new:] and shape[:new] == (1,) * new:
            return x[(None,) * new + (...,)]  # repeats nothing, so it can be written
        if x.ndim == 0:  # the gradient of a full sum
            out = np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
            out.flags.writeable = False
            return out
        if not shape or min(shape) >= 0:
            return _nditer(x, _FLAGS, _READONLY, None, "C", itershape=shape).itviews[0]
    except (ValueError, TypeError):
        pass
    return declared("expand")(x, shape=shape)


def permute(x: Any, *, dims: Any) -> Any:
    """The dimensions in another order."""
    try:
        # NumPy cuts dimensions to 32 bits: 2**32 would be 0.
        if dims == () or (max(dims) < x.ndim and min(dims) >= -x.ndim):
            return x.transpose(dims)
    except (ValueError, TypeError):
        pass
    return declared("permute")(x, dims=dims)


def transpose(x: Any, *, dim0: int, dim1: int) -> Any:
    """Two dimensions exchanged."""
    try:
        if dim0.__class__ is not bool is not dim1.__class__:
            return x.swapaxes(dim0, dim1)
    except (ValueError, TypeError, OverflowError):
        pass
    return declared("transpose")(x, dim0=dim0, dim1=dim1)


KERNELS: dict[str, Callable[..., Any]] = {
    "reshape": reshape,
    "expand": expand,
    "permute": permute,
    "transpose": transpose,
}
