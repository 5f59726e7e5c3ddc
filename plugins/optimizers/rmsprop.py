"""rmsprop: steps scaled by the root of the mean square."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anadrome import KEEP, op
from anadrome.optim import FlatOptimizer, blocks
from anadrome.optim.checks import check_not_negative, check_rate


def _update(
    xp: Any,
    param: Any,
    grad: Any,
    square_avg: Any,
    first: Any = None,
    second: Any = None,
    *,
    lr: Any,
    alpha: Any,
    rest: Any,
    eps: Any,
    momentum: Any,
    weight_decay: Any,
    centered: bool,
    maximize: bool,
) -> None:
    """``first`` and ``second``: the momentum's buffer and the average of the gradient, as far as
    there are any."""
    for p, v, one, two, g in blocks(param, square_avg, first, second, read=grad):
        if maximize:
            g = -g
        if weight_decay is not None:
            g = g + p * weight_decay
        v *= alpha
        v += g * g * rest
        scale = v
        if centered:
            average = one if two is None else two
            average += (g - average) * rest
            scale = v - average * average
        step = g / (xp.sqrt(scale) + eps)
        if momentum is not None:
            one *= momentum
            one += step
            step = one
        p -= step * lr


rmsprop_update = op("rmsprop_update", _update, mutates=("param", "square_avg", "first", "second"),
                    dtype=KEEP, method=False)  # fmt: skip


class RMSprop(FlatOptimizer):
    """Steps scaled by the root of a running mean of squared gradients (``optim.RMSprop``).

    ``alpha``: how much of the mean is kept each step. ``centered``: scale by the estimated
    variance, the mean square less the squared mean. ``momentum``: of the scaled steps.
    ``weight_decay``: added to the gradient. ``state[p]`` holds ``step``, ``square_avg`` and, with
    these options, ``momentum_buffer`` and ``grad_avg``. Raises ``ValueError`` for an option out of
    range.

    Tieleman and Hinton, "Neural Networks for Machine Learning", lecture 6.5, 2012; centered:
    Graves, "Generating Sequences With Recurrent Neural Networks", 2013.

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ad.optim.RMSprop([x], lr=0.1, alpha=0.75)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.8000, 1.8000], requires_grad=True)
    """

    update = staticmethod(rmsprop_update)
    counts_steps = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        check_not_negative("epsilon value", eps)
        check_not_negative("momentum value", momentum)
        check_not_negative("weight_decay value", weight_decay)
        check_not_negative("alpha value", alpha)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "alpha": alpha,
                "eps": eps,
                "centered": centered,
                "weight_decay": weight_decay,
                "capturable": capturable,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
            },
        )

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        names = ["square_avg"]
        if group["momentum"] > 0:
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        return tuple(names)

    def numbers(self, group: dict[str, Any], step: int) -> dict[str, Any]:
        return {
            "lr": float(group["lr"]),
            "alpha": group["alpha"],
            "rest": 1.0 - group["alpha"],
            "eps": group["eps"],
            "momentum": float(group["momentum"]) or None,
            "weight_decay": group["weight_decay"] or None,
            "centered": bool(group["centered"]),
            "maximize": group["maximize"],
        }
