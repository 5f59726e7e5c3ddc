"""wrappers: modules that PyTorch spreads over devices and processes (``torch.nn.parallel``).

There is one device a process here, so a batch is never split. The structure is PyTorch's: the
module is ``.module``, and the names in ``state_dict`` start with ``module.``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import anadrome as ad
from anadrome import nn

from .groups import ProcessGroup, started


class DataParallel(nn.Module):
    """Calls ``module`` on the whole batch (PyTorch: ``nn.DataParallel``).

    ``device_ids``: none, or one; ValueError for more, where there is a GPU.

    >>> import anadrome as ad
    >>> model = ad.nn.DataParallel(ad.nn.Linear(2, 1))
    >>> list(model.state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(
        self, module: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        if not ad.cuda.is_available():
            device_ids = None  # as in PyTorch it is not looked at
        one_device(device_ids)
        self.module = module
        self.device_ids = [] if device_ids is None else list(device_ids)
        self.output_device = output_device
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's own."""
        return self.module(*inputs, **kwargs)


def one_device(device_ids: Any) -> None:
    """Raise ValueError for several devices."""
    if device_ids is not None and len(device_ids) > 1:
        raise ValueError(
            f"a module runs on one device here, not on {list(device_ids)}; leave device_ids out"
        )


class DistributedDataParallel(nn.Module):
    """Calls ``module``; the mean of the gradients of one process is what they are (PyTorch's name).

    ``device_ids``: none, or one. PyTorch's further arguments are accepted. Raises ValueError if no
    group was started (``distributed.init_process_group``), RuntimeError for a module without a
    parameter that requires a gradient.
    """

    def __init__(
        self,
        module: Any,
        device_ids: Any = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool = True,
        init_sync: bool = True,
        process_group: ProcessGroup | None = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
        **options: Any,
    ) -> None:
        super().__init__()
        self.process_group = started(process_group)
        if not any(p.requires_grad for p in module.parameters()):
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module doesn't have any parameters "
                "that require a gradient."
            )
        one_device(device_ids)
        self.module = module
        self.device_ids = device_ids
        self.output_device = output_device
        self.dim = dim
        self.broadcast_buffers = broadcast_buffers
        self.find_unused_parameters = find_unused_parameters
        self.require_backward_grad_sync = True
        self.static_graph = static_graph

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's own."""
        return self.module(*inputs, **kwargs)

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Gradients stay in this process, as they do anyway (PyTorch's name)."""
        before = self.require_backward_grad_sync
        self.require_backward_grad_sync = False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    @contextlib.contextmanager
    def join(
        self,
        divide_by_initial_world_size: bool = True,
        enable: bool = True,
        throw_on_early_termination: bool = False,
    ) -> Iterator[None]:
        """For processes of uneven numbers of batches; there is one (PyTorch's name)."""
        yield

    def register_comm_hook(self, state: Any, hook: Any) -> None:
        """Accepted: nothing is sent (PyTorch's name)."""
        if not callable(hook):
            raise TypeError("Communication hook must be callable.")
