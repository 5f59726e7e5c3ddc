"""functions: PyTorch's parts of ``DataParallel``, on one device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .wrappers import one_device


def data_parallel(
    module: Any, inputs: Any, device_ids: Any = None, output_device: Any = None, dim: int = 0,
    module_kwargs: Any = None,
) -> Any:  # fmt: skip
    """The module of the whole batch (``torch.nn.parallel.data_parallel``)."""
    one_device(device_ids)
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*given, **(module_kwargs or {}))


def parallel_apply(
    modules: Sequence[Any], inputs: Sequence[Any], kwargs_tup: Any = None, devices: Any = None
) -> list[Any]:
    """Each module of its input, one after the other (``torch.nn.parallel.parallel_apply``)."""
    if len(modules) != len(inputs):
        raise AssertionError(
            f"The number of modules {len(modules)} is not equal to the number of inputs "
            f"{len(inputs)}"
        )
    named = kwargs_tup or [{}] * len(modules)
    given = [i if isinstance(i, (list, tuple)) else (i,) for i in inputs]
    return [m(*i, **k) for m, i, k in zip(modules, given, named)]


def replicate(network: Any, devices: Sequence[Any], detach: bool = False) -> list[Any]:
    """The module, for one device (``torch.nn.parallel.replicate``)."""
    one_device(devices)
    return [network]


def scatter(inputs: Any, target_gpus: Sequence[Any], dim: int = 0) -> list[Any]:
    """The batch as a whole, for one device (``torch.nn.parallel.scatter``)."""
    one_device(target_gpus)
    return [inputs]


def scatter_kwargs(
    inputs: Any, kwargs: Any, target_gpus: Sequence[Any], dim: int = 0
) -> tuple[Any, Any]:
    """The same of positional and named arguments (``scatter_gather.scatter_kwargs``)."""
    one_device(target_gpus)
    return (inputs,), (kwargs or {},)


def gather(outputs: Sequence[Any], target_device: Any = None, dim: int = 0) -> Any:
    """The results of one device (``torch.nn.parallel.gather``)."""
    one_device(outputs)
    return outputs[0]
