"""lambdas: rates that a function of the user's gives."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from ..dtypes import is_number
from .lr_scheduler import LRScheduler
from .optimizer import Optimizer


class _Functions(LRScheduler):
    """What is common: one function, or one a group; of callable objects the state is saved."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        groups = len(optimizer.param_groups)
        if isinstance(lr_lambda, (list, tuple)):
            if len(lr_lambda) != groups:
                raise ValueError(f"Expected {groups} lr_lambdas, but got {len(lr_lambda)}")
            self.lr_lambdas = list(lr_lambda)
        else:
            self.lr_lambdas = [lr_lambda] * groups
        super().__init__(optimizer, last_epoch)

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer; of the functions, only the state of callable objects."""
        out = super().state_dict()
        out["lr_lambdas"] = [
            None if isinstance(f, types.FunctionType) else dict(f.__dict__) for f in self.lr_lambdas
        ]
        return out

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.__dict__.update({k: v for k, v in state_dict.items() if k != "lr_lambdas"})
        for function, state in zip(self.lr_lambdas, state_dict["lr_lambdas"]):
            if state is not None:
                function.__dict__.update(state)

    def _asked(self, function: Callable[[int], Any]) -> Any:
        """The factor that a function of the user's gives."""
        factor = function(self.last_epoch)
        if not is_number(factor):
            name = getattr(function, "__qualname__", type(function).__name__)
            raise TypeError(
                f"{type(self).__name__}: lr_lambda {name} returned {type(factor).__name__} for "
                f"epoch {self.last_epoch}; it must return a number"
            )
        return factor


class LambdaLR(_Functions):
    """The rate of the start times ``lr_lambda(epoch)``; one function, or one a group.

    >>> import anadrome as ad
    >>> optimizer = ad.optim.SGD([ad.zeros(1, requires_grad=True)], lr=0.8)
    >>> scheduler = ad.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.4]
    """

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        return [base * self._asked(f) for f, base in zip(self.lr_lambdas, self.base_lrs)]


class MultiplicativeLR(_Functions):
    """The present rate times ``lr_lambda(epoch)``, every epoch; one function, or one a group.

    Raises ``ValueError`` for another number of functions, ``TypeError`` for what is no function.

    >>> import anadrome as ad
    >>> optimizer = ad.optim.SGD([ad.zeros(1, requires_grad=True)], lr=0.8)
    >>> scheduler = ad.optim.lr_scheduler.MultiplicativeLR(optimizer, lambda epoch: 0.5)
    >>> for _ in range(2):
    ...     optimizer.step()
    ...     scheduler.step()
    >>> scheduler.get_last_lr()
    [0.2]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | list[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        for function in lr_lambda if isinstance(lr_lambda, (list, tuple)) else [lr_lambda]:
            if not callable(function):
                raise TypeError(
                    f"lr_lambda should be a function, but got {type(function).__name__}"
                )
        super().__init__(optimizer, lr_lambda, last_epoch)

    def get_lr(self) -> list[Any]:
        self._warn_outside_step()
        if self._is_initial:
            return self._present()
        groups = self.optimizer.param_groups
        return [g["lr"] * self._asked(f) for f, g in zip(self.lr_lambdas, groups)]
