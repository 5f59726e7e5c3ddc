"""sgd: stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..op import KEEP, NONE, op
from .flat import FlatOptimizer
from .optimizer import check_flags, check_one_element
from .pieces import blocks
from .together import each


def _update(
    xp: Any,
    param: Any,
    grad: Any,
    momentum_buffer: Any = None,
    *,
    lr: Any,
    weight_decay: Any,
    momentum: Any,
    carry: Any,
    share: Any,
    nesterov: bool,
    maximize: bool,
) -> None:
    for p, b, g in blocks(param, momentum_buffer, read=grad):
        if maximize:
            g = -g
        if weight_decay is not None:
            g = g + p * weight_decay
        if b is not None:
            b *= carry
            b += g if share is None else g * share
            g = g + b * momentum if nesterov else b
        p -= g * lr


def _updates(
    xp: Any,
    *tensors: Any,
    count: int,
    flagged: bool,
    lr: Any,
    weight_decay: Any,
    momentum: Any,
    carry: Any,
    share: Any,
    nesterov: bool,
    maximize: bool,
) -> None:
    numbers = {
        "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "carry": carry,
        "share": share, "nesterov": nesterov, "maximize": maximize,
    }  # fmt: skip
    each(xp, _update, tensors, count, flagged, numbers)


sgd_update = op("sgd_update", _update, mutates=("param", "momentum_buffer"), dtype=KEEP,
                method=False)  # fmt: skip
sgd_update.together = op("sgd_updates", _updates, mutates=("tensors",), tensors=NONE, dtype=KEEP,
                         method=False)  # fmt: skip


class SGD(FlatOptimizer):
    """Gradient descent, with momentum and Nesterov's variant of it (PyTorch: ``optim.SGD``).

    The step is ``p -= lr * g``. With ``weight_decay``, ``g`` is ``grad + weight_decay * p``. With
    ``momentum``, a buffer ``b = momentum * b + (1 - dampening) * g`` (``b = g`` in the first step)
    takes its place, or ``g + momentum * b`` with ``nesterov``. ``maximize`` ascends instead.
    ``lr`` may be a Tensor of one element. ``foreach`` and ``fused`` are accepted: the update is
    always the fast one. ``differentiable`` records the step itself in the graph. Raises
    ``ValueError`` for an option out of range.

    Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ad.optim.SGD([x], lr=0.1, momentum=0.9)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.8000, 1.6000], requires_grad=True)
    """

    update = staticmethod(sgd_update)

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_one_element("lr", lr)
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        check_flags(foreach, fused, differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "momentum": momentum,
                "dampening": dampening,
                "weight_decay": weight_decay,
                "nesterov": nesterov,
                "maximize": maximize,
                "foreach": foreach,
                "differentiable": differentiable,
                "fused": fused,
            },
        )

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def numbers(self, group: dict[str, Any], step: int) -> dict[str, Any]:
        first = step == 1
        dampening = group["dampening"]
        return {
            "lr": float(group["lr"]),
            "weight_decay": float(group["weight_decay"]) or None,
            "momentum": float(group["momentum"]),
            # The buffer starts as the gradient itself: 0 * zeros + 1 * gradient.
            "carry": 0.0 if first else float(group["momentum"]),
            "share": (1.0 if first else 1.0 - dampening) if dampening else None,
            "nesterov": group["nesterov"],
            "maximize": group["maximize"],
        }

    def numbers_uncounted(self, group: dict[str, Any]) -> dict[str, Any] | None:
        if type(self).numbers is not SGD.numbers or (group["momentum"] and group["dampening"]):
            return None  # which step is the first decides how much of the gradient is taken
        return self.numbers(group, 2)
