"""parallel: the wrappers that spread a module over devices, for programs that use them anyway.

There is one device a process here, so a batch is never split. The structure is PyTorch's:
the module is ``.module``, and the names in ``state_dict`` start with ``module.``.
"""

from __future__ import annotations

from typing import Any

from .. import distributed
from .modules.module import Module

__all__ = ["DataParallel", "DistributedDataParallel"]


class DataParallel(Module):
    """Calls ``module`` on the whole batch (PyTorch: ``nn.DataParallel``).

    ``device_ids``: none, or one; ValueError for more.

    >>> import anadrome as ad
    >>> model = ad.nn.DataParallel(ad.nn.Linear(2, 1))
    >>> list(model.state_dict())
    ['module.weight', 'module.bias']
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        if device_ids is not None and len(device_ids) > 1:
            raise ValueError(
                f"a module runs on one device here, not on {list(device_ids)}; leave device_ids out"
            )
        self.module = module
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's own."""
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(DataParallel):
    """One of several processes that average their gradients (PyTorch's name).

    Raises RuntimeError: there are no process groups yet (see ``anadrome.distributed``).
    """

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        distributed.get_world_size()  # raises
        super().__init__(module)
