"""rows: softmax and layer norm, a row at a time while it is in the cache."""

from __future__ import annotations

import numpy as np

from .mathematics import compiled, exp_of_negative, inlined, of_rank, rank, wide

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
def softmax(x, out):
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
def log_softmax(x, out):
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
def softmax_backward(grad, y, out):
    wide()
    for i in range(y.shape[0]):
        along = _ZERO
        for j in range(y.shape[1]):
            along += grad[i, j] * y[i, j]
        for j in range(y.shape[1]):
            out[i, j] = y[i, j] * (grad[i, j] - along)


@compiled
def layer_norm(x, weight, bias, eps, out, scale):
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
def layer_norm_backward(grad, x, scale, weight, out, of_weight, of_bias):
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
def rms_norm(x, weight, eps, out, scale):
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
def rms_norm_backward(grad, x, scale, weight, out, of_weight):
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
