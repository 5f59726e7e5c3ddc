"""losses: cross-entropy of the rows of a matrix."""

from __future__ import annotations

import numpy as np

from .mathematics import compiled, exp_of_negative, wide
from .rows import log_softmax_of
from .team import share_rows

_U = np.uint64


@compiled
def _cross_entropy(x, target, log_probs, costs):
    wide()
    log_softmax_of(x, log_probs)
    for i in range(target.size):
        costs[i] = -log_probs[i, _U(target[i])]


@compiled
def cross_entropy(team, parts, x, target, log_probs, costs):
    """The logarithms of the softmax, and the negative of the one at each row's class."""
    share_rows(team, _cross_entropy, (x, target, log_probs, costs), (), parts)


@compiled
def _cross_entropy_backward(log_probs, target, share, out):
    wide()
    for i in range(log_probs.shape[0]):
        part = share[i]
        for j in range(log_probs.shape[1]):
            out[i, j] = exp_of_negative(log_probs[i, j]) * part
        out[i, _U(target[i])] -= part


@compiled
def cross_entropy_backward(team, parts, log_probs, target, share, out):
    """``share``: what arrives, a row."""
    share_rows(team, _cross_entropy_backward, (log_probs, target, share, out), (), parts)
