"""adamax: Adam with the infinity norm in place of the square."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anadrome import KEEP, op
from anadrome.optim import FlatOptimizer, blocks
from anadrome.optim.checks import check_betas, check_not_negative, check_rate


def _update(
    xp: Any,
    param: Any,
    grad: Any,
    exp_avg: Any,
    exp_inf: Any,
    *,
    beta1: Any,
    rest1: Any,
    beta2: Any,
    step_size: Any,
    eps: Any,
    weight_decay: Any,
    maximize: bool,
) -> None:
    for p, m, u, g in blocks(param, exp_avg, exp_inf, read=grad):
        if maximize:
            g = -g
        if weight_decay is not None:
            g = g + p * weight_decay
        m *= beta1
        m += g * rest1
        u[...] = xp.maximum(u * beta2, xp.abs(g) + eps)
        p -= m / u * step_size


adamax_update = op("adamax_update", _update, mutates=("param", "exp_avg", "exp_inf"), dtype=KEEP,
                   method=False)  # fmt: skip


class Adamax(FlatOptimizer):
    """Adam scaled by the largest recent gradient, not by the mean square (``optim.Adamax``).

    The scale is ``u = max(betas[1] * u, |g| + eps)``. The options are Adam's. ``state[p]`` holds
    ``step``, ``exp_avg`` and ``exp_inf``. Raises ``ValueError`` for an option out of range.

    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015, section 7.1.

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ad.optim.Adamax([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    update = staticmethod(adamax_update)
    counts_steps = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_rate(lr)
        check_not_negative("epsilon value", eps)
        check_betas(betas)
        check_not_negative("weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_inf")

    def numbers(self, group: dict[str, Any], step: int) -> dict[str, Any]:
        beta1, beta2 = group["betas"]
        return {
            "beta1": beta1,
            "rest1": 1.0 - beta1,
            "beta2": beta2,
            "step_size": float(group["lr"]) / (1.0 - beta1**step),
            "eps": group["eps"],
            "weight_decay": group["weight_decay"] or None,
            "maximize": group["maximize"],
        }
