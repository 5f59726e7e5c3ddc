"""depthwise: convolution of each channel for itself, a weighted sum of the channel moved about.

A padded image lies flat in memory, so a position in the kernel is one number to move it by, and the
sum is of long runs that stay in the cache. What a run takes across the edge of an image's rows
falls between the values of the output, and is left out. With strides there are no runs, only views.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from anadrome.ops.convolve import offsets

from ..parallel import side_by_side
from .common import BLOCK

#: Of more outputs a channel a product gains something.
_FEW = 8


def suits(channels: int, w_shape: Any, groups: int) -> bool:
    """Whether each group is one channel, with few outputs."""
    return 1 < groups == channels and w_shape[1] == 1 and w_shape[0] // groups <= _FEW


class _Moves:
    """How one convolution moves its images, and where in the sum the values of the output are."""

    def __init__(
        self, spatial: Any, kernel: Any, sizes: Any, stride: Any, padding: Any, dilation: Any
    ) -> None:
        self.lengths = tuple(n + 2 * p for n, p in zip(spatial, padding))
        self.inner = (..., *(slice(p, p + n) for n, p in zip(spatial, padding)))
        self.runs = max(stride) == 1
        self.sizes = sizes
        #: The shape of a sum; that of one whose rows are as long as the image's; what is moved.
        self.shape, self.rows, self.image = sizes, sizes, self.lengths
        self.found = (..., *(slice(0, n) for n in sizes))
        self.moves: list[Any] = [
            (..., *where) for where in offsets(kernel, sizes, stride, dilation)
        ]
        if self.runs:
            steps = [math.prod(self.lengths[i + 1 :]) for i in range(len(sizes))]
            span = sum((n - 1) * s for n, s in zip(sizes, steps)) + 1
            places = itertools.product(*(range(k) for k in kernel))
            starts = [sum(i * d * s for i, d, s in zip(p, dilation, steps)) for p in places]
            self.moves = [(..., slice(start, start + span)) for start in starts]
            self.shape, self.image = (span,), (math.prod(self.lengths),)
            self.rows = (sizes[0], *self.lengths[1:])

    def padded(self, x: Any) -> Any:
        out = np.zeros((*x.shape[:2], *self.lengths), x.dtype)
        out[self.inner] = x
        return out.reshape(*x.shape[:2], *self.image)

    def unpadded(self, x: Any) -> Any:
        return x.reshape(*x.shape[:2], *self.lengths)[self.inner]

    def room(self, n: int, channels: int, dtype: Any) -> tuple[Any, Any]:
        """Memory for a sum, and that of it which the output is found in."""
        whole = np.zeros((n, channels, *self.rows), dtype)
        flat = whole.reshape(n, channels, -1)[..., : math.prod(self.shape)]
        return flat.reshape(n, channels, *self.shape), whole[self.found]

    def spread(self, grad: Any) -> Any:
        """A gradient of the output as one of the sum."""
        if not self.runs:
            return grad
        total, found = self.room(*grad.shape[:2], grad.dtype)
        found[...] = grad
        return total

    def factors(self, w: Any, channels: int) -> Any:
        """By channel, output of it, position in the kernel."""
        return w.reshape(channels, -1, len(self.moves), *(1,) * len(self.shape))

    def blocks(self, images: slice, channels: int) -> Iterator[tuple[slice, slice]]:
        """Images and channels of which a sum each fits the cache."""
        plane = math.prod(self.lengths)
        some = min(max(BLOCK // plane, 1), channels)
        step = max(BLOCK // (plane * channels), 1)
        for i in range(images.start, images.stop, step):
            for c in range(0, channels, some):
                yield slice(i, min(i + step, images.stop)), slice(c, min(c + some, channels))

    def size(self, n: int, channels: int) -> int:
        return n * channels * math.prod(self.rows) * len(self.moves)


def forward(x: Any, w: Any, b: Any, sizes: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """(N, C, *spatial) and (O, 1, *kernel) to (N, O, *sizes)."""
    n, channels = x.shape[:2]
    how = _Moves(x.shape[2:], w.shape[2:], sizes, stride, padding, dilation)
    out = np.empty((n, channels, len(w) // channels, *sizes), x.dtype)
    factors = how.factors(w, channels)

    def work(images: slice) -> None:
        for i, c in how.blocks(images, channels):
            source = how.padded(x[i, c])
            total, found = how.room(*source.shape[:2], x.dtype)
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


def of_weight(grad: Any, x: Any, shape: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    """The gradient of the weight, of the given shape."""
    n, channels = x.shape[:2]
    how = _Moves(x.shape[2:], shape[2:], grad.shape[2:], stride, padding, dilation)
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
    grad: Any, w: Any, b: Any, shape: Any, stride: Any, padding: Any, dilation: Any
) -> Any:  # fmt: skip
    """The gradient of the input, of the given shape."""
    n, channels = shape[:2]
    how = _Moves(shape[2:], w.shape[2:], grad.shape[2:], stride, padding, dilation)
    each = grad.reshape(n, channels, -1, *grad.shape[2:])
    factors = how.factors(w, channels)
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
