"""adagrad: steps scaled by the sum of all squared gradients."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import anadrome as ad
from anadrome import KEEP, op
from anadrome.optim import FlatOptimizer, blocks
from anadrome.optim.checks import check_flags, check_not_negative, check_rate


def _update(
    xp: Any,
    param: Any,
    grad: Any,
    sum: Any,
    *,
    step_size: Any,
    eps: Any,
    weight_decay: Any,
    maximize: bool,
) -> None:
    for p, total, g in blocks(param, sum, read=grad):
        if maximize:
            g = -g
        if weight_decay is not None:
            g = g + p * weight_decay
        total += g * g
        p -= g / (xp.sqrt(total) + eps) * step_size


adagrad_update = op("adagrad_update", _update, mutates=("param", "sum"), dtype=KEEP, method=False)


class Adagrad(FlatOptimizer):
    """Steps scaled by the root of the sum of squared gradients so far (``optim.Adagrad``).

    The step is ``p -= lr / (1 + (step - 1) * lr_decay) * g / (sqrt(sum) + eps)``.
    ``initial_accumulator_value``: where the sum starts. ``weight_decay``: added to the gradient.
    ``state[p]`` holds ``step`` and ``sum``, from the beginning. Raises ``ValueError`` for an option
    out of range.

    Duchi et al., "Adaptive Subgradient Methods for Online Learning", 2011.

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ad.optim.Adagrad([x], lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.5000, 1.5000], requires_grad=True)
    """

    update = staticmethod(adagrad_update)
    counts_steps = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_rate(lr)
        check_not_negative("lr_decay value", lr_decay)
        check_not_negative("weight_decay value", weight_decay)
        check_not_negative("initial_accumulator_value value", initial_accumulator_value)
        check_not_negative("epsilon value", eps)
        check_flags(foreach, fused, differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "lr_decay": lr_decay,
                "eps": eps,
                "weight_decay": weight_decay,
                "initial_accumulator_value": initial_accumulator_value,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "fused": fused,
            },
        )
        kind = ad.float64 if ad.get_default_dtype() is ad.float64 else ad.float32
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                state["step"] = ad.zeros((), dtype=kind, device="cpu")
                start: complex = initial_accumulator_value
                if p.is_complex():  # of both parts
                    start = complex(start, start)
                state["sum"] = ad.full_like(p, start, requires_grad=False)

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("sum",)

    def start(self, group: dict[str, Any], name: str) -> float:
        return self.defaults["initial_accumulator_value"]

    def numbers(self, group: dict[str, Any], step: int) -> dict[str, Any]:
        return {
            "step_size": float(group["lr"]) / (1.0 + (step - 1) * group["lr_decay"]),
            "eps": group["eps"],
            "weight_decay": group["weight_decay"] or None,
            "maximize": group["maximize"],
        }
