"""pointwise: functions of each value for itself, in one pass, shared by a team."""

from __future__ import annotations

import numpy as np

from . import mathematics
from .mathematics import compiled, wide
from .team import share_rows

_ZERO, _ONE = np.float32(0), np.float32(1)


@compiled
def _relu(x, out):
    for i in range(x.size):
        v = x[i]
        out[i] = _ZERO if v < _ZERO else v


@compiled
def relu(team, parts, x, out):
    share_rows(team, _relu, (x, out), (), parts)


@compiled
def _threshold_backward(grad, y, out):
    for i in range(y.size):
        out[i] = _ZERO if y[i] <= _ZERO else grad[i]


@compiled
def threshold_backward(team, parts, grad, y, out):
    share_rows(team, _threshold_backward, (grad, y, out), (), parts)


@compiled
def _gelu(x, out):
    wide()
    for i in range(x.size):
        out[i] = x[i] * mathematics.normal(x[i])


@compiled
def gelu(team, parts, x, out):
    share_rows(team, _gelu, (x, out), (), parts)


@compiled
def _gelu_backward(grad, x, out):
    wide()
    for i in range(x.size):
        out[i] = grad[i] * mathematics.gelu_slope(x[i])


@compiled
def gelu_backward(team, parts, grad, x, out):
    share_rows(team, _gelu_backward, (grad, x, out), (), parts)


@compiled
def _sigmoid(x, out):
    wide()
    for i in range(x.size):
        out[i] = mathematics.sigmoid(x[i])


@compiled
def sigmoid(team, parts, x, out):
    share_rows(team, _sigmoid, (x, out), (), parts)


@compiled
def _sigmoid_backward(grad, y, out):
    wide()
    for i in range(y.size):
        out[i] = grad[i] * (_ONE - y[i]) * y[i]


@compiled
def sigmoid_backward(team, parts, grad, y, out):
    share_rows(team, _sigmoid_backward, (grad, y, out), (), parts)


@compiled
def _tanh_backward(grad, y, out):
    wide()
    for i in range(y.size):
        out[i] = grad[i] * (_ONE - y[i] * y[i])


@compiled
def tanh_backward(team, parts, grad, y, out):
    share_rows(team, _tanh_backward, (grad, y, out), (), parts)


@compiled
def _silu(x, out):
    wide()
    for i in range(x.size):
        out[i] = x[i] / (_ONE + mathematics.exp(-x[i]))


@compiled
def silu(team, parts, x, out):
    share_rows(team, _silu, (x, out), (), parts)


@compiled
def _tanh(x, out):
    wide()
    for i in range(x.size):
        out[i] = mathematics.tanh(x[i])


@compiled
def tanh(team, parts, x, out):
    share_rows(team, _tanh, (x, out), (), parts)


@compiled
def _choose(x, out, mask, value, filled):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = value if mask[j] == filled else x[i, j]


@compiled
def choose(team, parts, x, mask, value, filled, out):
    """Each row of ``x``, with ``value`` where the mask is ``filled``."""
    share_rows(team, _choose, (x, out), (mask, value, filled), parts)


@compiled
def _choose_each(x, mask, out, value, filled):
    for j in range(x.size):
        out[j] = value if mask[j] == filled else x[j]


@compiled
def choose_each(team, parts, x, mask, value, filled, out):
    """The same of one row."""
    share_rows(team, _choose_each, (x, mask, out), (value, filled), parts)
