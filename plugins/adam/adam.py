"""adam: the optimizers, with PyTorch's options."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anadrome import Tensor
from anadrome.optim import FlatOptimizer
from anadrome.optim.checks import check_flags, check_one_element, check_pair

from .rule import adam_update


class Adam(FlatOptimizer):
    """Adam: steps scaled by running averages of the gradient and of its square (``optim.Adam``).

    With m and v these averages, corrected for their start at zero, the step is
    ``p -= lr * m / (sqrt(v) + eps)``. ``betas``: how much of m and v is kept each step.
    ``weight_decay``: added to the gradient as ``weight_decay * p``; with
    ``decoupled_weight_decay`` (AdamW) the parameter itself shrinks by ``lr * weight_decay``.
    ``amsgrad``: divide by the largest v so far (Reddi et al., 2018). ``maximize``: ascend.
    ``lr`` and both ``betas`` may be Tensors of one element. ``foreach``, ``fused`` and
    ``capturable`` are accepted: the update is always the fast one, and any step can be captured.
    ``differentiable`` records the step itself in the graph.

    ``state[p]`` holds ``step``, ``exp_avg``, ``exp_avg_sq`` and, with ``amsgrad``,
    ``max_exp_avg_sq``. Raises ``ValueError`` for an option out of range.

    Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2015.

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = ad.optim.Adam([x], lr=0.1)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.9000, 1.9000], requires_grad=True)
    """

    update = staticmethod(adam_update)
    counts_steps = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        _check(lr, betas, eps, weight_decay, foreach and not capturable)
        check_flags(foreach, fused, differentiable)
        super().__init__(
            params,
            {
                "lr": lr,
                "betas": tuple(b.item() if isinstance(b, Tensor) else b for b in betas),
                "eps": eps,
                "weight_decay": weight_decay,
                "amsgrad": amsgrad,
                "maximize": maximize,
                "foreach": foreach,
                "capturable": capturable,
                "differentiable": differentiable,
                "fused": fused,
                "decoupled_weight_decay": decoupled_weight_decay,
            },
        )

    def state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        if group["amsgrad"]:
            return ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
        return ("exp_avg", "exp_avg_sq")

    def numbers(self, group: dict[str, Any], step: int) -> dict[str, Any]:
        lr = float(group["lr"])
        beta1, beta2 = group["betas"]
        weight_decay = group["weight_decay"]
        decoupled = group["decoupled_weight_decay"]
        return {
            "beta1": beta1,
            "rest1": 1.0 - beta1,
            "beta2": beta2,
            "rest2": 1.0 - beta2,
            "step_size": lr / (1.0 - beta1**step),
            "root": (1.0 - beta2**step) ** 0.5,
            "eps": group["eps"],
            "decay": 1.0 - lr * weight_decay if weight_decay and decoupled else None,
            "weight_decay": weight_decay if weight_decay and not decoupled else None,
            "maximize": group["maximize"],
        }

    def numbers_uncounted(self, group: dict[str, Any]) -> dict[str, Any] | None:
        if type(self).numbers is not Adam.numbers:
            return None
        return {**self.numbers(group, 1), "step_size": float(group["lr"]), "root": None}


class AdamW(Adam):
    """Adam with decoupled weight decay: each step also shrinks the parameters by
    ``lr * weight_decay`` (PyTorch: ``optim.AdamW``). The options are Adam's.

    Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0], requires_grad=True)
    >>> optimizer = ad.optim.AdamW([x], lr=0.1, weight_decay=0.5)
    >>> x.sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.8500], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: Any = 1e-3,
        betas: tuple[Any, Any] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:  # also of a state that Adam saved
            group["decoupled_weight_decay"] = True


def _check(lr: Any, betas: tuple[Any, Any], eps: float, weight_decay: float, each: Any) -> None:
    """PyTorch's checks, in PyTorch's words."""
    if isinstance(lr, Tensor) and each:
        raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
    check_one_element("lr", lr)
    if not lr >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")
    if not eps >= 0.0:
        raise ValueError(f"Invalid epsilon value: {eps}")
    check_pair("betas", betas)
    for i, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
    if not weight_decay >= 0.0:
        raise ValueError(f"Invalid weight_decay value: {weight_decay}")
    if len({isinstance(b, Tensor) for b in betas}) > 1 or not all(
        isinstance(b, (float, Tensor)) for b in betas
    ):
        raise ValueError("betas must be either both floats or both Tensors")
    for i, beta in enumerate(betas):
        if isinstance(beta, Tensor) and each:
            raise ValueError(
                f"betas[{i}] as a Tensor is not supported for capturable=False and foreach=True"
            )
        check_one_element(f"betas[{i}]", beta)
