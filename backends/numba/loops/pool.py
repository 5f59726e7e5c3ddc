"""pool: the largest or the mean value of each window, and the way back.

Flat in memory: ``x`` (planes, H, W), ``out`` (planes, OH, OW). ``window``: the kernel's height and
width and the output's; ``how``: strides, paddings and dilations.
"""

from __future__ import annotations

import numpy as np

from .mathematics import compiled

_ZERO = np.float32(0)
_LOWEST = np.float32(-np.inf)
_U = np.uint64


@compiled
def largest(x, shape, best, chosen, window, how):
    """``chosen``: which position of the window; of equal values the first, of NaN the last."""
    planes, height, width = shape
    kh, kw, oh, ow = window
    sh, sw, ph, pw, dh, dw = how
    for p in range(planes):
        for h in range(oh):
            for w in range(ow):
                top = _LOWEST
                place = np.int64(0)
                for i in range(kh):
                    row = h * sh - ph + i * dh
                    if row < 0 or row >= height:
                        continue
                    for j in range(kw):
                        column = w * sw - pw + j * dw
                        if column < 0 or column >= width:
                            continue
                        v = x[_U((p * height + row) * width + column)]
                        better = (v > top) | (v != v)
                        top = v if better else top
                        place = i * kw + j if better else place
                to = _U((p * oh + h) * ow + w)
                best[to] = top
                chosen[to] = place


@compiled
def largest_of_four(x, shape, best, chosen, window):
    """The same for windows of 2 × 2, side by side and within the input."""
    planes, height, width = shape
    _, _, oh, ow = window
    for p in range(planes):
        for h in range(oh):
            above = _U((p * height + 2 * h) * width)
            below = above + _U(width)
            to = _U((p * oh + h) * ow)
            for w in range(_U(ow)):
                column = w * _U(2)
                top, place = x[above + column], np.uint8(0)
                v = x[above + column + _U(1)]
                better = (v > top) | (v != v)
                place = np.uint8(1) if better else place
                top = v if better else top
                v = x[below + column]
                better = (v > top) | (v != v)
                place = np.uint8(2) if better else place
                top = v if better else top
                v = x[below + column + _U(1)]
                better = (v > top) | (v != v)
                place = np.uint8(3) if better else place
                top = v if better else top
                best[to + w] = top
                chosen[to + w] = place


@compiled
def largest_back(grad, chosen, window, out, shape, how):
    """Added to ``out``, where the largest values were."""
    planes, height, width = shape
    _, kw, oh, ow = window
    sh, sw, ph, pw, dh, dw = how
    for p in range(planes):
        for h in range(oh):
            for w in range(ow):
                at = _U((p * oh + h) * ow + w)
                place = np.int64(chosen[at])
                row = h * sh - ph + place // kw * dh
                column = w * sw - pw + place % kw * dw
                # Among values of -inf the padding may have been chosen.
                if 0 <= row < height and 0 <= column < width:
                    out[_U((p * height + row) * width + column)] += grad[at]


@compiled
def largest_of_four_back(grad, chosen, window, out, shape):
    """All values of the rows of ``out`` that windows cover are written."""
    planes, height, width = shape
    _, _, oh, ow = window
    for p in range(planes):
        for h in range(oh):
            above = _U((p * height + 2 * h) * width)
            at = _U((p * oh + h) * ow)
            for v in range(_U(2 * width)):
                out[above + v] = _ZERO
            for w in range(_U(ow)):
                place = _U(chosen[at + w])
                row = (place >> _U(1)) * _U(width)
                out[above + row + w * _U(2) + (place & _U(1))] = grad[at + w]


@compiled
def mean(x, shape, rows, columns, out, window, how):
    """``rows`` and ``columns``: by what each row and column of the output is multiplied."""
    planes, height, width = shape
    kh, kw, oh, ow = window
    sh, sw, ph, pw = how
    for p in range(planes):
        for h in range(oh):
            top, bottom = max(h * sh - ph, 0), min(h * sh - ph + kh, height)
            for w in range(ow):
                left, right = max(w * sw - pw, 0), min(w * sw - pw + kw, width)
                total = _ZERO
                for row in range(top, bottom):
                    for column in range(left, right):
                        total += x[_U((p * height + row) * width + column)]
                out[_U((p * oh + h) * ow + w)] = total * rows[_U(h)] * columns[_U(w)]


@compiled
def mean_back(grad, rows, columns, window, out, shape, how):
    """Added to ``out``."""
    planes, height, width = shape
    kh, kw, oh, ow = window
    sh, sw, ph, pw = how
    for p in range(planes):
        for h in range(oh):
            top, bottom = max(h * sh - ph, 0), min(h * sh - ph + kh, height)
            for w in range(ow):
                left, right = max(w * sw - pw, 0), min(w * sw - pw + kw, width)
                share = grad[_U((p * oh + h) * ow + w)] * rows[_U(h)] * columns[_U(w)]
                for row in range(top, bottom):
                    for column in range(left, right):
                        out[_U((p * height + row) * width + column)] += share
