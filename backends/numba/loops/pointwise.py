"""pointwise: functions of each value for itself, in one pass."""

from __future__ import annotations

import numpy as np

from . import mathematics
from .mathematics import compiled, wide

_ZERO, _ONE = np.float32(0), np.float32(1)


@compiled
def relu(x, out):
    for i in range(x.size):
        v = x[i]
        out[i] = _ZERO if v < _ZERO else v


@compiled
def threshold_backward(grad, y, out):
    for i in range(y.size):
        out[i] = _ZERO if y[i] <= _ZERO else grad[i]


@compiled
def gelu(x, out):
    wide()
    for i in range(x.size):
        out[i] = x[i] * mathematics.normal(x[i])


@compiled
def gelu_backward(grad, x, out):
    wide()
    for i in range(x.size):
        out[i] = grad[i] * mathematics.gelu_slope(x[i])


@compiled
def sigmoid(x, out):
    wide()
    for i in range(x.size):
        out[i] = mathematics.sigmoid(x[i])


@compiled
def sigmoid_backward(grad, y, out):
    wide()
    for i in range(y.size):
        out[i] = grad[i] * (_ONE - y[i]) * y[i]


@compiled
def tanh_backward(grad, y, out):
    wide()
    for i in range(y.size):
        out[i] = grad[i] * (_ONE - y[i] * y[i])


@compiled
def silu(x, out):
    wide()
    for i in range(x.size):
        out[i] = x[i] / (_ONE + mathematics.exp(-x[i]))


@compiled
def tanh(x, out):
    wide()
    for i in range(x.size):
        out[i] = mathematics.tanh(x[i])


@compiled
def choose(x, mask, value, filled, out):
    """Each row of ``x``, with ``value`` where the mask is ``filled``."""
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = value if mask[j] == filled else x[i, j]
