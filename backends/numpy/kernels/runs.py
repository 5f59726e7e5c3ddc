"""runs: convolution as one matrix product for some images at a time, of the image's moves.

Without strides the rows of that matrix are long runs of the padded image, which are written at the
speed of copying, and the product lies as the output does. See `moves`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .moves import Moves, share

#: Smaller images are better taken together, with their channels last.
_AREA = 100
#: How much longer than the output a run may be: so much more is multiplied.
_WASTE = 1.25


def suits(sizes: Any, kernel: Any, stride: Any, dilation: Any) -> bool:
    """Whether there are no strides, and the output fills most of the runs that it lies in."""
    if max(stride) > 1 or max(kernel) == 1:
        return False
    rows = math.prod(n + d * (k - 1) for n, k, d in zip(sizes[1:], kernel[1:], dilation[1:]))
    area = math.prod(sizes)
    return area >= _AREA and sizes[0] * rows <= _WASTE * area


def forward(
    x: Any, w: Any, b: Any, sizes: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """(N, C, *spatial) and (O, C / groups, *kernel) to (N, O, *sizes)."""
    how = Moves(x.shape[2:], w.shape[2:], sizes, stride, padding, dilation)
    out = np.empty((len(x), len(w), *sizes), x.dtype)
    rows = w.reshape(groups, len(w) // groups, -1)
    bias = None if b is None else b.reshape(-1, *(1,) * len(sizes))

    def work(images: slice) -> None:
        columns = how.columns(x[images]).reshape(-1, groups, rows.shape[2], *how.shape)
        target = out[images]
        whole = np.empty((*target.shape[:2], *how.rows), x.dtype)
        flat = whole.reshape(len(target), groups, rows.shape[1], -1)
        np.matmul(rows, columns, out=flat[..., : how.shape[0]])
        if bias is None:
            target[...] = whole[how.found]
        else:
            np.add(whole[how.found], bias, out=target)

    share(work, len(x), x.shape[1] * len(how.moves) * how.shape[0])
    return out


def of_weight(
    grad: Any, x: Any, shape: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """The gradient of the weight, of the given shape."""
    how = Moves(x.shape[2:], shape[2:], grad.shape[2:], stride, padding, dilation)

    def work(images: slice) -> Any:
        columns = how.columns(x[images])
        g = how.spread(grad[images])
        columns = columns.reshape(len(g), groups, -1, *how.shape)
        # The long side first: BLAS is a third faster than with the operands exchanged.
        return np.matmul(columns, g.reshape(len(g), groups, -1, *how.shape).mT).sum(0)

    total = share(work, len(x), x.shape[1] * len(how.moves) * how.shape[0])
    return np.ascontiguousarray(total.mT).reshape(shape)


def of_input(
    grad: Any, w: Any, b: Any, shape: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """The gradient of the input, of the given shape."""
    how = Moves(shape[2:], w.shape[2:], grad.shape[2:], stride, padding, dilation)
    rows = np.ascontiguousarray(w.reshape(groups, len(w) // groups, -1).mT)
    out = np.empty(shape, grad.dtype)
    bias = None if b is None else b.reshape(-1, *(1,) * (len(shape) - 2))

    def work(images: slice) -> None:
        g = how.spread(grad[images])
        columns = np.matmul(rows, g.reshape(len(g), groups, -1, *how.shape))
        columns = columns.reshape(len(g), shape[1], len(how.moves), *how.shape)
        total = np.zeros((len(g), shape[1], *how.image), grad.dtype)
        for k, move in enumerate(how.moves):
            moved = total[move]
            np.add(moved, columns[:, :, k], out=moved)
        target = out[images]
        if bias is None:
            target[...] = how.unpadded(total)
        else:
            np.add(how.unpadded(total), bias, out=target)

    share(work, len(grad), shape[1] * len(how.moves) * how.shape[0])
    return out
