"""rprop: steps whose size follows from the gradient's sign alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anadrome import KEEP, op
from anadrome.optim import FlatOptimizer, blocks
from anadrome.optim.checks import check_rate


def _update(
    xp: Any,
    param: Any,
    grad: Any,
    prev: Any,
    step_size: Any,
    *,
    shrink: Any,
    grow: Any,
    least: Any,
    most: Any,
    maximize: bool,
) -> None:
    for p, last, size, g in blocks(param, prev, step_size, read=grad):
        if maximize:
            g = -g
        # Products through xp: where the step is recorded, they keep copies.
        turn = xp.sign(xp.multiply(g, last))
        factor = xp.where(turn > 0, grow, turn)
        factor = xp.where(turn < 0, shrink, factor)
        factor = xp.where(turn == 0, 1.0, factor)
        size[...] = xp.clip(xp.multiply(size, factor), least, most)
        # Where the sign has changed, the parameter waits for a step.
        last[...] = xp.where(turn < 0, 0.0, g)
        p -= xp.sign(last) * size


rprop_update = op("rprop_update", _update, mutates=("param", "prev", "step_size"), dtype=KEEP,
                  method=False)  # fmt: skip


class Rprop(FlatOptimizer):
    """Each value has its own step size, which grows while the gradient keeps its sign
    (PyTorch: ``optim.Rprop``).

    ``etas``: what the step size is multiplied by when the sign changes, and when it does not.
    ``step_sizes``: its bounds; it starts at ``lr``. For full batches: the gradient's size plays no
    part. ``state[p]`` holds ``step``, ``prev`` and ``step_size``. Raises ``ValueError`` for an
    option out of range.

    Riedmiller and Braun, "A Direct Adaptive Method for Faster Backpropagation Learning", 1993.

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = ad.optim.Rprop([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([ 0.9000, -1.9000], requires_grad=True)
    """

    update = staticmethod(rprop_update)
    counts_steps = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rate(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(
            params,
            {
                "lr": lr,
                "etas": etas,
                "step_sizes": step_sizes,
                "foreach": foreach,
                "maximize": maximize,
                "differentiable": differentiable,
                "capturable": capturable,
            },
        )

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("prev", "step_size")

    def start(self, group: dict[str, Any], name: str) -> float:
        return float(group["lr"]) if name == "step_size" else 0.0

    def numbers(self, group: dict[str, Any], step: int) -> dict[str, Any]:
        shrink, grow = group["etas"]
        least, most = group["step_sizes"]
        return {
            "shrink": shrink,
            "grow": grow,
            "least": least,
            "most": most,
            "maximize": group["maximize"],
        }
