"""convolve: products with windows that compiled code has written out, some images at a time.

The matrix of some images' windows stays in the cache until BLAS has read it. Images are shared
among the cores. A channel that is convolved with itself alone is one loop without a matrix.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from anadrome.formats import keeping
from anadrome.ops.convolve import out_size

from .common import F32, Maker, Sums, buffer, enough, large

#: Elements of the matrix that is written at a time: 1 MiB, half a second-level cache.
_MATRIX = 2**18


class _Shape(NamedTuple):
    """A convolution's, in two dimensions."""

    images: int
    channels: int
    #: Of an image: its height and width.
    plane: tuple[int, int]
    #: The kernel's height and width, and the output's.
    window: tuple[int, int, int, int]
    #: Strides, paddings and dilations.
    how: tuple[int, int, int, int, int, int]
    groups: int
    #: Output channels of a group.
    each: int

    @property
    def depth(self) -> int:
        """How many values one output value is a product with."""
        return self.channels // self.groups * self.window[0] * self.window[1]

    @property
    def area(self) -> int:
        return self.window[2] * self.window[3]

    @property
    def pointwise(self) -> bool:
        """Whether the windows are the pixels where they lie."""
        return self.window[:2] == (1, 1) and self.how[:4] == (1, 1, 0, 0)

    @property
    def depthwise(self) -> bool:
        return self.groups == self.channels and self.each == 1

    def rows(self, w: Any) -> Any:
        return w.reshape(self.groups, self.each, self.depth)

    def of_images(self, a: Any) -> Any:
        """Output channels of each group, image by image."""
        return a.reshape(-1, self.groups, self.each, self.area)

    def pieces(self, part: slice) -> Iterator[slice]:
        step = max(_MATRIX // (self.groups * self.depth * self.area), 1)
        for start in range(part.start, part.stop, step):
            yield slice(start, min(start + step, part.stop))

    def room(self, images: int) -> Any:
        size = images * self.groups * self.depth * self.area
        return buffer(size).reshape(images, self.groups, self.depth, self.area)

    def columns(self, x: Any) -> Any:
        """(images, groups, depth, area): what each output value is a product with."""
        from ..loops import windows

        if self.pointwise:
            return x.reshape(len(x), self.groups, self.depth, self.area)
        out = self.room(len(x))
        planes = (len(x) * self.channels, *self.plane)
        windows.to_columns(x.reshape(-1), planes, out.reshape(-1), self.window, self.how)
        return out

    @property
    def size(self) -> int:
        return self.images * self.groups * self.depth * self.area


def _shape(
    x_shape: Any, w_shape: Any, *, stride: Any, padding: Any, dilation: Any, groups: int
) -> _Shape | None:
    """None if compiled code does not know such a convolution, or it is small."""
    sizes = tuple(map(out_size, x_shape[2:], w_shape[2:], stride, padding, dilation))
    known = len(x_shape) in (3, 4) and len(w_shape) == len(x_shape)
    if not known or 0 in x_shape or 0 in w_shape or min(sizes) <= 0:
        return None
    if x_shape[1] != w_shape[1] * groups or w_shape[0] % groups or min(padding) < 0:
        return None
    line = len(sizes) == 1
    both = [(1, *p) if line else tuple(p) for p in (x_shape[2:], w_shape[2:], sizes, stride)]
    plane, kernel, sizes, stride = both
    padding, dilation = (((n, *p) if line else p) for n, p in ((0, padding), (1, dilation)))
    out = _Shape(
        x_shape[0], x_shape[1], plane, (*kernel, *sizes), (*stride, *padding, *dilation), groups,
        w_shape[0] // groups,
    )  # fmt: skip
    return out if enough(out.size) else None


def _convolution(before: Any, team: Any) -> Any:
    def convolution(
        x: Any, w: Any, b: Any = None, *, stride: Any, padding: Any, dilation: Any, groups: int = 1
    ) -> Any:
        given = (x, w) if b is None else (x, w, b)
        how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        shape = _shape(x.shape, w.shape, **how)
        if shape is None or any(a.dtype is not F32 for a in given):
            return before(x, w, b, **how)
        from ..loops import depthwise

        x, w = np.ascontiguousarray(x), np.ascontiguousarray(w)
        sizes = shape.window[2:] if x.ndim == 4 else shape.window[3:]
        out = np.empty((shape.images, len(w), *sizes), F32)
        rows = shape.rows(w)
        bias = None if b is None else b.reshape(-1, *(1,) * len(sizes))

        def work(part: slice) -> None:
            if shape.depthwise:
                source, target = x[part], out[part]
                planes = (len(source) * shape.channels, *shape.plane)
                depthwise.forward(
                    source.reshape(-1), planes, w.reshape(-1), len(w), target.reshape(-1),
                    shape.window, shape.how,
                )  # fmt: skip
                if bias is not None:
                    target += bias
                return
            for images in shape.pieces(part):
                target = out[images]
                np.matmul(rows, shape.columns(x[images]), out=shape.of_images(target))
                if bias is not None:
                    target += bias

        team.spread(work, shape.images, shape.size, products=True)
        return out

    return keeping(convolution)


def _conv_weight(before: Any, team: Any) -> Any:
    def conv_weight(
        grad: Any,
        x: Any,
        *,
        shape: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int = 1,
    ) -> Any:
        how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        known = _shape(x.shape, shape, **how)
        if known is None or not _answers(known, grad, x):
            return before(grad, x, shape=shape, **how)
        from ..loops import depthwise

        grad, x = np.ascontiguousarray(grad), np.ascontiguousarray(x)
        sums = Sums()

        def work(part: slice) -> None:
            if known.depthwise:
                total = np.zeros(math.prod(shape), F32)
                g, source = grad[part], x[part]
                planes = (len(source) * known.channels, *known.plane)
                depthwise.weight(
                    g.reshape(-1), known.window, source.reshape(-1), planes, known.channels, total,
                    known.how,
                )  # fmt: skip
            else:
                total = np.zeros((groups, known.depth, known.each), F32)
                for images in known.pieces(part):
                    g = known.of_images(grad[images])
                    # The long side first: BLAS is a third faster than with the operands exchanged.
                    total += np.matmul(known.columns(x[images]), g.mT).sum(0)
            sums.add(part.start, total)

        team.spread(work, known.images, known.size, products=True)
        total = sums.total()
        if not known.depthwise:
            return np.ascontiguousarray(total.mT).reshape(shape)
        if not np.isfinite(total).all():  # there may be zeros times infinity
            return before(grad, x, shape=shape, **how)
        return total.reshape(shape)

    return conv_weight


def _conv_input(before: Any, team: Any) -> Any:
    def conv_input(
        grad: Any,
        w: Any,
        b: Any = None,
        *,
        shape: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int = 1,
    ) -> Any:
        how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        known = _shape(shape, w.shape, **how)
        fits = known is not None and _answers(known, grad, w if b is None else b, w)
        # Zeros would be multiplied with an infinity.
        if known is None or not fits or (known.depthwise and not np.isfinite(w).all()):
            return before(grad, w, b, shape=shape, **how)
        from ..loops import depthwise, windows

        grad, w = np.ascontiguousarray(grad), np.ascontiguousarray(w)
        out = (np.empty if known.pointwise or known.depthwise else np.zeros)(shape, F32)
        rows = np.ascontiguousarray(known.rows(w).mT)
        bias = None if b is None else b.reshape(-1, *(1,) * (len(shape) - 2))

        def work(part: slice) -> None:
            for images in known.pieces(part):
                g, target = grad[images], out[images]
                planes = (len(g) * known.channels, *known.plane)
                if known.depthwise:
                    depthwise.back(
                        g.reshape(-1), known.window, w.reshape(-1), known.channels,
                        target.reshape(-1), planes, known.how,
                    )  # fmt: skip
                elif known.pointwise:
                    np.matmul(
                        rows, known.of_images(g),
                        out=target.reshape(len(g), groups, known.depth, known.area),
                    )  # fmt: skip
                else:
                    columns = known.room(len(g))
                    np.matmul(rows, known.of_images(g), out=columns)
                    windows.from_columns(
                        columns.reshape(-1), known.window, target.reshape(-1), planes, known.how
                    )
                if bias is not None:
                    target += bias

        team.spread(work, known.images, known.size, products=True)
        return out

    return keeping(conv_input)


def _answers(shape: _Shape, grad: Any, *others: Any) -> bool:
    """Whether ``grad`` is float32, like the others, and of the shape of the output."""
    wanted = (shape.images, shape.groups * shape.each, *shape.window[4 - (grad.ndim - 2) :])
    return all(a.dtype is F32 for a in (grad, *others)) and grad.shape == wanted


def _im2col(before: Any, team: Any) -> Any:
    def im2col(x: Any, *, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
        sizes = tuple(map(out_size, x.shape[2:], kernel, stride, padding, dilation))
        planes, area = math.prod(x.shape[:2]), math.prod(sizes)
        if x.ndim != 4 or min(sizes) <= 0 or not large(x):
            return before(x, kernel=kernel, stride=stride, padding=padding, dilation=dilation)
        from ..loops import windows

        positions = math.prod(kernel)
        out = np.empty((planes, positions * area), F32)
        flat = x.reshape(planes, -1)

        def work(part: slice) -> None:
            windows.to_columns(
                flat[part].reshape(-1), (part.stop - part.start, *x.shape[2:]),
                out[part].reshape(-1), (*kernel, *sizes), (*stride, *padding, *dilation),
            )  # fmt: skip

        team.spread(work, planes, out.size)
        return out.reshape(x.shape[0], x.shape[1] * positions, area)

    return im2col


def _col2im(before: Any, team: Any) -> Any:
    def col2im(x: Any, *, shape: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
        sizes = tuple(map(out_size, shape[2:], kernel, stride, padding, dilation))
        wanted = (shape[0], shape[1] * math.prod(kernel), math.prod(sizes))
        if len(shape) != 4 or min(sizes) <= 0 or x.shape != wanted or not large(x):
            how = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
            return before(x, shape=shape, **how)
        from ..loops import windows

        planes = math.prod(shape[:2])
        out = np.zeros((planes, math.prod(shape[2:])), F32)
        flat = x.reshape(planes, -1)

        def work(part: slice) -> None:
            windows.from_columns(
                flat[part].reshape(-1), (*kernel, *sizes), out[part].reshape(-1),
                (part.stop - part.start, *shape[2:]), (*stride, *padding, *dilation),
            )  # fmt: skip

        team.spread(work, planes, x.size)
        return out.reshape(shape)

    return col2im


MAKERS: dict[str, Maker] = {
    "col2im": _col2im,
    "conv_input": _conv_input,
    "conv_weight": _conv_weight,
    "convolution": _convolution,
    "im2col": _im2col,
}
