"""losses: cross-entropy over the rows of a matrix, and the mean of squares, in few calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .activation import log_softmax_rows
from .common import BLAS, declared


def _plain(x: Any, target: Any, weight: Any, ignore_index: int) -> bool:
    """Whether each row has one valid class that counts fully; the declaration does the others."""
    return (
        x.ndim == 2
        and x.dtype in BLAS
        and weight is None
        and target.size > 0
        and target.shape == x.shape[:1]
        and not 0 <= ignore_index < x.shape[1]
        and bool(target.min() >= 0)
        and bool(target.max() < x.shape[1])
    )


def cross_entropy(
    x: Any, target: Any, weight: Any = None, *, ignore_index: int, reduction: str
) -> Any:
    """The loss, and the logarithms of the softmax."""
    if not _plain(x, target, weight, ignore_index):
        return declared("cross_entropy")(
            x, target, weight, ignore_index=ignore_index, reduction=reduction
        )
    log_probs = log_softmax_rows(x)
    picked = log_probs[np.arange(len(target)), target]
    if reduction == "none":
        return np.negative(picked, picked), log_probs
    loss = -np.add.reduce(picked)
    return (loss if reduction == "sum" else loss / len(target)), log_probs


def cross_entropy_backward(
    grad: Any, log_probs: Any, target: Any, weight: Any = None, *, ignore_index: int, reduction: str
) -> Any:
    """``(softmax - onehot)`` times each row's share of the gradient."""
    if grad.dtype is not log_probs.dtype or not _plain(log_probs, target, weight, ignore_index):
        return declared("cross_entropy_backward")(
            grad, log_probs, target, weight, ignore_index=ignore_index, reduction=reduction
        )
    share = grad / len(target) if reduction == "mean" else grad
    out = np.exp(log_probs)
    out[np.arange(len(target)), target] -= 1
    out *= share[:, None] if reduction == "none" else share
    return out


def nll_backward(
    grad: Any,
    target: Any,
    weight: Any = None,
    x: Any = None,
    *,
    shape: Any,
    ignore_index: int,
    reduction: str,
) -> Any:
    """Each row's share of the gradient, negative, at its class."""
    rows = np.broadcast_to(np.zeros((), grad.dtype), shape)
    if not _plain(rows, target, weight, ignore_index):
        return declared("nll_backward")(
            grad, target, weight, x, shape=shape, ignore_index=ignore_index, reduction=reduction
        )
    out = np.zeros(shape, grad.dtype)
    out[np.arange(len(target)), target] = -(grad / len(target) if reduction == "mean" else grad)
    return out


def mse_loss(x: Any, y: Any, *, reduction: str) -> Any:
    """The squares of the differences, or their sum or mean."""
    if x.dtype not in BLAS or x.dtype is not y.dtype:
        return declared("mse_loss")(x, y, reduction=reduction)
    difference = x - y
    if reduction == "none" or not difference.ndim or not difference.size:
        return declared("mse_loss")(x, y, reduction=reduction)
    np.multiply(difference, difference, difference)
    total = np.add.reduce(difference, None)
    return total if reduction == "sum" else total / difference.size


KERNELS: dict[str, Callable[..., Any]] = {
    "cross_entropy": cross_entropy,
    "cross_entropy_backward": cross_entropy_backward,
    "mse_loss": mse_loss,
    "nll_backward": nll_backward,
}
