"""rule: one update of Adam, on arrays."""

from __future__ import annotations

from typing import Any

from anadrome import KEEP, NONE, op
from anadrome.optim import blocks
from anadrome.optim.together import each


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


def _updates(
    xp: Any,
    *tensors: Any,
    count: int,
    flagged: bool,
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
    """Of many parameters. If it is ``flagged``, the arrays count the steps: then ``step_size`` is
    the learning rate, and ``root`` None."""
    numbers = {
        "beta1": beta1, "rest1": rest1, "beta2": beta2, "rest2": rest2, "step_size": step_size,
        "root": root, "eps": eps, "decay": decay, "weight_decay": weight_decay,
        "maximize": maximize,
    }  # fmt: skip
    each(xp, _update, tensors, count, flagged, numbers, _counted)


def _counted(xp: Any, numbers: dict[str, Any], step: Any) -> dict[str, Any]:
    """Both corrections of the averages, which start at zero, for step ``step``."""
    return {
        **numbers,
        "step_size": numbers["step_size"] / (1.0 - numbers["beta1"] ** step),
        "root": xp.sqrt(1.0 - numbers["beta2"] ** step),
    }


adam_update = op(
    "adam_update",
    _update,
    mutates=("param", "exp_avg", "exp_avg_sq", "max_exp_avg_sq"),
    dtype=KEEP,
    method=False,
)
adam_update.together = op(
    "adam_updates", _updates, mutates=("tensors",), tensors=NONE, dtype=KEEP, method=False
)
