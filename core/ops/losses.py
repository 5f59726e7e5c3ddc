"""losses: what a model is trained on, where a fused form is more exact or cheaper than its parts."""

from __future__ import annotations

from typing import Any

from ..op import FULL, KEEP, NONE, SAME, op
from ..samples import Arr, call
from .activation import sigmoid
from .elementwise import sign

mse = op("mse_loss", lambda xp, x, y: (x - y) ** 2,
         x=lambda g, x, y: g * (x - y) * 2.0, y=lambda g, x, y: g * (y - x) * 2.0,
         amp=FULL, method=False, samples=call(Arr((3, 4)), Arr((3, 4))))  # fmt: skip
l1 = op("l1_loss", lambda xp, x, y: xp.abs(x - y),
        x=lambda g, x, y: g * sign(x - y), y=lambda g, x, y: g * sign(y - x),
        amp=FULL, method=False, samples=call(Arr((3, 4), 0, 1), Arr((3, 4), 2, 3)))  # fmt: skip
#: Picks ``-x[i, target[i]] * weight[target[i]]``; classes are dimension 1. See functional.nll_loss.
nll = op("nll_loss", lambda xp, x, target, weight, *, ignore_index:
             _nll(xp, x, target, weight, ignore_index),
         x=lambda g, target, weight, x_shape, ignore_index: nll_backward(
             g, target, weight, shape=tuple(x_shape), ignore_index=ignore_index),
         target=NONE, weight=NONE, dtype=KEEP, amp=FULL, method=False,
         samples=call(Arr((4, 3)), Arr((4,), 0, 3, "int"), None, ignore_index=-100)
         + call(Arr((2, 3, 2)), Arr((2, 2), 0, 3, "int"), Arr((3,), 0.5, 1), ignore_index=1))  # fmt: skip
nll_backward = op("nll_backward", lambda xp, grad, target, weight, *, shape, ignore_index:
                      _nll_back(xp, grad, target, weight, shape, ignore_index),
                  grad=lambda g, target, weight, ignore_index: nll(
                      g, target, weight, ignore_index=ignore_index),
                  target=NONE, weight=NONE, dtype=KEEP, method=False)  # fmt: skip
bce_with_logits = op("binary_cross_entropy_with_logits",
                     lambda xp, x, y, pos_weight: _bce(xp, x, y, pos_weight),
                     x=lambda g, x, y, pos_weight: _bce_rule(g, x, y, pos_weight),
                     y=lambda g, x, pos_weight: _bce_target_rule(g, x, pos_weight),
                     pos_weight=NONE, dtype=SAME, amp=FULL, method=False,
                     samples=call(Arr((3, 4)), Arr((3, 4), 0, 1), None)
                     + call(Arr((3, 4)), Arr((3, 4), 0, 1), Arr((4,), 0.5, 2)))  # fmt: skip


def _pick(xp: Any, target: Any, ignore_index: int, classes: int) -> tuple[Any, Any]:
    """Class numbers with a class dimension, ignored ones replaced by 0, and who counts."""
    counts = target != ignore_index
    safe = xp.where(counts, target, 0)
    if safe.size and (bool(xp.min(safe) < 0) or bool(xp.max(safe) >= classes)):
        raise IndexError(
            f"Target {int(xp.max(safe)) if int(xp.min(safe)) >= 0 else int(xp.min(safe))} is out "
            f"of bounds: the classes are 0 to {classes - 1}"
        )
    return xp.expand_dims(xp.astype(safe, xp.int64), axis=1), counts


def _weights(xp: Any, weight: Any, safe: Any) -> Any:
    return xp.reshape(xp.take(weight, xp.reshape(safe, (-1,)), axis=0), safe.shape)


def _nll(xp: Any, x: Any, target: Any, weight: Any, ignore_index: int) -> Any:
    safe, counts = _pick(xp, target, ignore_index, x.shape[1])
    picked = -xp.take_along_axis(x, safe, axis=1)
    if weight is not None:
        picked = picked * _weights(xp, weight, safe)
    return xp.where(counts, xp.squeeze(picked, axis=1), 0.0)


def _nll_back(xp: Any, grad: Any, target: Any, weight: Any, shape: Any, ignore_index: int) -> Any:
    safe, counts = _pick(xp, target, ignore_index, shape[1])
    value = xp.expand_dims(xp.where(counts, -grad, 0.0), axis=1)
    if weight is not None:
        value = value * _weights(xp, weight, safe)
    classes = xp.reshape(xp.arange(shape[1], dtype=xp.int64), (1, -1) + (1,) * (len(shape) - 2))
    return xp.where(safe == classes, value, 0.0)


def _bce(xp: Any, x: Any, y: Any, pos_weight: Any) -> Any:
    soft = xp.log1p(xp.exp(-xp.abs(x))) + xp.maximum(-x, 0.0)  # log(1 + exp(-x))
    if pos_weight is None:
        return (1.0 - y) * x + soft
    return (1.0 - y) * x + ((pos_weight - 1.0) * y + 1.0) * soft


def _bce_rule(g: Any, x: Any, y: Any, pos_weight: Any) -> Any:
    if pos_weight is None:
        return g * (sigmoid(x) - y)
    return g * ((1.0 - y) - ((pos_weight - 1.0) * y + 1.0) * sigmoid(-x))


def _bce_target_rule(g: Any, x: Any, pos_weight: Any) -> Any:
    if pos_weight is None:
        return g * -x
    from .activation import softplus

    return g * ((pos_weight - 1.0) * softplus(-x, threshold=float("inf")) - x)


