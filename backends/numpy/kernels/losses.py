"""losses: cross-entropy over the rows of a matrix, and the mean of squares, in few calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .activation import log_softmax_rows
from .common import BLAS, declared


def _rows(x: Any, target: Any, weight: Any, ignore_index: int) -> tuple[Any, Any, Any] | None:
    """The class of each row, whether it counts and how much; None for these where all do fully.

    None of what the declaration does: other shapes and types, and classes that are none.
    """
    if x.ndim != 2 or x.dtype not in BLAS or not target.size or target.shape != x.shape[:1]:
        return None
    if weight is not None and (weight.shape != x.shape[1:] or weight.dtype is not x.dtype):
        return None
    counts = None
    if 0 <= ignore_index < x.shape[1] or target.min() < 0:
        counts = target != ignore_index
        target = np.where(counts, target, 0)
    if target.min() < 0 or target.max() >= x.shape[1]:
        return None
    if weight is None:
        return target, counts, None if counts is None else counts.astype(x.dtype)
    shares = weight.take(target)
    return target, counts, shares if counts is None else np.where(counts, shares, 0)


def cross_entropy(
    x: Any, target: Any, weight: Any = None, *, ignore_index: int, reduction: str
) -> Any:
    """The loss, and the logarithms of the softmax."""
    rows = _rows(x, target, weight, ignore_index)
    if rows is None:
        return declared("cross_entropy")(
            x, target, weight, ignore_index=ignore_index, reduction=reduction
        )
    classes, counts, shares = rows
    log_probs = log_softmax_rows(x)
    picked = log_probs[np.arange(len(classes)), classes]
    count: Any = len(classes)
    if shares is not None:
        picked *= shares
        count = np.add.reduce(shares)
    if counts is not None:  # what is ignored may be infinite
        picked = np.where(counts, picked, 0)
    if reduction == "none":
        return np.negative(picked, picked), log_probs
    loss = -np.add.reduce(picked)
    return (loss if reduction == "sum" else loss / count), log_probs


def _shared(grad: Any, rows: tuple[Any, Any, Any], reduction: str) -> Any:
    """What each row gets of the gradient: one number, or one a row."""
    classes, counts, shares = rows
    if shares is None:
        return grad / len(classes) if reduction == "mean" else grad
    if reduction != "mean":
        return shares * grad
    out = shares * (grad / np.add.reduce(shares))
    return out if counts is None else np.where(counts, out, 0)  # not NaN if all are ignored


def cross_entropy_backward(
    grad: Any, log_probs: Any, target: Any, weight: Any = None, *, ignore_index: int, reduction: str
) -> Any:
    """``(softmax - onehot)`` times each row's share of the gradient."""
    rows = None
    if grad.dtype is log_probs.dtype:
        rows = _rows(log_probs, target, weight, ignore_index)
    if rows is None:
        return declared("cross_entropy_backward")(
            grad, log_probs, target, weight, ignore_index=ignore_index, reduction=reduction
        )
    classes, share = rows[0], _shared(grad, rows, reduction)
    out = np.exp(log_probs)
    out[np.arange(len(classes)), classes] -= 1
    out *= share[:, None] if share.ndim else share
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
    rows = _rows(np.broadcast_to(np.zeros((), grad.dtype), shape), target, weight, ignore_index)
    if rows is None:
        return declared("nll_backward")(
            grad, target, weight, x, shape=shape, ignore_index=ignore_index, reduction=reduction
        )
    out = np.zeros(shape, grad.dtype)
    out[np.arange(len(rows[0])), rows[0]] = -_shared(grad, rows, reduction)
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
