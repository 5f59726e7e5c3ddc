"""nadam: Adam with Nesterov's momentum."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from anadrome import KEEP, float64, get_default_dtype, op
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
    correction: Any,
    now: Any,
    ahead: Any,
    eps: Any,
    decay: Any,
    weight_decay: Any,
    maximize: bool,
) -> None:
    """``now`` and ``ahead`` are the step sizes along the gradient and along its average."""
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
        p -= (g * now + m * ahead) / (xp.sqrt(v / correction) + eps)


nadam_update = op("nadam_update", _update, mutates=("param", "exp_avg", "exp_avg_sq"), dtype=KEEP,
                  method=False)  # fmt: skip


class NAdam(FlatOptimizer):
    """Adam whose momentum looks one step ahead, as Nesterov's does (PyTorch: ``optim.NAdam``).

    ``momentum_decay``: how quickly the momentum's coefficient approaches ``betas[0]``.
    ``weight_decay``: added to the gradient; with ``decoupled_weight_decay`` the parameter itself
    shrinks by ``lr * weight_decay``. The other options are Adam's. ``state[p]`` holds ``step``,
    ``mu_product``, ``exp_avg`` and ``exp_avg_sq``. Raises ``ValueError`` for an option out of
    range.

    Dozat, "Incorporating Nesterov Momentum into Adam", 2016.

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ad.optim.NAdam([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.8944, 1.8944], requires_grad=True)
    """

    update = staticmethod(nadam_update)
    counts_steps = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_not_negative("momentum_decay value", momentum_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": betas,
                "eps": eps,
                "weight_decay": weight_decay,
                "momentum_decay": momentum_decay,
                "decoupled_weight_decay": decoupled_weight_decay,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
            },
        )

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def counters(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0.0, "mu_product": 1.0}

    def numbers_from(
        self, group: dict[str, Any], step: int, scalars: dict[str, float]
    ) -> dict[str, Any]:
        lr = float(group["lr"])
        beta1, beta2 = group["betas"]
        weight_decay = group["weight_decay"]
        decoupled = group["decoupled_weight_decay"]
        mu = beta1 * (1.0 - 0.5 * 0.96 ** (step * group["momentum_decay"]))
        mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((step + 1) * group["momentum_decay"]))
        product = scalars["mu_product"] = _held(scalars["mu_product"] * _held(mu))
        return {
            "beta1": beta1,
            "rest1": 1.0 - beta1,
            "beta2": beta2,
            "rest2": 1.0 - beta2,
            "correction": 1.0 - beta2**step,
            "now": lr * (1.0 - mu) / (1.0 - product),
            "ahead": lr * mu_next / (1.0 - product * mu_next),
            "eps": group["eps"],
            "decay": 1.0 - lr * weight_decay if weight_decay and decoupled else None,
            "weight_decay": weight_decay if weight_decay and not decoupled else None,
            "maximize": group["maximize"],
        }


def _held(value: float) -> float:
    """The value as the state holds it, so that the numbers are PyTorch's to the last digit."""
    return (
        value if get_default_dtype() is float64 else struct.unpack("f", struct.pack("f", value))[0]
    )
