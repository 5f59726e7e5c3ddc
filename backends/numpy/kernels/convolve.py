"""convolve: convolution as one matrix product for some images at a time.

With the channels last, what an output value is a product with is a few long runs of memory, so the
matrix of those is written at nearly the speed of copying. It is of so few images that it stays in
the cache until the product has read it; the cores work on different images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from anadrome.formats import keeping
from anadrome.ops.convolve import offsets, out_size

from . import depthwise, runs
from .common import BLAS, HALVES, buffer, declared, in_float32
from .moves import share


def convolution(
    x: Any, w: Any, b: Any = None, *, stride: Any, padding: Any, dilation: Any, groups: int = 1
) -> Any:
    """(N, C, *spatial) and (O, C / groups, *kernel) to (N, O, *out)."""
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    kernel = w.shape[2:]
    sizes = tuple(map(out_size, x.shape[2:], kernel, stride, padding, dilation))
    fits = w.size and x.shape[1] == w.shape[1] * groups and min(sizes) > 0
    moving = _moving(x.shape, w.shape, sizes, stride, dilation, groups)
    if fits and _known(x, w) and moving:
        return moving.forward(x, w, b, sizes, **how)
    if not _plain(x, w) or not fits:
        if x.dtype in HALVES:
            return in_float32(convolution, x, w, b, **how)
        return declared("convolution")(x, w, b, **how)
    n, channels = len(x), w.shape[0]
    out = np.empty((n, channels, *sizes), x.dtype)
    if groups == 1 and max(kernel) == max(stride) == 1 and not any(padding):
        return _pointwise(x, w, b, out)
    rows = _last(w).reshape(groups, channels // groups, -1)

    def work(part: slice) -> None:
        columns = _columns(x[part], padding, kernel, sizes, stride, dilation, groups)
        product = np.matmul(rows, columns.mT)  # (groups, channels / groups, values)
        if b is not None:
            product += b.reshape(groups, -1, 1)
        # In runs as long as an image.
        target = out[part].reshape(-1, channels, math.prod(sizes))
        target[...] = product.reshape(channels, len(target), -1).swapaxes(0, 1)

    share(work, n, math.prod(sizes) * math.prod(kernel) * x.shape[1])
    return out


def _pointwise(x: Any, w: Any, b: Any, out: Any) -> Any:
    """A window of one value: a product with the pixels where they lie."""
    rows, channels = w.shape[:2]
    pixels = x.reshape(len(x), channels, -1)
    target = out.reshape(len(x), rows, -1)

    def work(part: slice) -> None:
        np.matmul(w.reshape(rows, channels), pixels[part], out=target[part])
        if b is not None:
            target[part] += b.reshape(-1, 1)

    share(work, len(x), pixels[0].size)
    return out


def conv_weight(
    grad: Any, x: Any, *, shape: Any, stride: Any, padding: Any, dilation: Any, groups: int = 1
) -> Any:
    """The gradient of the weight, of the given shape."""
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    sizes = tuple(map(out_size, x.shape[2:], shape[2:], stride, padding, dilation))
    fits = 0 not in shape and grad.shape[2:] == sizes
    moving = _moving(x.shape, shape, sizes, stride, dilation, groups)
    if fits and _known(x, grad) and moving:
        total = moving.of_weight(grad, x, shape, **how)
        if np.isfinite(total).all():  # else there may be zeros times infinity
            return total
    if not _plain(x, grad) or not fits:
        if x.dtype in HALVES:
            return in_float32(conv_weight, grad, x, shape=shape, **how)
        return declared("conv_weight")(grad, x, shape=shape, **how)
    kernel, each = shape[2:], shape[0] // groups

    def work(part: slice) -> Any:
        columns = _columns(x[part], padding, kernel, sizes, stride, dilation, groups)
        return np.matmul(_values(grad[part], groups, each), columns)

    total = share(work, len(x), math.prod(sizes) * math.prod(kernel) * x.shape[1])
    total = total.reshape(shape[0], *kernel, shape[1])
    return np.ascontiguousarray(np.moveaxis(total, -1, 1))


def conv_input(
    grad: Any, w: Any, b: Any = None, *, shape: Any, stride: Any, padding: Any, dilation: Any,
    groups: int = 1,
) -> Any:  # fmt: skip
    """The gradient of the input, of the given shape; with a bias, the transposed convolution."""
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    sizes = tuple(map(out_size, shape[2:], w.shape[2:], stride, padding, dilation))
    fits = 0 not in shape and grad.shape[2:] == sizes
    moving = _moving(shape, w.shape, sizes, stride, dilation, groups)
    # Zeros would be multiplied with an infinity.
    if fits and _known(w, grad) and moving and np.isfinite(w).all():
        return moving.of_input(grad, w, b, shape, **how)
    if not _plain(w, grad) or not fits:
        if w.dtype in HALVES:
            return in_float32(conv_input, grad, w, b, shape=shape, **how)
        return declared("conv_input")(grad, w, b, shape=shape, **how)
    n, channels = shape[:2]
    kernel, each = w.shape[2:], w.shape[0] // groups
    mirrored = tuple(d * (k - 1) - p for d, k, p in zip(dilation, kernel, padding))
    cheap = max(stride) == 1 and each <= 4 * w.shape[1] and each * groups >= 4
    # Zeros around the gradient would be multiplied with an infinity.
    if cheap and min(mirrored) >= 0 and np.isfinite(w).all():
        # The convolution of the gradient with the weight mirrored: copies, and adds nothing up.
        flipped = np.flip(w, tuple(range(2, w.ndim))).reshape(groups, each, *w.shape[1:])
        flipped = flipped.swapaxes(1, 2).reshape(channels, each, *kernel)
        how = {"stride": stride, "padding": mirrored, "dilation": dilation, "groups": groups}
        return convolution(grad, flipped, b, **how)
    spatial = tuple(m + 2 * p for m, p in zip(shape[2:], padding))
    out = np.zeros((n, *spatial, groups, channels // groups), grad.dtype)
    rows = _last(w).reshape(groups, each, -1)
    places = list(offsets(kernel, sizes, stride, dilation))

    def work(part: slice) -> None:
        columns = np.matmul(_values(grad[part], groups, each).mT, rows)
        columns = columns.reshape(groups, -1, *sizes, len(places), channels // groups)
        target = np.moveaxis(out[part], -2, 0)
        for i, where in enumerate(places):
            target[(slice(None), slice(None), *where)] += columns[..., i, :]

    share(work, n, math.prod(sizes) * math.prod(kernel) * channels)
    inner = tuple(slice(p, p + m) for m, p in zip(shape[2:], padding))
    out = out.reshape(n, *spatial, channels)[(slice(None), *inner)]
    if b is not None:
        out = out + b
    return np.ascontiguousarray(np.moveaxis(out, -1, 1))


def _moving(x_shape: Any, w_shape: Any, sizes: Any, stride: Any, dilation: Any, groups: int) -> Any:
    """The file that convolves by moving the image, if one does this kind."""
    if depthwise.suits(x_shape[1], w_shape, groups):
        return depthwise
    return runs if runs.suits(sizes, w_shape[2:], stride, dilation) else None


def _known(a: Any, b: Any) -> bool:
    """Of one type that BLAS knows, and not empty."""
    return a.dtype in BLAS and a.dtype is b.dtype and a.ndim >= 3 and a.size > 0 and b.size > 0


def _plain(a: Any, b: Any) -> bool:
    """And with channels enough to make runs of."""
    return _known(a, b) and a.shape[1] >= 4


def _last(a: Any) -> Any:
    """Dimension 1 last, contiguous."""
    return np.ascontiguousarray(np.moveaxis(a, 1, -1))


def _values(grad: Any, groups: int, each: int) -> Any:
    """(N, O, *out) as (groups, O / groups, N · out)."""
    split = grad.reshape(len(grad), groups, each, -1)
    return split.transpose(1, 2, 0, 3).reshape(groups, each, -1)


def _padded(x: Any, padding: Any) -> Any:
    """With the channels last, and zeros around."""
    x = np.moveaxis(x, 1, -1)
    if not any(padding):
        return np.ascontiguousarray(x)
    lengths = (n + 2 * p for n, p in zip(x.shape[1:-1], padding))
    out = np.zeros((len(x), *lengths, x.shape[-1]), x.dtype)
    out[(slice(None), *(slice(p, p + n) for n, p in zip(x.shape[1:-1], padding)))] = x
    return out


def _columns(
    x: Any, padding: Any, kernel: Any, sizes: Any, stride: Any, dilation: Any, groups: int
) -> Any:
    """(groups, N · out, kernel · C / groups): a row is what one output value is a product with."""
    x = _padded(x, padding)
    of_image, *of_space, of_channel = x.strides
    each = x.shape[-1] // groups
    windows: Any = np.ndarray(  # what as_strided makes, in a tenth of the time
        (groups, len(x), *sizes, *kernel, each),
        x.dtype,
        x,
        0,
        (
            each * of_channel,
            of_image,
            *(n * s for n, s in zip(of_space, stride)),
            *(n * d for n, d in zip(of_space, dilation)),
            of_channel,
        ),
    )
    out = buffer(windows.size, x.dtype).reshape(windows.shape)
    np.copyto(out, windows)
    return out.reshape(groups, len(x) * math.prod(sizes), -1)


KERNELS: dict[str, Callable[..., Any]] = {
    "convolution": keeping(convolution),
    "conv_weight": conv_weight,
    "conv_input": keeping(conv_input),
}
