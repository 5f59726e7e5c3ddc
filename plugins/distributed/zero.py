"""zero: an optimizer whose state PyTorch spreads over processes (``torch.distributed.optim``).

There is one process, so all of the state is its own, and a step is that of the optimizer within.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import Any

import anadrome as ad
from anadrome import Tensor

from .groups import ProcessGroup, started


class ZeroRedundancyOptimizer(ad.optim.Optimizer):
    """Steps as ``optimizer_class(params, **defaults)`` does (PyTorch's name; arXiv:1910.02054).

    ``optimizer_class``: a class of ``anadrome.optim``; ``parameters_as_bucket_view`` is accepted.
    ``.optim`` is the optimizer within; groups and state are shared with it. As in PyTorch
    ``state_dict`` needs ``consolidate_state_dict`` before, RuntimeError otherwise. Raises
    ValueError if no group was started (``distributed.init_process_group``), and for
    ``overlap_with_ddp``, which needs hooks of the reduction that one process does not have.

    >>> import anadrome as ad
    >>> from anadrome.distributed.optim import ZeroRedundancyOptimizer
    >>> ad.distributed.init_process_group("gloo", world_size=1, rank=0)
    >>> x = ad.tensor([3.0], requires_grad=True)
    >>> optimizer = ZeroRedundancyOptimizer([x], ad.optim.SGD, lr=0.5)
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x
    tensor([0.], requires_grad=True)
    >>> ad.distributed.destroy_process_group()
    """

    def __init__(
        self,
        params: Any,
        optimizer_class: type[ad.optim.Optimizer],
        process_group: ProcessGroup | None = None,
        parameters_as_bucket_view: bool = False,
        overlap_with_ddp: bool = False,
        **defaults: Any,
    ) -> None:
        if overlap_with_ddp:
            raise ValueError(
                "overlap_with_ddp: one process reduces nothing that a step could overlap with; "
                "leave it out"
            )
        self.process_group = started(process_group)
        self.parameters_as_bucket_view = parameters_as_bucket_view
        self.optim: Any = None
        self._consolidated: dict[str, Any] | None = None
        super().__init__(params, defaults)
        self.optim = optimizer_class(self.param_groups, **defaults)
        self._share()

    def _share(self) -> None:
        """Groups and state are those of the optimizer within."""
        self.defaults = self.optim.defaults
        self.param_groups: list[dict[str, Any]] = self.optim.param_groups
        self.state: defaultdict[Any, Any] = self.optim.state

    def step(self, closure: Any = None, **options: Any) -> Any:
        """A step of the optimizer within; the closure's loss, if there is one."""
        self._consolidated = None
        if closure is None:
            return self.optim.step(**options)
        return self.optim.step(closure, **options)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Further parameters, with options of their own."""
        self._consolidated = None
        if self.optim is None:
            super().add_param_group(param_group)
        else:
            self.optim.add_param_group(param_group)

    def consolidate_state_dict(self, to: int = 0) -> None:
        """Gather the state on process ``to``; here, note what it is."""
        self._consolidated = self.optim.state_dict() if to in (0, -1) else None

    def state_dict(self) -> dict[str, Any]:
        """What ``consolidate_state_dict`` gathered; RuntimeError if it was not called."""
        if self._consolidated is None:
            raise RuntimeError(
                "Optimizer state has not been consolidated on this rank. Please call "
                "`consolidate_state_dict(to=0)` on all ranks beforehand if you meant to save the "
                "global state."
            )
        return self._consolidated

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take state and options from a dictionary of ``state_dict``."""
        self._consolidated = None
        self.optim.load_state_dict(copy.copy(state_dict))
        self._share()

    def join_hook(self, **options: Any) -> Any:
        """For processes of uneven numbers of batches; there is one, so None."""

    @property
    def join_device(self) -> ad.device:
        """Where the first parameter is."""
        first: Tensor = self.param_groups[0]["params"][0]
        return first.device

    @property
    def join_process_group(self) -> ProcessGroup:
        """The group of processes."""
        return self.process_group
