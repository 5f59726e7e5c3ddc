"""depthwise: convolution of each channel for itself, a weighted sum of the channel moved about.

A padded plane lies flat in memory, so a position in the kernel is one number to move it by, and the
sum is of one long run. The values of the output are in the run, with others between them.

All flat: ``x`` (planes, H, W), ``w`` (channels, KH, KW), whose planes come again with each image,
``grad`` and ``out`` (planes, OH, OW). ``how`` and the unsigned numbers: see `windows`.
"""

from __future__ import annotations

import numpy as np

from .mathematics import compiled, inlined

_ZERO = np.float32(0)
_U = np.uint64


@inlined
def _sizes(shape, window, how):
    """Of a padded plane, and of a run."""
    _, height, width = shape
    _, _, oh, ow = window
    sh, sw, ph, pw, _, _ = how
    row = width + 2 * pw
    return (height + 2 * ph) * row, (oh - 1) * sh * row + (ow - 1) * sw + 1


@inlined
def _pad(x, p, shape, how, plane):
    """One plane among zeros that are there already."""
    _, height, width = shape
    ph, pw = how[2], how[3]
    for h in range(height):
        start = _U((p * height + h) * width)
        to = _U((h + ph) * (width + 2 * pw) + pw)
        for v in range(_U(width)):
            plane[to + v] = x[start + v]


@inlined
def _spread(grad, p, shape, window, how, run):
    """A gradient of the output, among zeros that are there already."""
    oh, ow = window[2], window[3]
    sh, sw, pw = how[0], how[1], how[3]
    for h in range(oh):
        start = _U((p * oh + h) * ow)
        to = _U(h * sh * (shape[2] + 2 * pw))
        for v in range(_U(ow)):
            run[to + v * _U(sw)] = grad[start + v]


@compiled
def forward(x, shape, w, channels, out, window, how):
    kh, kw, oh, ow = window
    sh, sw, _, pw, dh, dw = how
    size, span = _sizes(shape, window, how)
    plane, run = np.zeros(size, np.float32), np.empty(span, np.float32)
    row = shape[2] + 2 * pw
    for p in range(shape[0]):
        _pad(x, p, shape, how, plane)
        for t in range(_U(span)):
            run[t] = _ZERO
        for i in range(kh):
            for j in range(kw):
                factor = w[_U((p % channels * kh + i) * kw + j)]
                move = _U(i * dh * row + j * dw)
                for t in range(_U(span)):
                    run[t] += plane[move + t] * factor
        for h in range(oh):
            start, to = _U(h * sh * row), _U((p * oh + h) * ow)
            for v in range(_U(ow)):
                out[to + v] = run[start + v * _U(sw)]


@compiled
def back(grad, window, w, channels, out, shape, how):
    """The gradient of ``x``."""
    kh, kw, _, _ = window
    _, _, ph, pw, dh, dw = how
    size, span = _sizes(shape, window, how)
    plane, run = np.empty(size, np.float32), np.zeros(span, np.float32)
    row = shape[2] + 2 * pw
    for p in range(shape[0]):
        _spread(grad, p, shape, window, how, run)
        for t in range(_U(size)):
            plane[t] = _ZERO
        for i in range(kh):
            for j in range(kw):
                factor = w[_U((p % channels * kh + i) * kw + j)]
                move = _U(i * dh * row + j * dw)
                for t in range(_U(span)):
                    plane[move + t] += run[t] * factor
        for h in range(shape[1]):
            start, to = _U((h + ph) * row + pw), _U((p * shape[1] + h) * shape[2])
            for v in range(_U(shape[2])):
                out[to + v] = plane[start + v]


@compiled
def weight(grad, window, x, shape, channels, out, how):
    """The gradient of ``w``, added to ``out``."""
    kh, kw, _, _ = window
    _, _, _, pw, dh, dw = how
    size, span = _sizes(shape, window, how)
    plane, run = np.zeros(size, np.float32), np.zeros(span, np.float32)
    row = shape[2] + 2 * pw
    for p in range(shape[0]):
        _pad(x, p, shape, how, plane)
        _spread(grad, p, shape, window, how, run)
        for i in range(kh):
            for j in range(kw):
                move = _U(i * dh * row + j * dw)
                total = _ZERO
                for t in range(_U(span)):
                    total += plane[move + t] * run[t]
                out[_U((p % channels * kh + i) * kw + j)] += total
