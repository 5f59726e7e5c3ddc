"""depthwise: convolution of each channel for itself, a weighted sum of the channel moved about.

With strides the moves are views, otherwise long runs; see `moves`. Where the image has rows, these
are products with a band matrix, see `bands`, unless a zero of that would meet an infinity.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..parallel import side_by_side
from . import bands
from .moves import Moves

#: Of more outputs a channel a product gains something.
_FEW = 8


def suits(channels: int, w_shape: Any, groups: int) -> bool:
    """Whether each group is one channel, with few outputs."""
    return 1 < groups == channels and w_shape[1] == 1 and w_shape[0] // groups <= _FEW


def _factors(w: Any, channels: int, how: Moves) -> Any:
    """By channel, output of it, position in the kernel."""
    return w.reshape(channels, -1, len(how.moves), *(1,) * len(how.shape))


def forward(
    x: Any, w: Any, b: Any, sizes: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """(N, C, *spatial) and (O, 1, *kernel) to (N, O, *sizes)."""
    if bands.suits(sizes, w.shape[2:], stride, dilation) and np.isfinite(x).all():
        return bands.forward(x, w, b, sizes, stride, padding, dilation, groups)
    n, channels = x.shape[:2]
    how = Moves(x.shape[2:], w.shape[2:], sizes, stride, padding, dilation)
    out = np.empty((n, channels, len(w) // channels, *sizes), x.dtype)
    factors = _factors(w, channels, how)

    def work(images: slice) -> None:
        for i, c in how.blocks(images, channels):
            source = how.padded(x[i, c])
            total, found = how.room(source.shape[:2], x.dtype)
            term = np.empty(total.shape, x.dtype)
            for o in range(out.shape[2]):
                np.multiply(source[how.moves[0]], factors[c, o, 0], out=total)
                for k, move in enumerate(how.moves[1:], 1):
                    np.multiply(source[move], factors[c, o, k], out=term)
                    np.add(total, term, out=total)
                out[i, c, o] = found

    side_by_side(work, n, how.size(n, len(w)))
    out = out.reshape(n, len(w), *sizes)
    if b is not None:
        out += b.reshape(-1, *(1,) * len(sizes))
    return out


def of_weight(
    grad: Any, x: Any, shape: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """The gradient of the weight, of the given shape."""
    n, channels = x.shape[:2]
    how = Moves(x.shape[2:], shape[2:], grad.shape[2:], stride, padding, dilation)
    each = grad.reshape(n, channels, -1, *grad.shape[2:])
    sums: dict[int, Any] = {}

    def work(images: slice) -> None:
        total = sums[images.start] = np.zeros((channels, each.shape[2], len(how.moves)), x.dtype)
        for i, c in how.blocks(images, channels):
            source = how.padded(x[i, c])
            for o in range(each.shape[2]):
                g = how.spread(each[i, c, o])
                for k, move in enumerate(how.moves):
                    along = np.vecdot(source[move], g)
                    total[c, o, k] += along.sum((0, *range(2, along.ndim)))

    side_by_side(work, n, how.size(n, grad.shape[1]))
    first, *rest = (sums[start] for start in sorted(sums))
    return sum(rest, first).reshape(shape)


def of_input(
    grad: Any, w: Any, b: Any, shape: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """The gradient of the input, of the given shape."""
    if bands.suits(grad.shape[2:], w.shape[2:], stride, dilation) and np.isfinite(grad).all():
        return bands.of_input(grad, w, b, shape, stride, padding, dilation, groups)
    n, channels = shape[:2]
    how = Moves(shape[2:], w.shape[2:], grad.shape[2:], stride, padding, dilation)
    each = grad.reshape(n, channels, -1, *grad.shape[2:])
    factors = _factors(w, channels, how)
    out = np.empty(shape, grad.dtype)

    def work(images: slice) -> None:
        for i, c in how.blocks(images, channels):
            total = np.zeros((*out[i, c].shape[:2], *how.image), grad.dtype)
            term = np.empty((*total.shape[:2], *how.shape), grad.dtype)
            for o in range(each.shape[2]):
                g = how.spread(each[i, c, o])
                for k, move in enumerate(how.moves):
                    np.multiply(g, factors[c, o, k], out=term)
                    target = total[move]
                    np.add(target, term, out=target)
            out[i, c] = how.unpadded(total)

    side_by_side(work, n, how.size(n, grad.shape[1]))
    if b is not None:
        out += b.reshape(-1, *(1,) * (len(shape) - 2))
    return out
