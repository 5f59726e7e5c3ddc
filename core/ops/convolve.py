"""convolve: convolution and its two gradients, a family that is closed under differentiation.

``sum(g * conv(x, w))`` is linear in each of g, x and w. The three ops are its derivatives by g, x
and w, so the rules of each are the other two, and derivatives of any order exist.
Layout: x (N, C_in, *spatial), w (C_out, C_in / groups, *kernel), g (N, C_out, *out); b (C_out,).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from ..errors import ShapeError
from ..op import HALF, op
from ..samples import Arr, Sample
from .products import product
from .reduce import sum

_GEOMETRY = (
    ((2, 4, 5, 5), (6, 4, 3, 3), {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}),
    ((1, 2, 6, 5), (2, 2, 3, 2), {"stride": (2, 1), "padding": (0, 1), "dilation": (1, 2)}),
    ((2, 3, 7), (4, 3, 3), {"stride": (2,), "padding": (1,), "dilation": (1,)}),
)

# fmt: off
conv = op("convolution", lambda xp, x, w, b=None, *, stride, padding, dilation, groups=1:
              _forward(xp, x, w, b, stride, padding, dilation, groups),
          x=lambda g, w, x_shape, stride, padding, dilation, groups: conv_input(
              g, w, shape=tuple(x_shape), stride=stride, padding=padding, dilation=dilation,
              groups=groups),
          w=lambda g, x, w_shape, stride, padding, dilation, groups: conv_weight(
              g, x, shape=tuple(w_shape), stride=stride, padding=padding, dilation=dilation,
              groups=groups),
          b=lambda g: sum(g, dim=(0, *range(2, len(g.shape)))),
          amp=HALF, method=False,
          samples=[Sample((Arr(a), Arr(b)), kw) for a, b, kw in _GEOMETRY]
          + [Sample((Arr((2, 4, 4, 4)), Arr((6, 2, 3, 3)), Arr((6,))),
                    {**_GEOMETRY[0][2], "groups": 2})])
#: The gradient of the input, and so also the transposed convolution, which has a bias.
conv_input = op("conv_input",
                lambda xp, grad, w, b=None, *, shape, stride, padding, dilation, groups=1:
                    _input_gradient(xp, grad, w, b, shape, stride, padding, dilation, groups),
                grad=lambda g, w, stride, padding, dilation, groups: conv(
                    g, w, stride=stride, padding=padding, dilation=dilation, groups=groups),
                w=lambda g, grad, w_shape, stride, padding, dilation, groups: conv_weight(
                    grad, g, shape=tuple(w_shape), stride=stride, padding=padding,
                    dilation=dilation, groups=groups),
                b=lambda g: sum(g, dim=(0, *range(2, len(g.shape)))),
                amp=HALF, method=False, node="ConvolutionBackward0",
                samples=[Sample((Arr((2, 6, 5, 5)), Arr((6, 4, 3, 3))),
                                {"shape": (2, 4, 5, 5), **_GEOMETRY[0][2]}),
                         Sample((Arr((2, 4, 2)), Arr((4, 3, 3)), Arr((6,))),
                                {"shape": (2, 6, 6), "stride": (2,), "padding": (0,),
                                 "dilation": (1,), "groups": 2})])
conv_weight = op("conv_weight", lambda xp, grad, x, *, shape, stride, padding, dilation, groups=1:
                     _weight_gradient(xp, grad, x, shape, stride, padding, dilation, groups),
                 grad=lambda g, x, stride, padding, dilation, groups: conv(
                     x, g, stride=stride, padding=padding, dilation=dilation, groups=groups),
                 x=lambda g, grad, x_shape, stride, padding, dilation, groups: conv_input(
                     grad, g, shape=tuple(x_shape), stride=stride, padding=padding,
                     dilation=dilation, groups=groups),
                 amp=HALF, method=False,
                 samples=[Sample((Arr((2, 6, 5, 5)), Arr((2, 4, 5, 5))),
                                 {"shape": (6, 4, 3, 3), **_GEOMETRY[0][2]})])
# fmt: on


def out_size(n: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Length of a convolved dimension."""
    return (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def size_of(shape: Any) -> int:
    """How many values; -1 cannot stand for it where another length is 0."""
    size = 1
    for n in shape:
        size *= n
    return size


def sizes_of(shape: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> tuple[int, ...]:
    """The lengths of the convolved dimensions."""
    sizes = tuple(map(out_size, shape[2:], kernel, stride, padding, dilation))
    if min(sizes) <= 0 or min(kernel) <= 0:
        raise ShapeError(
            "Kernel size can't be zero, or greater than actual input size: the input is "
            f"{tuple(shape[2:])} with padding {tuple(padding)}, the kernel {tuple(kernel)}"
        )
    return sizes


def _fits(g: Any, sizes: Any) -> None:
    if tuple(g.shape[2:]) != sizes:
        raise ShapeError(f"the gradient {tuple(g.shape)} is not that of an output {sizes}")


def offsets(kernel: Any, sizes: Any, stride: Any, dilation: Any) -> Iterator[tuple[slice, ...]]:
    """For each position in the kernel, the places of the padded input that it meets."""
    for position in itertools.product(*(range(k) for k in kernel)):
        yield tuple(
            slice(p * d, p * d + s * (n - 1) + 1, s)
            for p, n, s, d in zip(position, sizes, stride, dilation)
        )


def padded(xp: Any, x: Any, padding: Any, value: float = 0.0) -> Any:
    """Padding of the spatial dimensions."""
    if not any(padding):
        return x
    shape = (*x.shape[:2], *(n + 2 * p for n, p in zip(x.shape[2:], padding)))
    out = xp.full(shape, value, dtype=x.dtype)
    inner = tuple(slice(p, n + p) for n, p in zip(x.shape[2:], padding))
    out[(slice(None), slice(None), *inner)] = x
    return out


def to_columns(xp: Any, x: Any, kernel: Any, sizes: Any, stride: Any, dilation: Any) -> Any:
    """(N, C, kernel positions, output positions): what each output value is a product with."""
    n, c = x.shape[:2]
    positions = list(offsets(kernel, sizes, stride, dilation))
    out = xp.empty((n, c, len(positions), *sizes), dtype=x.dtype)
    for i, where in enumerate(positions):
        out[:, :, i, ...] = x[(slice(None), slice(None), *where)]
    return xp.reshape(out, (n, c, len(positions), size_of(sizes)))


def from_columns(
    xp: Any, columns: Any, shape: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> Any:
    """The transpose: (N, C, kernel positions, *out) added up where each value came from."""
    sizes = columns.shape[3:]
    lengths = (m + 2 * p for m, p in zip(shape[2:], padding))
    out = xp.zeros((*shape[:2], *lengths), dtype=columns.dtype)
    for i, where in enumerate(offsets(kernel, sizes, stride, dilation)):
        out[(slice(None), slice(None), *where)] += columns[:, :, i, ...]
    inner = tuple(slice(p, m + p) for m, p in zip(shape[2:], padding))
    return out[(slice(None), slice(None), *inner)]


def _forward(
    xp: Any, x: Any, w: Any, b: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    kernel = w.shape[2:]
    sizes = sizes_of(x.shape, kernel, stride, padding, dilation)
    columns = to_columns(xp, padded(xp, x, padding), kernel, sizes, stride, dilation)
    n = x.shape[0]
    depth = w.shape[1] * size_of(kernel)
    columns = xp.reshape(columns, (n, groups, depth, columns.shape[-1]))
    rows = xp.reshape(w, (groups, w.shape[0] // groups, depth))
    out = xp.reshape(product(xp, rows, columns), (n, w.shape[0], *sizes))
    if b is not None:
        out += xp.reshape(b, (1, -1) + (1,) * len(sizes))
    return out


def _input_gradient(
    xp: Any, g: Any, w: Any, b: Any, shape: Any, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> Any:  # fmt: skip
    n, c = shape[:2]
    kernel = w.shape[2:]
    sizes = sizes_of(shape, kernel, stride, padding, dilation)
    _fits(g, sizes)
    rows = xp.reshape(w, (groups, w.shape[0] // groups, w.shape[1] * size_of(kernel)))
    flat = xp.reshape(g, (n, groups, w.shape[0] // groups, size_of(sizes)))
    columns = xp.reshape(product(xp, rows.mT, flat), (n, c, size_of(kernel), *sizes))
    out = from_columns(xp, columns, shape, kernel, stride, padding, dilation)
    return out if b is None else out + xp.reshape(b, (1, -1) + (1,) * len(kernel))


def _weight_gradient(
    xp: Any, g: Any, x: Any, shape: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Any:
    kernel = shape[2:]
    _fits(g, sizes_of(x.shape, kernel, stride, padding, dilation))
    columns = to_columns(xp, padded(xp, x, padding), kernel, g.shape[2:], stride, dilation)
    n = x.shape[0]
    columns = xp.reshape(columns, (n, groups, shape[1] * size_of(kernel), columns.shape[-1]))
    flat = xp.reshape(g, (n, groups, shape[0] // groups, columns.shape[-1]))
    return xp.reshape(xp.sum(product(xp, flat, columns.mT), axis=0), shape)
