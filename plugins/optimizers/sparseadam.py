"""sparseadam: Adam for embeddings, of which a step touches a few rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import anadrome as ad
from anadrome.optim import Optimizer
from anadrome.optim.checks import check_betas, check_not_negative, check_rate, check_real


class SparseAdam(Optimizer):
    """Adam that leaves out rows without a gradient: neither they nor their averages change
    (PyTorch: ``optim.SparseAdam``).

    A row is what an index along the first dimension gives. Gradients are dense here, also those of
    ``Embedding(sparse=True)``: a row counts as touched where its gradient is not all zero. The
    options are Adam's. ``state[p]`` holds ``step``, ``exp_avg`` and ``exp_avg_sq``. Raises
    ``ValueError`` for an option out of range, ``TypeError`` for a complex parameter.

    >>> import anadrome as ad
    >>> table = ad.nn.Embedding(4, 2, sparse=True)
    >>> before = table.weight.detach().clone()
    >>> optimizer = ad.optim.SparseAdam(table.parameters(), lr=0.1)
    >>> table(ad.tensor([2])).sum().backward()
    >>> optimizer.step()
    >>> (table.weight != before).any(1)
    tensor([False, False,  True, False])
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        check_rate(lr)
        if not lr > 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        check_not_negative("epsilon value", eps)
        if eps == 0.0:
            raise ValueError(f"Invalid epsilon value: {eps}")
        check_betas(betas)
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "maximize": maximize})

    def check_parameter(self, p: Any) -> None:
        super().check_parameter(p)
        check_real(self, p)

    @ad.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with ad.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, group)
        return loss

    def _update(self, p: ad.Tensor, group: dict[str, Any]) -> None:
        state = self.state[p]
        if not state:
            state["step"] = 0
            state["exp_avg"], state["exp_avg_sq"] = ad.zeros_like(p), ad.zeros_like(p)
        state["step"] += 1
        beta1, beta2 = group["betas"]
        grad: Any = p.grad
        if group["maximize"]:
            grad = -grad
        if p.ndim == 0:
            touched: Any = grad != 0
        else:
            touched = (grad != 0).reshape(len(p), -1).any(1)
        g = grad[touched]
        mean = state["exp_avg"][touched].lerp(g, 1 - beta1)
        square = state["exp_avg_sq"][touched].lerp(g * g, 1 - beta2)
        state["exp_avg"][touched], state["exp_avg_sq"][touched] = mean, square
        rate = group["lr"] * (1 - beta2 ** state["step"]) ** 0.5 / (1 - beta1 ** state["step"])
        p[touched] -= rate * mean / (square.sqrt() + group["eps"])
