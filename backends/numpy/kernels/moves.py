"""moves: a position in a convolution's kernel as a move of the padded image.

A padded image lies flat in memory, so without strides a position in the kernel is one number to
move it by, and what the outputs are sums of are long runs. What a run takes across the edge of an
image's rows falls between the values of the output, and is left out. And how convolutions share
their images among the cores.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from anadrome.ops.convolve import offsets

from .. import blas
from .common import BLOCK, buffer

#: Elements of the matrix that is written at a time: 1 MiB of float32, half a second-level cache.
_MATRIX = 2**18


class Moves:
    """How one convolution moves its images, and where in the sum the values of the output are."""

    def __init__(
        self, spatial: Any, kernel: Any, sizes: Any, stride: Any, padding: Any, dilation: Any
    ) -> None:
        self.lengths = tuple(n + 2 * p for n, p in zip(spatial, padding))
        self.inner: Any = (..., *(slice(p, p + n) for n, p in zip(spatial, padding)))
        self.runs = max(stride) == 1
        self.sizes = sizes
        #: The shape of a sum; that of one whose rows are as long as the image's; what is moved.
        self.shape, self.rows, self.image = sizes, sizes, self.lengths
        self.found: Any = (..., *(slice(0, n) for n in sizes))
        self.moves: list[Any] = [
            (..., *where) for where in offsets(kernel, sizes, stride, dilation)
        ]
        if self.runs:
            steps = [math.prod(self.lengths[i + 1 :]) for i in range(len(sizes))]
            span = sum((n - 1) * s for n, s in zip(sizes, steps)) + 1
            self.kernel, self.strides = kernel, [d * s for d, s in zip(dilation, steps)]
            places = itertools.product(*(range(k) for k in kernel))
            starts = [sum(i * s for i, s in zip(p, self.strides)) for p in places]
            self.moves = [(..., slice(start, start + span)) for start in starts]
            self.shape, self.image = (span,), (math.prod(self.lengths),)
            self.rows = (sizes[0], *self.lengths[1:])

    def padded(self, x: Any) -> Any:
        out = np.zeros((*x.shape[:2], *self.lengths), x.dtype)
        out[self.inner] = x
        return out.reshape(*x.shape[:2], *self.image)

    def unpadded(self, x: Any) -> Any:
        return x.reshape(*x.shape[:2], *self.lengths)[self.inner]

    def room(self, lead: Any, dtype: Any) -> tuple[Any, Any]:
        """Memory for a sum of each of (n, channels), and where in it the output is found."""
        whole = np.zeros((*lead, *self.rows), dtype)
        flat = whole.reshape(*lead, -1)[..., : math.prod(self.shape)]
        return flat.reshape(*lead, *self.shape), whole[self.found]

    def spread(self, grad: Any) -> Any:
        """A gradient of the output as one of the sum."""
        if not self.runs:
            return grad
        total, found = self.room(grad.shape[:2], grad.dtype)
        found[...] = grad
        return total

    def columns(self, x: Any) -> Any:
        """(n, channels, positions in the kernel, span): the image, moved to each."""
        source = self.padded(x)
        n, channels = x.shape[:2]
        views: Any = np.ndarray(
            (n, channels, *self.kernel, *self.shape), x.dtype, source, 0,
            (*source.strides[:2], *(s * x.itemsize for s in self.strides), x.itemsize),
        )  # fmt: skip
        out = buffer(views.size, x.dtype).reshape(views.shape)
        np.copyto(out, views)
        return out.reshape(n, channels, len(self.moves), -1)

    def blocks(self, images: slice, channels: int) -> Iterator[tuple[slice, slice]]:
        """Images and channels of which a sum each fits the cache."""
        return blocks(math.prod(self.lengths), images, channels)

    def size(self, n: int, channels: int) -> int:
        return n * channels * math.prod(self.rows) * len(self.moves)


def blocks(plane: int, images: slice, channels: int) -> Iterator[tuple[slice, slice]]:
    """Images and channels of which a plane each, of so many values, fits the cache."""
    some = min(max(BLOCK // plane, 1), channels)
    step = max(BLOCK // (plane * channels), 1)
    for i in range(images.start, images.stop, step):
        for c in range(0, channels, some):
            yield slice(i, min(i + step, images.stop)), slice(c, min(c + some, channels))


def share(work: Callable[[slice], Any], n: int, elements: int) -> Any:
    """``work`` on as many images at a time as make one matrix, of which one needs ``elements``.

    Returns the sum of what it returns, always added up in the same order.
    """
    step = max(_MATRIX // max(elements, 1), 1)
    totals: dict[int, Any] = {}

    def through(images: slice) -> None:
        total = None
        for start in range(images.start, images.stop, step):
            part = work(slice(start, min(start + step, images.stop)))
            total = part if total is None else np.add(total, part, out=total)
        totals[images.start] = total

    blas.side_by_side(through, n, n * elements)
    first, *rest = (totals[start] for start in sorted(totals))
    return first if first is None else sum(rest, first)
