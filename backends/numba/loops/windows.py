"""windows: what each output value of a convolution is a product with, as columns, and back.

Images (N, C, H, W), columns (N, C, KH, KW, OH, OW), both flat in memory. ``how``: strides, paddings
and dilations, each of both dimensions. A loop along a row has unsigned numbers throughout: signed
ones may count from the end, and the compiler would look at each.
"""

from __future__ import annotations

import numpy as np

from .mathematics import compiled, inlined

_ZERO = np.float32(0)
_U = np.uint64


@inlined
def inside(n, count, stride, offset):
    """The output positions, from the first to behind the last, that meet the input."""
    first = 0 if offset >= 0 else (-offset + stride - 1) // stride
    last = 0 if n <= offset else (n - offset + stride - 1) // stride
    first = first if first < count else count
    last = last if last < count else count
    return first, last if last > first else first


@compiled
def to_columns(x, shape, columns, window, how):
    planes, height, width = shape
    kh, kw, oh, ow = window
    sh, sw, ph, pw, dh, dw = how
    step = _U(sw)
    for p in range(planes):
        for i in range(kh):
            top, bottom = inside(height, oh, sh, i * dh - ph)
            for j in range(kw):
                offset = j * dw - pw
                left, right = inside(width, ow, sw, offset)
                for h in range(oh):
                    to = (((p * kh + i) * kw + j) * oh + h) * ow
                    if h < top or h >= bottom:
                        for w in range(_U(ow)):
                            columns[_U(to) + w] = _ZERO
                        continue
                    for w in range(_U(left)):
                        columns[_U(to) + w] = _ZERO
                    for w in range(_U(ow - right)):
                        columns[_U(to + right) + w] = _ZERO
                    start = _U((p * height + h * sh + i * dh - ph) * width + left * sw + offset)
                    first = _U(to + left)
                    if sw == 1:
                        for w in range(_U(right - left)):
                            columns[first + w] = x[start + w]
                    else:
                        for w in range(_U(right - left)):
                            columns[first + w] = x[start + w * step]


@compiled
def from_columns(columns, window, out, shape, how):
    """Added to where each value came from."""
    planes, height, width = shape
    kh, kw, oh, ow = window
    sh, sw, ph, pw, dh, dw = how
    step = _U(sw)
    for p in range(planes):
        for i in range(kh):
            top, bottom = inside(height, oh, sh, i * dh - ph)
            for j in range(kw):
                offset = j * dw - pw
                left, right = inside(width, ow, sw, offset)
                for h in range(top, bottom):
                    first = _U((((p * kh + i) * kw + j) * oh + h) * ow + left)
                    start = _U((p * height + h * sh + i * dh - ph) * width + left * sw + offset)
                    if sw == 1:
                        for w in range(_U(right - left)):
                            out[start + w] += columns[first + w]
                    else:
                        for w in range(_U(right - left)):
                            out[start + w * step] += columns[first + w]
