"""pointwise: functions of each value for itself, in one pass."""

from __future__ import annotations

import numpy as np

from .mathematics import compiled, density, exp, normal

_ZERO, _ONE = np.float32(0), np.float32(1)


@compiled
def gelu(x, out):
    for i in range(x.size):
        out[i] = x[i] * normal(x[i])


@compiled
def gelu_backward(grad, x, out):
    for i in range(x.size):
        v = x[i]
        slope = density(v)
        out[i] = grad[i] * (normal(v) + (v * slope if slope > _ZERO else _ZERO))


@compiled
def sigmoid(x, out):
    for i in range(x.size):
        out[i] = _ONE / (_ONE + exp(-x[i]))


@compiled
def silu(x, out):
    for i in range(x.size):
        out[i] = x[i] / (_ONE + exp(-x[i]))
