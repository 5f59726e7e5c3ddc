"""columns: the windows of an image as the columns of a matrix, and back; each is the other's rule.

Layout: x (N, C, *spatial), columns (N, C · kernel positions, output positions), as PyTorch's
``unfold`` has them.
"""

from __future__ import annotations

from typing import Any

from ..op import KEEP, op
from ..samples import Arr, Sample
from .convolve import from_columns, padded, size_of, sizes_of, to_columns

_GEOMETRY = {"kernel": (2, 3), "stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}

# fmt: off
im2col = op("im2col", lambda xp, x, *, kernel, stride, padding, dilation:
                _unfolded(xp, x, kernel, stride, padding, dilation),
            x=lambda g, x_shape, kernel, stride, padding, dilation: col2im(
                g, shape=tuple(x_shape), kernel=kernel, stride=stride, padding=padding,
                dilation=dilation),
            dtype=KEEP, method=False, node="Im2ColBackward0",
            samples=[Sample((Arr((2, 3, 4, 6)),), _GEOMETRY)])
col2im = op("col2im", lambda xp, x, *, shape, kernel, stride, padding, dilation:
                _folded(xp, x, shape, kernel, stride, padding, dilation),
            x=lambda g, kernel, stride, padding, dilation: im2col(
                g, kernel=kernel, stride=stride, padding=padding, dilation=dilation),
            method=False, node="Col2ImBackward0",
            samples=[Sample((Arr((2, 18, 6)),), {"shape": (2, 3, 4, 6), **_GEOMETRY})])
# fmt: on


def _unfolded(xp: Any, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    sizes = sizes_of(x.shape, kernel, stride, padding, dilation)
    columns = to_columns(xp, padded(xp, x, padding), kernel, sizes, stride, dilation)
    return xp.reshape(columns, (x.shape[0], x.shape[1] * size_of(kernel), size_of(sizes)))


def _folded(
    xp: Any, x: Any, shape: Any, kernel: Any, stride: Any, padding: Any, dilation: Any
) -> Any:
    sizes = sizes_of(shape, kernel, stride, padding, dilation)
    columns = xp.reshape(x, (*shape[:2], size_of(kernel), *sizes))
    return from_columns(xp, columns, shape, kernel, stride, padding, dilation)
