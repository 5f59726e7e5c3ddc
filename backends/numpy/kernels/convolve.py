"""convolve: convolution as one matrix product for many images.

With the channels last, what an output value is a product with is a few long runs of memory, so the
matrix of those is written at nearly the speed of copying. A few images at a time, so that it stays
in the cache until the product has read it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from anadrome.ops.convolve import offsets, out_size

from ..parallel import side_by_side
from .common import BLAS, HALVES, buffer, declared, in_float32

#: Elements of the matrix that is written at a time: 4 MiB of float32.
_MATRIX = 2**20


def convolution(
    x: Any, w: Any, b: Any = None, *, stride: Any, padding: Any, dilation: Any, groups: int = 1
) -> Any:
    """(N, C, *spatial) and (O, C / groups, *kernel) to (N, O, *out)."""
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    kernel = w.shape[2:]
    sizes = tuple(map(out_size, x.shape[2:], kernel, stride, padding, dilation))
    fits = w.size and x.shape[1] == w.shape[1] * groups and min(sizes) > 0
    if not _plain(x, w) or not fits:
        if x.dtype in HALVES:
            return in_float32(convolution, x, w, b, **how)
        return declared("convolution")(x, w, b, **how)
    n, channels = len(x), w.shape[0]
    out = np.empty((n, channels, *sizes), x.dtype)
    rows = _last(w).reshape(groups, channels // groups, -1)
    padded = _padded(x, padding)
    for part in _parts(n, math.prod(sizes) * math.prod(kernel) * x.shape[1]):
        columns = _columns(padded[part], kernel, sizes, stride, dilation, groups)
        product = np.matmul(rows, columns.mT)  # (groups, channels / groups, values)
        if b is not None:
            product += b.reshape(groups, -1, 1)
        # In runs as long as an image.
        target = out[part].reshape(-1, channels, math.prod(sizes))
        target[...] = product.reshape(channels, len(target), -1).swapaxes(0, 1)
    return out


def conv_weight(
    grad: Any, x: Any, *, shape: Any, stride: Any, padding: Any, dilation: Any, groups: int = 1
) -> Any:
    """The gradient of the weight, of the given shape."""
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    sizes = tuple(map(out_size, x.shape[2:], shape[2:], stride, padding, dilation))
    if not _plain(x, grad) or 0 in shape or grad.shape[2:] != sizes:
        if x.dtype in HALVES:
            return in_float32(conv_weight, grad, x, shape=shape, **how)
        return declared("conv_weight")(grad, x, shape=shape, **how)
    kernel, each = shape[2:], shape[0] // groups
    total: Any = 0
    padded = _padded(x, padding)
    for part in _parts(len(x), math.prod(sizes) * math.prod(kernel) * x.shape[1]):
        columns = _columns(padded[part], kernel, sizes, stride, dilation, groups)
        total = total + np.matmul(_values(grad[part], groups, each), columns)
    total = total.reshape(shape[0], *kernel, shape[1])
    return np.ascontiguousarray(np.moveaxis(total, -1, 1))


def conv_input(
    grad: Any, w: Any, b: Any = None, *, shape: Any, stride: Any, padding: Any, dilation: Any,
    groups: int = 1,
) -> Any:  # fmt: skip
    """The gradient of the input, of the given shape; with a bias, the transposed convolution."""
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    sizes = tuple(map(out_size, shape[2:], w.shape[2:], stride, padding, dilation))
    if not _plain(w, grad) or 0 in shape or grad.shape[2:] != sizes:
        if w.dtype in HALVES:
            return in_float32(conv_input, grad, w, b, shape=shape, **how)
        return declared("conv_input")(grad, w, b, shape=shape, **how)
    n, channels = shape[:2]
    kernel, each = w.shape[2:], w.shape[0] // groups
    mirrored = tuple(d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding))
    if max(stride) == 1 and min(mirrored) >= 0 and each <= 4 * w.shape[1] and each * groups >= 4:
        # The convolution of the gradient with the weight mirrored: copies, and adds nothing up.
        flipped = np.flip(w, tuple(range(2, w.ndim))).reshape(groups, each, *w.shape[1:])
        flipped = flipped.swapaxes(1, 2).reshape(channels, each, *kernel)
        how = {"stride": stride, "padding": mirrored, "dilation": dilation, "groups": groups}
        return convolution(grad, flipped, b, **how)
    spatial = tuple(m + 2 * p for m, p in zip(shape[2:], padding))
    out = np.zeros((n, *spatial, groups, channels // groups), grad.dtype)
    rows = _last(w).reshape(groups, each, -1)
    places = list(offsets(kernel, sizes, stride, dilation))
    for part in _parts(n, math.prod(sizes) * math.prod(kernel) * channels):
        columns = np.matmul(_values(grad[part], groups, each).mT, rows)
        columns = columns.reshape(groups, -1, *sizes, len(places), channels // groups)
        target = np.moveaxis(out[part], -2, 0)
        for i, where in enumerate(places):
            target[(slice(None), slice(None), *where)] += columns[..., i, :]
    inner = tuple(slice(p, p + m) for m, p in zip(shape[2:], padding))
    out = out.reshape(n, *spatial, channels)[(slice(None), *inner)]
    if b is not None:
        out = out + b
    return np.ascontiguousarray(np.moveaxis(out, -1, 1))


def _plain(a: Any, b: Any) -> bool:
    """Of one type that BLAS knows, not empty, and with channels enough to make runs of."""
    if a.dtype not in BLAS or a.dtype is not b.dtype or a.ndim < 3:
        return False
    return a.size > 0 and b.size > 0 and a.shape[1] >= 4


def _last(a: Any) -> Any:
    """Dimension 1 last, contiguous."""
    return np.ascontiguousarray(np.moveaxis(a, 1, -1))


def _values(grad: Any, groups: int, each: int) -> Any:
    """(N, O, *out) as (groups, O / groups, N · out)."""
    split = grad.reshape(len(grad), groups, each, -1)
    return split.transpose(1, 2, 0, 3).reshape(groups, each, -1)


def _parts(n: int, elements: int) -> Iterator[slice]:
    """The images, as many at a time as make one matrix; ``elements`` of it are one image's."""
    step = max(_MATRIX // max(elements, 1), 1)
    for start in range(0, n, step):
        yield slice(start, min(start + step, n))


def _padded(x: Any, padding: Any) -> Any:
    """With the channels last, and zeros around."""
    x = np.moveaxis(x, 1, -1)
    if not any(padding):
        return np.ascontiguousarray(x)
    lengths = (n + 2 * p for n, p in zip(x.shape[1:-1], padding))
    out = np.zeros((len(x), *lengths, x.shape[-1]), x.dtype)
    out[(slice(None), *(slice(p, p + n) for n, p in zip(x.shape[1:-1], padding)))] = x
    return out


def _columns(x: Any, kernel: Any, sizes: Any, stride: Any, dilation: Any, groups: int) -> Any:
    """(groups, N · out, kernel · C / groups): a row is what one output value is a product with."""
    of_image, *of_space, of_channel = x.strides
    each = x.shape[-1] // groups
    windows = as_strided(
        x,
        (groups, len(x), *sizes, *kernel, each),
        (
            each * of_channel,
            of_image,
            *(n * s for n, s in zip(of_space, stride)),
            *(n * d for n, d in zip(of_space, dilation)),
            of_channel,
        ),
    )
    out = buffer(windows.size, x.dtype).reshape(windows.shape)

    def copy(part: slice) -> None:
        np.copyto(out[:, part], windows[:, part])

    side_by_side(copy, len(x), out.size)
    return out.reshape(groups, len(x) * math.prod(sizes), -1)


KERNELS: dict[str, Callable[..., Any]] = {
    "convolution": convolution,
    "conv_weight": conv_weight,
    "conv_input": conv_input,
}
