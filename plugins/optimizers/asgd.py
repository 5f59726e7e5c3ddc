"""asgd: gradient descent that also keeps the average of where it has been."""

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
    ax: Any,
    *,
    eta: Any,
    decay: Any,
    mu: Any,
    rest: Any,
    weight_decay: Any,
    maximize: bool,
) -> None:
    for p, average, g in blocks(param, ax, read=grad):
        if maximize:
            g = -g
        if weight_decay is not None:
            g = g + p * weight_decay
        p *= decay
        p -= g * eta
        average *= rest
        average += p * mu


asgd_update = op("asgd_update", _update, mutates=("param", "ax"), dtype=KEEP, method=False)


class ASGD(FlatOptimizer):
    """Gradient descent with a falling rate, and the average of the parameters (``optim.ASGD``).

    The rate is ``eta = lr / (1 + lambd * lr * step) ** alpha``; each step also shrinks the
    parameters by ``lambd * eta``. ``state[p]["ax"]`` is the parameter until step ``t0`` and from
    then on its running average; the others are ``step``, ``eta`` and ``mu``. ``weight_decay``:
    added to the gradient. Raises ``ValueError`` for an option out of range.

    Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992.

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ad.optim.ASGD([x], lr=0.1, lambd=0.0)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    update = staticmethod(asgd_update)
    counts_steps = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_rate(lr)
        check_not_negative("weight_decay value", weight_decay)
        super().__init__(
            params,
            {
                "lr": lr,
                "lambd": lambd,
                "alpha": alpha,
                "t0": t0,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("ax",)

    def counters(self, group: dict[str, Any]) -> dict[str, float]:
        return {"step": 0.0, "eta": float(group["lr"]), "mu": 1.0}

    def numbers_from(
        self, group: dict[str, Any], step: int, scalars: dict[str, float]
    ) -> dict[str, Any]:
        lr = float(group["lr"])
        lambd = group["lambd"]
        eta, mu = scalars["eta"], scalars["mu"]
        scalars["eta"] = lr / (1.0 + lambd * lr * step) ** group["alpha"]
        scalars["mu"] = 1.0 / max(1, step - group["t0"])
        return {
            "eta": eta,
            "decay": 1.0 - lambd * eta,
            "mu": mu,
            "rest": 1.0 - mu,
            "weight_decay": group["weight_decay"] or None,
            "maximize": group["maximize"],
        }
