"""radam: Adam that waits until it can trust its second average."""

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
    exp_avg_sq: Any,
    *,
    beta1: Any,
    rest1: Any,
    beta2: Any,
    rest2: Any,
    step_size: Any,
    adaptive: Any,
    plain: Any,
    eps: Any,
    decay: Any,
    weight_decay: Any,
    maximize: bool,
) -> None:
    """``adaptive`` and ``plain`` are 1 and 0 where the second average scales the step, else 0 and
    1: numbers and not a form, so that a step that was captured early goes on rightly."""
    for p, m, v, g in blocks(param, exp_avg, exp_avg_sq, read=grad):
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
        p -= m * step_size / ((xp.sqrt(v) + eps) * adaptive + plain)


radam_update = op("radam_update", _update, mutates=("param", "exp_avg", "exp_avg_sq"), dtype=KEEP,
                  method=False)  # fmt: skip


class RAdam(FlatOptimizer):
    """Adam with a rectified start (PyTorch: ``optim.RAdam``).

    While the second average rests on too few gradients the step is ``lr * m``; afterwards it is
    Adam's, scaled by how far that average can be trusted. ``weight_decay``: added to the gradient;
    with ``decoupled_weight_decay`` the parameter itself shrinks by ``lr * weight_decay``. The other
    options are Adam's. ``state[p]`` holds ``step``, ``exp_avg`` and ``exp_avg_sq``. Raises
    ``ValueError`` for an option out of range.

    Liu et al., "On the Variance of the Adaptive Learning Rate and Beyond", 2020.

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ad.optim.RAdam([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    update = staticmethod(radam_update)
    counts_steps = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "decoupled_weight_decay": decoupled_weight_decay,
                "differentiable": differentiable,
            },
        )

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def numbers(self, group: dict[str, Any], step: int) -> dict[str, Any]:
        lr = float(group["lr"])
        beta1, beta2 = group["betas"]
        weight_decay = group["weight_decay"]
        decoupled = group["decoupled_weight_decay"]
        correction = 1.0 - beta2**step
        most = 2.0 / (1.0 - beta2) - 1.0
        length = most - 2.0 * step * beta2**step / correction
        adaptive = length > 5.0
        scale = 1.0
        if adaptive:
            trust = (length - 4.0) * (length - 2.0) * most
            scale = (trust / ((most - 4.0) * (most - 2.0) * length) * correction) ** 0.5
        return {
            "beta1": beta1,
            "rest1": 1.0 - beta1,
            "beta2": beta2,
            "rest2": 1.0 - beta2,
            "step_size": lr / (1.0 - beta1**step) * scale,
            "adaptive": float(adaptive),
            "plain": float(not adaptive),
            "eps": group["eps"],
            "decay": 1.0 - lr * weight_decay if weight_decay and decoupled else None,
            "weight_decay": weight_decay if weight_decay and not decoupled else None,
            "maximize": group["maximize"],
        }
