"""rows: softmax and layer norm, a row at a time while it is in the cache."""

from __future__ import annotations

import numpy as np

from .mathematics import compiled, exp_of_negative, inlined, of_rank, rank, wide
from .team import share, share_rows

_ONE = np.float32(1)
_ZERO = np.float32(0)
_INFINITE = np.float32(np.inf)


@inlined
def _largest(x, i):
    top = rank(x[i, 0])
    for j in range(x.shape[1]):
        here = rank(x[i, j])
        top = here if here > top else top
    return of_rank(top)


@compiled
def _softmax(x, out):
    wide()
    for i in range(x.shape[0]):
        top = _largest(x, i)
        total = _ZERO
        for j in range(x.shape[1]):
            e = exp_of_negative(x[i, j] - top)
            out[i, j] = e
            total += e
        share = _ONE / total
        for j in range(x.shape[1]):
            out[i, j] *= share


@compiled
def softmax(team, parts, x, out):
    share_rows(team, _softmax, (x, out), (), parts)


@compiled
def log_softmax_of(x, out):
    wide()
    for i in range(x.shape[0]):
        top = _largest(x, i)
        total = _ZERO
        for j in range(x.shape[1]):
            total += exp_of_negative(x[i, j] - top)
        amount = top + np.log(total)
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] - amount


@compiled
def log_softmax(team, parts, x, out):
    share_rows(team, log_softmax_of, (x, out), (), parts)


@compiled
def _softmax_backward(grad, y, out):
    wide()
    for i in range(y.shape[0]):
        along = _ZERO
        for j in range(y.shape[1]):
            along += grad[i, j] * y[i, j]
        for j in range(y.shape[1]):
            out[i, j] = y[i, j] * (grad[i, j] - along)


@compiled
def softmax_backward(team, parts, grad, y, out):
    share_rows(team, _softmax_backward, (grad, y, out), (), parts)


@compiled
def _layer_norm(x, out, scale, weight, bias, eps):
    wide()
    width = np.float32(x.shape[1])
    for i in range(x.shape[0]):
        total = _ZERO
        for j in range(x.shape[1]):
            total += x[i, j]
        centre = total / width
        squares = _ZERO
        for j in range(x.shape[1]):
            c = x[i, j] - centre
            squares += c * c
        r = _ONE / np.sqrt(squares / width + eps)
        scale[i, 0] = r
        for j in range(x.shape[1]):
            out[i, j] = (x[i, j] - centre) * r * weight[j] + bias[j]


@compiled
def layer_norm(team, parts, x, out, scale, weight, bias, eps):
    share_rows(team, _layer_norm, (x, out, scale), (weight, bias, eps), parts)


@compiled
def _norm_back(grad, x, scale, weight, out, of_weight, of_bias):
    wide()
    width = np.float32(x.shape[1])
    for i in range(x.shape[0]):
        centre = _ZERO
        for j in range(x.shape[1]):
            centre += x[i, j]
        centre /= width
        along = _ZERO
        total = _ZERO
        for j in range(x.shape[1]):
            g = grad[i, j] * weight[j]
            along += g * (x[i, j] - centre)
            total += g
        r = scale[i, 0]
        along *= r / width
        total /= width
        for j in range(x.shape[1]):
            g, h = grad[i, j], (x[i, j] - centre) * r
            out[i, j] = (g * weight[j] - total - h * along) * r
            of_weight[j] += g * h
            of_bias[j] += g


@compiled
def _norm_blocks(grad, x, scale, weight, out, sums, first, last):
    count, blocks = len(x), len(sums)
    for i in range(first, last):
        a, b = count * i // blocks, count * (i + 1) // blocks
        _norm_back(grad[a:b], x[a:b], scale[a:b], weight, out[a:b], sums[i, 0], sums[i, 1])


@compiled
def layer_norm_backward(team, parts, grad, x, scale, weight, out, sums):
    """``sums``: of each block of rows, zeros; the gradients of weight and bias are added."""
    given = (grad, x, scale, weight, out, sums)
    share(team, _norm_blocks, given, len(sums), parts, 1)


@compiled
def _rms_norm(x, out, scale, weight, eps):
    wide()
    width = np.float32(x.shape[1])
    for i in range(x.shape[0]):
        squares = _ZERO
        for j in range(x.shape[1]):
            squares += x[i, j] * x[i, j]
        square = squares / width + eps
        # The compiler's reciprocal root is refined from an estimate, and of infinity is NaN.
        r = _ONE / (np.sqrt(square) if square < _INFINITE else square)
        scale[i, 0] = r
        for j in range(x.shape[1]):
            out[i, j] = x[i, j] * r * weight[j]


@compiled
def rms_norm(team, parts, x, out, scale, weight, eps):
    share_rows(team, _rms_norm, (x, out, scale), (weight, eps), parts)


@compiled
def _rms_back(grad, x, scale, weight, out, of_weight):
    wide()
    width = np.float32(x.shape[1])
    for i in range(x.shape[0]):
        along = _ZERO
        for j in range(x.shape[1]):
            along += grad[i, j] * weight[j] * x[i, j]
        r = scale[i, 0]
        share = along / width * r * r * r
        for j in range(x.shape[1]):
            out[i, j] = grad[i, j] * weight[j] * r - x[i, j] * share
        for j in range(x.shape[1]):
            of_weight[j] += grad[i, j] * x[i, j] * r


@compiled
def _rms_blocks(grad, x, scale, weight, out, sums, first, last):
    count, blocks = len(x), len(sums)
    for i in range(first, last):
        a, b = count * i // blocks, count * (i + 1) // blocks
        _rms_back(grad[a:b], x[a:b], scale[a:b], weight, out[a:b], sums[i])


@compiled
def rms_norm_backward(team, parts, grad, x, scale, weight, out, sums):
    """The same without a bias."""
    given = (grad, x, scale, weight, out, sums)
    share(team, _rms_blocks, given, len(sums), parts, 1)
