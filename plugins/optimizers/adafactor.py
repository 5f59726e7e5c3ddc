"""adafactor: the second moment of a matrix kept as one row and one column."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.optim import Optimizer
from anadrome.optim.checks import check_one_element, check_real


class Adafactor(Optimizer):
    """Steps relative to the parameters' size, with little state (PyTorch: ``optim.Adafactor``).

    The second moment of a parameter of two dimensions or more is kept as the means of its rows and
    of its columns (``state[p]["row_var"]``, ``["col_var"]``), of a vector as it is
    (``["variance"]``); ``step ** beta2_decay`` is the rate at which they are renewed. ``lr``: the
    largest relative step. ``eps``: the smallest second moment (the dtype's, if None), and the
    smallest size of a parameter. ``d``: the largest root mean square of an update.
    ``weight_decay`` is decoupled. Raises ``ValueError`` for an option out of range.

    Shazeer and Stern, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost", 2018.

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ad.optim.Adafactor([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.8419, 1.8419], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_one_element("lr", lr)
        if not lr >= 0.0:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0.0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0.0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not weight_decay >= 0.0:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(
            params,
            {
                "lr": lr,
                "beta2_decay": beta2_decay,
                "eps": eps,
                "d": d,
                "weight_decay": weight_decay,
                "foreach": foreach,
                "maximize": maximize,
            },
        )

    def check_parameter(self, p: Any) -> None:
        super().check_parameter(p)
        check_real(self, p)

    @ad.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; ``closure`` computes the loss anew, which is returned."""
        loss = None if closure is None else ad.enable_grad()(closure)()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._move(p, -p.grad if group["maximize"] else p.grad, group)
        return loss

    def _move(self, p: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[p]
        if not state:
            state["step"] = ad.zeros((), device="cpu")
            if grad.ndim > 1:
                state["row_var"] = grad.new_zeros((*grad.shape[:-1], 1))
                state["col_var"] = grad.new_zeros((*grad.shape[:-2], 1, grad.shape[-1]))
            else:
                state["variance"] = ad.zeros_like(grad)
        state["step"] += 1
        step = state["step"].item()
        lr = float(group["lr"])
        least, least_size = group["eps"]
        least = ad.finfo(p.dtype).eps if least is None else least
        fresh = step ** group["beta2_decay"]
        # On the device: a step does not wait for it.
        size = (p.norm(2) / max(p.numel(), 1) ** 0.5).clamp(min=least_size)
        if group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        if grad.ndim > 1:
            rows, columns = state["row_var"], state["col_var"]
            rows.lerp_(grad.norm(dim=-1, keepdim=True).square() / grad.shape[-1], fresh)
            columns.lerp_(grad.norm(dim=-2, keepdim=True).square() / grad.shape[-2], fresh)
            moment = rows @ columns / rows.mean(dim=-2, keepdim=True).clamp(min=least)
        else:
            moment = state["variance"].lerp_(grad * grad, fresh)
        update = moment.clamp(min=least * least).rsqrt() * grad
        excess = update.norm(2) / (max(update.numel(), 1) ** 0.5 * group["d"])
        p.sub_(update * (size * min(lr, step**-0.5) / excess.clamp(min=1.0)))
