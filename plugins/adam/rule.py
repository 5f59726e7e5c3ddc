"""rule: one update of Adam, on arrays."""

from __future__ import annotations

from typing import Any

from anadrome import KEEP, op
from anadrome.optim import blocks


def _update(
    xp: Any,
    param: Any,
    grad: Any,
    exp_avg: Any,
    exp_avg_sq: Any,
    max_exp_avg_sq: Any = None,
    *,
    beta1: Any,
    rest1: Any,
    beta2: Any,
    rest2: Any,
    step_size: Any,
    root: Any,
    eps: Any,
    decay: Any,
    weight_decay: Any,
    maximize: bool,
) -> None:
    """``rest`` is 1 - beta; ``root`` the square root of the second bias correction; ``step_size``
    has the first one in it; ``decay`` shrinks the parameter itself, as AdamW does."""
    pieces = blocks(param, exp_avg, exp_avg_sq, max_exp_avg_sq, read=grad)
    for p, m, v, largest, g in pieces:
        if maximize:
            g = -g
        if decay is not None:
            p *= decay
        if weight_decay is not None:
            g = g + p * weight_decay
        m *= beta1
        m += g * rest1
        v *= beta2
        v += g * g * rest2
        if largest is not None:
            largest[...] = xp.maximum(largest, v)
            v = largest
        p -= m / (xp.sqrt(v) / root + eps) * step_size


adam_update = op(
    "adam_update",
    _update,
    mutates=("param", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
    dtype=KEEP,
    method=False,
)
