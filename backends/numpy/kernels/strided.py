"""strided: views that the array API cannot make: by strides, of windows, of diagonals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from anadrome.ops.diagonal import planes
from anadrome.ops.strided import compact, overlaps, strides_of, window_count

from .common import declared


def as_strided(
    x: Any, *, size: Any, stride: Any, offset: int = 0, strides: Any = None
) -> Any:  # fmt: skip
    """A view of the memory around ``x``; of a copy, if ``x`` is laid out otherwise.

    One whose own elements overlap cannot be written, as one that is expanded: of several results
    for the same place the last would win.
    """
    if 0 in x.shape or 0 in size or strides_of(x) != (strides or compact(x.shape)):
        return declared("as_strided")(x, size=size, stride=stride, offset=offset, strides=strides)
    memory = memory_of(x)
    first = place_in(memory, x) + offset * x.itemsize
    last = first + sum((n - 1) * s for n, s in zip(size, stride)) * x.itemsize
    compact_memory = memory.flags.c_contiguous or memory.flags.f_contiguous
    if not compact_memory or first < 0 or last + x.itemsize > memory.nbytes:
        return declared("as_strided")(x, size=size, stride=stride, offset=offset, strides=strides)
    return part_of(memory, first, size, x.dtype, tuple(s * x.itemsize for s in stride))


def memory_of(x: Any) -> Any:
    """The array whose memory ``x`` looks into; between the two may be objects of NumPy's own."""
    memory = x
    while (x := getattr(x, "base", None)) is not None:
        if isinstance(x, np.ndarray):
            memory = x
    return memory


def place_in(memory: Any, x: Any) -> int:
    """How many bytes from the beginning of ``memory`` the first element of ``x`` is."""
    return x.__array_interface__["data"][0] - memory.__array_interface__["data"][0]


def part_of(memory: Any, first: int, size: Any, dtype: Any, steps: Any) -> Any:
    """A view of a compact array, from a byte on, by steps in bytes.

    One whose own elements overlap cannot be written.
    """
    out = np.ndarray(size, dtype, memory.ravel("K").view(np.uint8), first, steps)
    if overlaps(size, [s // out.itemsize for s in steps]):
        out.flags.writeable = False
    return out


def unfold(x: Any, *, dimension: int, size: int, step: int) -> Any:
    """A view of windows along a dimension."""
    if not x.ndim:
        return declared("unfold")(x, dimension=dimension, size=size, step=step)
    axis, count = window_count(x.shape, dimension, size, step)
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :], size)
    s = x.strides
    return np.lib.stride_tricks.as_strided(
        x, shape, (*s[:axis], s[axis] * step, *s[axis + 1 :], s[axis])
    )


def diagonal(x: Any, *, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """A view of the diagonals, which can be written."""
    a, b = planes("diagonal", x.ndim, dim1, dim2)
    moved = x.transpose((*(i for i in range(x.ndim) if i not in (a, b)), a, b))
    moved = moved[..., :, offset:] if offset >= 0 else moved[..., -offset:, :]
    n = min(moved.shape[-2:])
    return np.einsum("...ii->...i", moved[..., :n, :n])


KERNELS: dict[str, Callable[..., Any]] = {
    "as_strided": as_strided,
    "unfold": unfold,
    "diagonal": diagonal,
    "contiguous": np.ndarray.copy,
}
