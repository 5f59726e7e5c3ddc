"""swa: averages of the weights over the course of training (PyTorch: ``optim.swa_utils``)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any

import anadrome as ad
from anadrome import Tensor, nn, sites
from anadrome.border import enclose_functions
from anadrome.optim import Optimizer
from anadrome.optim.lr_scheduler import LRScheduler

Average = Callable[[Tensor, Tensor, Any], Tensor]
Averages = Callable[[list[Tensor], list[Tensor], Any], None]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The exponential moving average of one parameter, for ``AveragedModel(avg_fn=...)``."""
    _check_decay(decay)

    @ad.no_grad()
    def ema_update(ema_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """The exponential moving average of many parameters, in place, for
    ``AveragedModel(multi_avg_fn=...)``. Raises ``ValueError`` for a ``decay`` outside [0, 1]."""
    _check_decay(decay)

    @ad.no_grad()
    def ema_update(
        ema_param_list: list[Tensor], current_param_list: list[Tensor], num_averaged: Any
    ) -> None:
        for average, current in zip(ema_param_list, current_param_list):
            if average.dtype.is_floating_point or average.dtype.is_complex:
                average.copy_(ad.lerp(average, current, 1 - decay))
            else:
                average.copy_(average * decay + current * (1 - decay))

    return ema_update


def get_swa_avg_fn() -> Average:
    """The mean of all values that one parameter has had."""

    @ad.no_grad()
    def swa_update(averaged_param: Tensor, current_param: Tensor, num_averaged: Any) -> Tensor:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def get_swa_multi_avg_fn() -> Averages:
    """The mean of all values that many parameters have had, in place."""

    @ad.no_grad()
    def swa_update(
        averaged_param_list: list[Tensor], current_param_list: list[Tensor], num_averaged: Any
    ) -> None:
        for average, current in zip(averaged_param_list, current_param_list):
            if average.dtype.is_floating_point or average.dtype.is_complex:
                average.copy_(ad.lerp(average, current, float(1 / (num_averaged + 1))))
            else:
                average.copy_(average + (current - average) / (num_averaged + 1))

    return swa_update


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


class AveragedModel(nn.Module):
    """A copy of ``model`` whose parameters are averages of the model's (``swa_utils``).

    Call ``update_parameters(model)`` after each step or epoch; the first call copies. The average
    is the mean of all, or what ``avg_fn(averaged, current, number)`` returns, or what
    ``multi_avg_fn(averaged_list, current_list, number)`` does in place. Buffers are copied, or
    averaged too with ``use_buffers``; see ``update_bn`` for those of batch normalisation.
    ``n_averaged``: how many were averaged. Raises ``AssertionError`` if both functions are given.

    Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", 2018.

    >>> import anadrome as ad
    >>> model = ad.nn.Linear(1, 1, bias=False)
    >>> average = ad.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 2.0, 6.0):
    ...     _ = ad.nn.init.constant_(model.weight, value)
    ...     average.update_parameters(model)
    >>> average.module.weight.item()
    3.0
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: nn.Module,
        device: Any = None,
        avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", ad.tensor(0, dtype=ad.int64, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    @ad.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take the model's present parameters into the average."""
        averaged = [a.detach() for a in self._averaged(self.module)]
        current = [
            c.detach().to(a.device) for a, c in zip(averaged, self._averaged(model), strict=True)
        ]
        count = int(self.n_averaged.item())
        if count == 0:
            for a, c in zip(averaged, current):
                a.copy_(c)
        elif self.multi_avg_fn is not None:
            for few, others in _alike(averaged, current):
                self.multi_avg_fn(few, others, self.n_averaged.to(few[0].device))
        else:
            average = self.avg_fn or get_swa_avg_fn()
            for a, c in zip(averaged, current):
                a.copy_(average(a, c, self.n_averaged.to(a.device)))
        if not self.use_buffers:
            for b, other in zip(self.module.buffers(), model.buffers(), strict=True):
                b.detach().copy_(other.detach().to(b.device))
        self.n_averaged += 1

    def _averaged(self, model: nn.Module) -> Iterable[Tensor]:
        if self.use_buffers:
            return itertools.chain(model.parameters(), model.buffers())
        return model.parameters()


def _alike(averaged: list[Tensor], current: list[Tensor]) -> Iterable[tuple[Any, Any]]:
    """Both lists in parts of one device and dtype each."""
    parts: dict[Any, tuple[list[Tensor], list[Tensor]]] = {}
    for a, c in zip(averaged, current):
        few, others = parts.setdefault((str(a.device), a.dtype), ([], []))
        few.append(a)
        others.append(c)
    return parts.values()


@ad.no_grad()
def update_bn(loader: Iterable[Any], model: nn.Module, device: Any = None) -> None:
    """Compute the statistics of a model's batch normalisations anew, in one pass over the data.

    ``loader`` gives batches, or tuples and lists whose first entry is the batch; they are moved to
    ``device`` if one is given.
    """
    momenta = {}
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.momentum = None  # the plain mean of all batches
    for batch in loader:
        x = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(x if device is None else x.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Each group's rate goes to ``swa_lr`` in ``anneal_epochs`` steps, and stays there.

    ``swa_lr``: one rate, or a list with one a group. ``anneal_strategy``: "cos" or "linear". Raises
    ``ValueError`` for other options.

    >>> import anadrome as ad
    >>> optimizer = ad.optim.SGD([ad.zeros(1, requires_grad=True)], lr=1.0)
    >>> scheduler = ad.optim.swa_utils.SWALR(
    ...     optimizer, swa_lr=0.5, anneal_epochs=2, anneal_strategy="linear"
    ... )
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.75]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        groups = optimizer.param_groups
        rates = swa_lr if isinstance(swa_lr, (list, tuple)) else [swa_lr] * len(groups)
        if len(rates) != len(groups):
            raise ValueError(
                "swa_lr must have the same length as optimizer.param_groups. swa_lr has "
                f"{len(rates)} values, param_groups has {len(groups)}."
            )
        for rate, group in zip(rates, groups):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        if not self._get_lr_called_within_step:
            sites.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                UserWarning,
            )
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            target = group["swa_lr"]
            start = target if before == 1 else (group["lr"] - before * target) / (1 - before)
            rates.append(target * now + start * (1 - now))
        return rates

    def _share(self, step: int) -> float:
        """How much of the way to the new rate is behind after so many steps."""
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2


enclose_functions(globals())
