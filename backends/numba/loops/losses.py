"""losses: cross-entropy of the rows of a matrix."""

from __future__ import annotations

import numpy as np

from .mathematics import compiled, exp_of_negative, wide

_U = np.uint64


@compiled
def picked(log_probs, target, out):
    """The negative of the value at each row's class."""
    wide()
    for i in range(target.size):
        out[i] = -log_probs[i, _U(target[i])]


@compiled
def cross_entropy_backward(log_probs, target, share, step, out):
    """``share``: one for all rows (``step`` 0), or one a row (1)."""
    wide()
    for i in range(log_probs.shape[0]):
        part = share[_U(i * step)]
        for j in range(log_probs.shape[1]):
            out[i, j] = exp_of_negative(log_probs[i, j]) * part
        out[i, _U(target[i])] -= part
