"""depthwise: convolution of each channel for itself, where a product has nothing to gain.

All flat in memory: ``x`` (planes, H, W), ``w`` (planes, KH, KW), ``out`` (planes, OH, OW), where
the weight's planes come again with each image. ``how`` and the unsigned numbers: see `windows`.
"""

from __future__ import annotations

import numpy as np

from .mathematics import compiled
from .windows import inside

_ZERO = np.float32(0)
_U = np.uint64


@compiled
def forward(x, shape, w, channels, out, window, how):
    """Added to ``out``."""
    planes, height, width = shape
    kh, kw, oh, ow = window
    sh, sw, ph, pw, dh, dw = how
    step = _U(sw)
    for p in range(planes):
        for h in range(oh):
            for i in range(kh):
                row = h * sh + i * dh - ph
                if row < 0 or row >= height:
                    continue
                for j in range(kw):
                    factor = w[(p % channels * kh + i) * kw + j]
                    offset = j * dw - pw
                    left, right = inside(width, ow, sw, offset)
                    first = _U((p * oh + h) * ow + left)
                    start = _U((p * height + row) * width + left * sw + offset)
                    if sw == 1:
                        for v in range(_U(right - left)):
                            out[first + v] += x[start + v] * factor
                    else:
                        for v in range(_U(right - left)):
                            out[first + v] += x[start + v * step] * factor


@compiled
def back(grad, window, w, channels, out, shape, how):
    """The gradient of ``x``, added to ``out``."""
    planes, height, width = shape
    kh, kw, oh, ow = window
    sh, sw, ph, pw, dh, dw = how
    step = _U(sw)
    for p in range(planes):
        for h in range(oh):
            for i in range(kh):
                row = h * sh + i * dh - ph
                if row < 0 or row >= height:
                    continue
                for j in range(kw):
                    factor = w[(p % channels * kh + i) * kw + j]
                    offset = j * dw - pw
                    left, right = inside(width, ow, sw, offset)
                    first = _U((p * oh + h) * ow + left)
                    start = _U((p * height + row) * width + left * sw + offset)
                    if sw == 1:
                        for v in range(_U(right - left)):
                            out[start + v] += grad[first + v] * factor
                    else:
                        for v in range(_U(right - left)):
                            out[start + v * step] += grad[first + v] * factor


@compiled
def weight(grad, window, x, shape, channels, out, how):
    """The gradient of ``w``, added to ``out``."""
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
                total = _ZERO
                for h in range(top, bottom):
                    first = _U((p * oh + h) * ow + left)
                    start = _U((p * height + h * sh + i * dh - ph) * width + left * sw + offset)
                    if sw == 1:
                        for v in range(_U(right - left)):
                            total += x[start + v] * grad[first + v]
                    else:
                        for v in range(_U(right - left)):
                            total += x[start + v * step] * grad[first + v]
                out[(p % channels * kh + i) * kw + j] += total
