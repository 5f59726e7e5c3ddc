"""binary: the losses of probabilities, and of scores whose sigmoid is one."""

from __future__ import annotations

from typing import Any

from .. import backend as backends
from ..errors import DomainError, ShapeError
from ..op import FULL, op
from ..samples import Arr
from .activation import floating, sigmoid, softplus
from .arithmetic import clamp
from .elementwise import log
from .losses import _PAIR, _each, _reduced, _shared, _weighted

_ALWAYS = float("inf")  # softplus's threshold above which it is the identity: never

bce = op(
    "binary_cross_entropy",
    lambda xp, x, y, weight=None, *, reduction: _reduced(
        xp, _sized(x, _weighted(_bce(xp, x, y), weight)), reduction
    ),
    x=lambda g, x, y, weight, reduction: _bce_rule(_shared(g, x, reduction), x, y, weight),
    y=lambda g, x, y, weight, reduction: _weighted(
        _shared(g, x, reduction) * (log(1.0 - x) - log(x)), weight
    ),
    weight=lambda g, x, y, reduction: _shared(g, x, reduction) * bce(x, y, reduction="none"),
    amp=FULL,
    method=False,
    refuses=("complex",),
    samples=_each(Arr((3, 4), 0.1, 0.9), Arr((3, 4), 0, 1), None)
    + _each(Arr((3, 4), 0.1, 0.9), Arr((3, 4), 0, 1), Arr((4,), 0.5, 2)),
)
bce_with_logits = op(
    "binary_cross_entropy_with_logits",
    lambda xp, x, y, weight=None, pos_weight=None, *, reduction: _reduced(
        xp, _sized(x, _weighted(_bce_logits(xp, x, y, pos_weight), weight)), reduction
    ),
    x=lambda g, x, y, weight, pos_weight, reduction: _weighted(
        _shared(g, x, reduction) * _bce_slope(x, y, pos_weight), weight
    ),
    y=lambda g, x, y, weight, pos_weight, reduction: _weighted(
        _shared(g, x, reduction) * _bce_target_slope(x, pos_weight), weight
    ),
    weight=lambda g, x, y, pos_weight, reduction: (
        _shared(g, x, reduction) * bce_with_logits(x, y, None, pos_weight, reduction="none")
    ),
    pos_weight=lambda g, x, y, weight, reduction: _weighted(
        _shared(g, x, reduction) * y * softplus(-x, threshold=_ALWAYS), weight
    ),
    amp=FULL,
    method=False,
    refuses=("complex",),
    samples=_each(*_PAIR, None, None) + _each(*_PAIR, Arr((3, 1), 0.5, 2), Arr((4,), 0.5, 2)),
)


def _sized(x: Any, losses: Any) -> Any:
    """A loss for each score: weights do not make them more."""
    if losses.shape != x.shape:
        raise ShapeError(
            f"output with shape {list(x.shape)} doesn't match the broadcast shape "
            f"{list(losses.shape)}; weights are for scores, write `input.expand(...)` for more"
        )
    return losses


def _bce(xp: Any, x: Any, y: Any) -> Any:
    floating("binary_cross_entropy", x)

    def log_(p: Any) -> Any:
        return xp.maximum(xp.log(p), -100.0)  # as PyTorch: a certain mistake costs 100, not inf

    backends.by_type[x.__class__].require(
        (x >= 0) & (x <= 1),
        lambda: DomainError(
            "all elements of input should be between 0 and 1; apply sigmoid() first, or use "
            "binary_cross_entropy_with_logits"
        ),
    )
    backends.by_type[y.__class__].require(
        (y >= 0) & (y <= 1),
        lambda: DomainError("all elements of target should be between 0 and 1"),
    )
    return -(y * log_(x) + (1.0 - y) * xp.maximum(xp.log1p(-x), -100.0))


def _bce_rule(g: Any, x: Any, y: Any, weight: Any) -> Any:
    return _weighted(g * (x - y) / clamp(x * (1.0 - x), min=1e-12), weight)


def _bce_logits(xp: Any, x: Any, y: Any, pos_weight: Any) -> Any:
    floating("binary_cross_entropy_with_logits", x)
    soft = xp.log1p(xp.exp(-xp.abs(x))) + xp.maximum(-x, 0.0)  # log(1 + exp(-x))
    if pos_weight is None:
        return (1.0 - y) * x + soft
    return (1.0 - y) * x + ((pos_weight - 1.0) * y + 1.0) * soft


def _bce_slope(x: Any, y: Any, pos_weight: Any) -> Any:
    if pos_weight is None:
        return sigmoid(x) - y
    return (1.0 - y) - ((pos_weight - 1.0) * y + 1.0) * sigmoid(-x)


def _bce_target_slope(x: Any, pos_weight: Any) -> Any:
    if pos_weight is None:
        return -x
    return (pos_weight - 1.0) * softplus(-x, threshold=_ALWAYS) - x
