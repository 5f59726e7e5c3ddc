"""bands: convolution of each channel for itself as products of the image's rows with a band matrix.

Along the last dimension a kernel is a matrix that has its values along a diagonal and zeros
elsewhere. Rows of a few dozen values times that matrix are a small product, which BLAS is done with
before as many passes over short runs of memory have begun.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import blas
from .moves import blocks

#: The longest rows: of longer ones a product does too much for nothing.
_LONG = 40
#: Rows, and values of a row, of which a product is worth its call.
_FEW = 4


class Bands:
    """How one convolution's image lies, and its kernel in band matrices."""

    def __init__(
        self, spatial: Any, kernel: Any, sizes: Any, stride: Any, padding: Any, dilation: Any
    ) -> None:
        self.kernel, self.sizes, self.stride, self.dilation = kernel, sizes, stride, dilation
        self.lengths = tuple(n + 2 * p for n, p in zip(spatial, padding))
        self.inner: Any = (..., *(slice(p, p + n) for n, p in zip(spatial, padding)))

    def of(self, w: Any, channels: int) -> Any:
        """The weight as (positions in the kernel's other dimensions, outputs, channels, ...).

        The rest is lengths of 1 for the image's other dimensions, and a matrix.
        """
        w = w.reshape(channels, -1, math.prod(self.kernel[:-1]), self.kernel[-1])
        out = np.zeros((*w.shape[:3], self.lengths[-1], self.sizes[-1]), w.dtype)
        line = np.arange(self.sizes[-1])
        for k in range(self.kernel[-1]):
            out[..., line * self.stride[-1] + k * self.dilation[-1], line] = w[..., k, None]
        out = np.ascontiguousarray(out.transpose(2, 1, 0, 3, 4))
        return out.reshape(*out.shape[:3], *(1,) * (len(self.sizes) - 2), *out.shape[3:])

    def padded(self, x: Any) -> Any:
        out = np.zeros((*x.shape[:2], *self.lengths), x.dtype)
        out[self.inner] = x
        return out

    def moved(self, image: Any) -> Iterator[Any]:
        """For each of those positions, the rows of the image that it meets."""
        for at in itertools.product(*(range(k) for k in self.kernel[:-1])):
            yield image[
                (
                    ...,
                    *(
                        slice(i * d, i * d + s * (n - 1) + 1, s)
                        for i, d, s, n in zip(at, self.dilation, self.stride, self.sizes)
                    ),
                    slice(None),
                )
            ]

    def size(self, n: int, channels: int) -> int:
        return n * channels * math.prod((*self.sizes, *self.kernel))


def suits(sizes: Any, kernel: Any, stride: Any, dilation: Any) -> bool:
    """Whether there are rows for products, of which most values are not multiplied by zero."""
    if len(sizes) < 2 or sizes[-2] < _FEW or kernel[-1] == 1:
        return False
    reach = dilation[-1] * (kernel[-1] - 1) + stride[-1] * sizes[-1]
    return _FEW <= sizes[-1] <= _LONG and reach <= 3 * _LONG


def forward(
    x: Any, w: Any, b: Any, sizes: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """(N, C, *spatial), which is finite, and (O, 1, *kernel) to (N, O, *sizes)."""
    n, channels = x.shape[:2]
    how = Bands(x.shape[2:], w.shape[2:], sizes, stride, padding, dilation)
    bands = how.of(w, channels)
    out = np.empty((n, channels, len(w) // channels, *sizes), x.dtype)

    def work(images: slice) -> None:
        for i, c in blocks(math.prod(how.lengths), images, channels):
            image = how.padded(x[i, c])
            for o in range(out.shape[2]):
                first, *rest = how.moved(image)
                total = np.matmul(first, bands[0, o, c])
                for k, rows in enumerate(rest, 1):
                    total += np.matmul(rows, bands[k, o, c])
                out[i, c, o] = total

    blas.side_by_side(work, n, how.size(n, len(w)))
    out = out.reshape(n, len(w), *sizes)
    if b is not None:
        out += b.reshape(-1, *(1,) * len(sizes))
    return out


def of_input(
    grad: Any, w: Any, b: Any, shape: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    """The gradient of the input, of the given shape; that of the output is finite."""
    n, channels = shape[:2]
    how = Bands(shape[2:], w.shape[2:], grad.shape[2:], stride, padding, dilation)
    bands = np.ascontiguousarray(how.of(w, channels).mT)
    each = grad.reshape(n, channels, -1, *grad.shape[2:])
    out = np.empty(shape, grad.dtype)

    def work(images: slice) -> None:
        for i, c in blocks(math.prod(how.lengths), images, channels):
            total = np.zeros((*out[i, c].shape[:2], *how.lengths), grad.dtype)
            for o in range(each.shape[2]):
                for k, rows in enumerate(how.moved(total)):
                    np.add(rows, np.matmul(each[i, c, o], bands[k, o, c]), out=rows)
            out[i, c] = total[how.inner]

    blas.side_by_side(work, n, how.size(n, grad.shape[1]))
    if b is not None:
        out += b.reshape(-1, *(1,) * (len(shape) - 2))
    return out
