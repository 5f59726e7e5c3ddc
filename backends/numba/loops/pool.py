"""pool: the largest or the mean value of each window, and the way back.

A plane a row: ``x`` (planes, H * W), ``out`` (planes, OH * OW). ``plane``: H and W; ``window``: the
kernel's height and width and the output's; ``how``: strides, paddings and dilations.
"""

from __future__ import annotations

import numpy as np

from .mathematics import compiled
from .team import share_rows

_ZERO = np.float32(0)
_LOWEST = np.float32(-np.inf)
_U = np.uint64


@compiled
def _largest(x, best, chosen, plane, window, how):
    height, width = plane
    kh, kw, oh, ow = window
    sh, sw, ph, pw, dh, dw = how
    for p in range(x.shape[0]):
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
                        v = x[p, _U(row * width + column)]
                        better = (v > top) | (v != v)
                        top = v if better else top
                        place = i * kw + j if better else place
                to = _U(h * ow + w)
                best[p, to] = top
                chosen[p, to] = place


@compiled
def largest(team, parts, x, best, chosen, plane, window, how):
    """``chosen``: which position of the window; of equal values the first, of NaN the last."""
    share_rows(team, _largest, (x, best, chosen), (plane, window, how), parts)


@compiled
def _largest_of_four(x, best, chosen, plane, window):
    _, width = plane
    _, _, oh, ow = window
    for p in range(x.shape[0]):
        for h in range(oh):
            above = _U(2 * h * width)
            below = above + _U(width)
            to = _U(h * ow)
            for w in range(_U(ow)):
                column = w * _U(2)
                top, place = x[p, above + column], np.uint8(0)
                v = x[p, above + column + _U(1)]
                better = (v > top) | (v != v)
                place = np.uint8(1) if better else place
                top = v if better else top
                v = x[p, below + column]
                better = (v > top) | (v != v)
                place = np.uint8(2) if better else place
                top = v if better else top
                v = x[p, below + column + _U(1)]
                better = (v > top) | (v != v)
                place = np.uint8(3) if better else place
                top = v if better else top
                best[p, to + w] = top
                chosen[p, to + w] = place


@compiled
def largest_of_four(team, parts, x, best, chosen, plane, window):
    """The same for windows of 2 × 2, side by side and within the input."""
    share_rows(team, _largest_of_four, (x, best, chosen), (plane, window), parts)


@compiled
def _largest_back(grad, chosen, out, plane, window, how):
    height, width = plane
    _, kw, oh, ow = window
    sh, sw, ph, pw, dh, dw = how
    for p in range(grad.shape[0]):
        for h in range(oh):
            for w in range(ow):
                at = _U(h * ow + w)
                place = np.int64(chosen[p, at])
                row = h * sh - ph + place // kw * dh
                column = w * sw - pw + place % kw * dw
                # Among values of -inf the padding may have been chosen.
                if 0 <= row < height and 0 <= column < width:
                    out[p, _U(row * width + column)] += grad[p, at]


@compiled
def largest_back(team, parts, grad, chosen, out, plane, window, how):
    """Added to ``out``, where the largest values were."""
    share_rows(team, _largest_back, (grad, chosen, out), (plane, window, how), parts)


@compiled
def _largest_of_four_back(grad, chosen, out, plane, window):
    _, width = plane
    _, _, oh, ow = window
    for p in range(grad.shape[0]):
        for h in range(oh):
            above = _U(2 * h * width)
            at = _U(h * ow)
            for v in range(_U(2 * width)):
                out[p, above + v] = _ZERO
            for w in range(_U(ow)):
                place = _U(chosen[p, at + w])
                row = (place >> _U(1)) * _U(width)
                out[p, above + row + w * _U(2) + (place & _U(1))] = grad[p, at + w]


@compiled
def largest_of_four_back(team, parts, grad, chosen, out, plane, window):
    """All values of the rows of ``out`` that windows cover are written."""
    share_rows(team, _largest_of_four_back, (grad, chosen, out), (plane, window), parts)


@compiled
def _mean(x, out, plane, rows, columns, window, how):
    height, width = plane
    kh, kw, oh, ow = window
    sh, sw, ph, pw = how
    for p in range(x.shape[0]):
        for h in range(oh):
            top, bottom = max(h * sh - ph, 0), min(h * sh - ph + kh, height)
            for w in range(ow):
                left, right = max(w * sw - pw, 0), min(w * sw - pw + kw, width)
                total = _ZERO
                for row in range(top, bottom):
                    for column in range(left, right):
                        total += x[p, _U(row * width + column)]
                out[p, _U(h * ow + w)] = total * rows[_U(h)] * columns[_U(w)]


@compiled
def mean(team, parts, x, out, plane, rows, columns, window, how):
    """``rows`` and ``columns``: by what each row and column of the output is multiplied."""
    share_rows(team, _mean, (x, out), (plane, rows, columns, window, how), parts)


@compiled
def _mean_back(grad, out, plane, rows, columns, window, how):
    height, width = plane
    kh, kw, oh, ow = window
    sh, sw, ph, pw = how
    for p in range(grad.shape[0]):
        for h in range(oh):
            top, bottom = max(h * sh - ph, 0), min(h * sh - ph + kh, height)
            for w in range(ow):
                left, right = max(w * sw - pw, 0), min(w * sw - pw + kw, width)
                share = grad[p, _U(h * ow + w)] * rows[_U(h)] * columns[_U(w)]
                for row in range(top, bottom):
                    for column in range(left, right):
                        out[p, _U(row * width + column)] += share


@compiled
def mean_back(team, parts, grad, out, plane, rows, columns, window, how):
    """Added to ``out``."""
    share_rows(team, _mean_back, (grad, out), (plane, rows, columns, window, how), parts)
