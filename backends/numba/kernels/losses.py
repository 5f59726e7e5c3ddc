"""losses: cross-entropy of the rows of a matrix, whose rows each have one class."""

from __future__ import annotations

from typing import Any

import numpy as np

from .common import F32, Maker, large


def _plain(x: Any, target: Any, weight: Any, ignore_index: int) -> bool:
    """Whether each row has one valid class that counts fully."""
    return (
        x.ndim == 2
        and weight is None
        and large(x)
        and target.shape == x.shape[:1]
        and target.dtype.kind == "i"
        and not 0 <= ignore_index < x.shape[1]
        and bool(target.min() >= 0)
        and bool(target.max() < x.shape[1])
    )


def _cross_entropy(before: Any, team: Any) -> Any:
    def cross_entropy(
        x: Any, target: Any, weight: Any = None, *, ignore_index: int, reduction: str
    ) -> Any:
        if not _plain(x, target, weight, ignore_index):
            return before(x, target, weight, ignore_index=ignore_index, reduction=reduction)
        from ..loops import losses

        log_probs, costs = np.empty_like(x), np.empty(len(x), F32)
        classes = np.ascontiguousarray(target)
        losses.cross_entropy(*team(x.size), x, classes, log_probs, costs)
        if reduction == "none":
            return costs, log_probs
        total = np.add.reduce(costs)
        return (total if reduction == "sum" else total / F32.type(len(x))), log_probs

    return cross_entropy


def _cross_entropy_backward(before: Any, team: Any) -> Any:
    def cross_entropy_backward(
        grad: Any,
        log_probs: Any,
        target: Any,
        weight: Any = None,
        *,
        ignore_index: int,
        reduction: str,
    ) -> Any:
        plain = getattr(grad, "dtype", None) is F32 and _plain(
            log_probs, target, weight, ignore_index
        )
        if not plain or grad.shape != (log_probs.shape[:1] if reduction == "none" else ()):
            return before(
                grad, log_probs, target, weight, ignore_index=ignore_index, reduction=reduction
            )
        from ..loops import losses

        share = np.ascontiguousarray(grad).reshape(-1)
        if reduction == "mean":
            share = share / F32.type(len(target))
        if reduction != "none":
            share = np.full(len(target), share[0])
        out, classes = np.empty_like(log_probs), np.ascontiguousarray(target)
        losses.cross_entropy_backward(*team(out.size), log_probs, classes, share, out)
        return out

    return cross_entropy_backward


MAKERS: dict[str, Maker] = {
    "cross_entropy": _cross_entropy,
    "cross_entropy_backward": _cross_entropy_backward,
}
