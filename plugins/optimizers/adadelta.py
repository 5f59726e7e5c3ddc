"""adadelta: steps in the units of the parameters."""

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
    acc_delta: Any,
    *,
    lr: Any,
    rho: Any,
    rest: Any,
    eps: Any,
    weight_decay: Any,
    maximize: bool,
) -> None:
    for p, v, u, g in blocks(param, square_avg, acc_delta, read=grad):
        if maximize:
            g = -g
        if weight_decay is not None:
            g = g + p * weight_decay
        v *= rho
        v += g * g * rest
        delta = xp.sqrt(u + eps) / xp.sqrt(v + eps) * g
        u *= rho
        u += delta * delta * rest
        p -= delta * lr


adadelta_update = op("adadelta_update", _update, mutates=("param", "square_avg", "acc_delta"),
                     dtype=KEEP, method=False)  # fmt: skip


class Adadelta(FlatOptimizer):
    """Steps as large as recent steps, relative to recent gradients (``optim.Adadelta``).

    The step is ``lr * sqrt(u + eps) / sqrt(v + eps) * g``, with v and u the running averages of the
    squared gradients and of the squared steps. ``rho``: how much of them is kept.
    ``weight_decay``: added to the gradient. ``state[p]`` holds ``step``, ``square_avg`` and
    ``acc_delta``. Raises ``ValueError`` for an option out of range.

    Zeiler, "ADADELTA: An Adaptive Learning Rate Method", 2012.

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ad.optim.Adadelta([x], lr=10.0)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.9684, 1.9684], requires_grad=True)
    """

    update = staticmethod(adadelta_update)
    counts_steps = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative("epsilon value", eps)
        check_not_negative("weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "rho": rho,
                "eps": eps,
                "weight_decay": weight_decay,
                "maximize": maximize,
                "capturable": capturable,
                "foreach": foreach,
                "differentiable": differentiable,
            },
        )

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("square_avg", "acc_delta")

    def numbers(self, group: dict[str, Any], step: int) -> dict[str, Any]:
        return {
            "lr": float(group["lr"]),
            "rho": group["rho"],
            "rest": 1.0 - group["rho"],
            "eps": group["eps"],
            "weight_decay": group["weight_decay"] or None,
            "maximize": group["maximize"],
        }
