"""muon: steps along the nearest matrix with orthogonal rows or columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.optim import Optimizer
from anadrome.optim.checks import check_one_element, check_real

_ADJUST = (None, "original", "match_rms_adamw")


class Muon(Optimizer):
    """Momentum, made orthogonal, for the matrices of hidden layers (PyTorch: ``optim.Muon``).

    The step is ``p -= lr' * orthogonal(update)``; ``update`` is the running mean of the gradients
    with rate ``1 - momentum`` (with ``nesterov``, mixed once more with the gradient), and what is
    orthogonal comes from ``ns_steps`` Newton-Schulz iterations in bfloat16 with
    ``ns_coefficients``. ``weight_decay`` is decoupled. ``adjust_lr_fn``: ``"original"`` (the
    default) scales the rate by ``sqrt(max(1, rows / columns))``, ``"match_rms_adamw"`` by
    ``0.2 * sqrt(max(rows, columns))``. Raises ``ValueError`` for a parameter that is no matrix:
    give those, and embeddings, to ``AdamW``.

    Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.

    >>> import anadrome as ad
    >>> w = ad.eye(2, requires_grad=True)
    >>> optimizer = ad.optim.Muon([w], lr=0.5, weight_decay=0.0)
    >>> w.sum().backward()
    >>> optimizer.step()
    >>> bool((w < ad.eye(2)).all())
    True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        check_one_element("lr", lr)
        for name, value in (
            ("Learning rate", lr), ("momentum", momentum), ("weight decay", weight_decay),
        ):  # fmt: skip
            if not value >= 0.0:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if adjust_lr_fn not in _ADJUST:
            raise ValueError(
                f"Adjust learning rate function {adjust_lr_fn} is not supported; there are "
                "'original' and 'match_rms_adamw'"
            )
        if ns_steps >= 100:
            raise ValueError("Number of steps must be less than 100 for computational efficiency")
        if len(ns_coefficients) != 3:
            raise ValueError("Coefficients must be a tuple of exactly 3 values")
        super().__init__(
            params,
            {
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "nesterov": nesterov,
                "ns_coefficients": ns_coefficients,
                "eps": eps,
                "ns_steps": ns_steps,
                "adjust_lr_fn": adjust_lr_fn,
            },
        )
        for group in self.param_groups:
            for p in group["params"]:
                if p.ndim != 2:
                    raise ValueError(
                        "Muon only supports 2D parameters whereas we found a parameter with size: "
                        f"{p.shape}; give it to another optimizer, e.g. AdamW"
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
                    self._move(p, p.grad, group)
        return loss

    def _move(self, p: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self.state[p]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = ad.zeros_like(grad)
        mean = state["momentum_buffer"].lerp_(grad, 1 - group["momentum"])
        update = grad.lerp(mean, group["momentum"]) if group["nesterov"] else mean
        update = orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        lr = float(group["lr"])
        rows, columns = p.shape
        if group["adjust_lr_fn"] == "match_rms_adamw":
            scale = 0.2 * math.sqrt(max(rows, columns))
        else:
            scale = math.sqrt(max(1, rows / columns))
        p.mul_(1 - lr * group["weight_decay"])
        p.add_(update, alpha=-lr * scale)


def orthogonal(x: Tensor, coefficients: Any, steps: int, eps: float) -> Tensor:
    """Roughly ``U @ V.T`` of the singular value decomposition of a matrix, in bfloat16."""
    a, b, c = coefficients
    tall = x.shape[0] > x.shape[1]
    x = x.bfloat16()
    x = x.T if tall else x
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = ad.addmm(x, ad.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
