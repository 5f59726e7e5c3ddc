"""rows: softmax and layer norm, a row at a time while it is in the cache."""

from __future__ import annotations

import numpy as np

from .mathematics import compiled, exp_of_negative, inlined, of_rank, rank

_ONE = np.float32(1)
_ZERO = np.float32(0)


@inlined
def _largest(x, i):
    top = rank(x[i, 0])
    for j in range(x.shape[1]):
        here = rank(x[i, j])
        top = here if here > top else top
    return of_rank(top)


@compiled
def softmax(x, out):
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
    for i in range(y.shape[0]):
        along = _ZERO
        for j in range(y.shape[1]):
            along += grad[i, j] * y[i, j]
        for j in range(y.shape[1]):
            out[i, j] = y[i, j] * (grad[i, j] - along)


@compiled
def layer_norm(x, weight, bias, eps, out, normal, scale):
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
            h = (x[i, j] - centre) * r
            normal[i, j] = h
            out[i, j] = h * weight[j] + bias[j]


@compiled
def layer_norm_backward(grad, normal, scale, weight, out, of_weight, of_bias):
    width = np.float32(normal.shape[1])
    for i in range(normal.shape[0]):
        along = _ZERO
        total = _ZERO
        for j in range(normal.shape[1]):
            g = grad[i, j] * weight[j]
            along += g * normal[i, j]
            total += g
        along /= width
        total /= width
        r = scale[i, 0]
        for j in range(normal.shape[1]):
            g, h = grad[i, j], normal[i, j]
            out[i, j] = (g * weight[j] - total - h * along) * r
            of_weight[j] += g * h
            of_bias[j] += g
