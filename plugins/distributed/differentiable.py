"""differentiable: what processes do together, with a gradient (``torch.distributed.nn``).

Of one process each function gives its input's values in a Tensor of their own, and its gradient is
that Tensor's. A Tensor to write to gets the values, without a history; the result has one.
"""

from __future__ import annotations

from typing import Any

from anadrome import Tensor

from .collectives import ReduceOp, _check, _copy, _one, _rank
from .groups import ProcessGroup, started


def _own(name: str, tensor: Tensor, group: ProcessGroup | None) -> Tensor:
    _check(name, tensor)
    started(group)
    return tensor.clone()


def broadcast(tensor: Tensor, src: int, group: ProcessGroup | None = None) -> Tensor:
    """The values of process ``src`` (``torch.distributed.nn.functional.broadcast``)."""
    _rank("broadcast", src)
    return _own("broadcast", tensor, group)


def reduce(
    tensor: Tensor, dst: int, op: Any = ReduceOp.SUM, group: ProcessGroup | None = None
) -> Tensor:
    """Put together in process ``dst`` (``torch.distributed.nn.functional.reduce``)."""
    _rank("reduce", dst)
    return _own("reduce", tensor, group)


def all_reduce(tensor: Tensor, op: Any = ReduceOp.SUM, group: ProcessGroup | None = None) -> Tensor:
    """Put together over all processes (``torch.distributed.nn.functional.all_reduce``).

    >>> import anadrome as ad
    >>> ad.distributed.init_process_group("gloo", world_size=1, rank=0)
    >>> x = ad.tensor([1.0, 2.0], requires_grad=True)
    >>> ad.distributed.nn.all_reduce(x).sum().backward()
    >>> x.grad
    tensor([1., 1.])
    >>> ad.distributed.destroy_process_group()
    """
    return _own("all_reduce", tensor, group)


def gather(tensor: Tensor, dst: int = 0, group: ProcessGroup | None = None) -> tuple[Tensor, ...]:
    """The Tensor of each process (``torch.distributed.nn.functional.gather``)."""
    _rank("gather", dst)
    return (_own("gather", tensor, group),)


def all_gather(tensor: Tensor, group: ProcessGroup | None = None) -> tuple[Tensor, ...]:
    """The Tensor of each process (``torch.distributed.nn.functional.all_gather``)."""
    return (_own("all_gather", tensor, group),)


def scatter(tensors: Any, src: int = 0, group: ProcessGroup | None = None) -> Tensor:
    """A Tensor of ``tensors`` for each process (``torch.distributed.nn.functional.scatter``)."""
    _rank("scatter", src)
    return _own("scatter", _one("scatter", tensors), group)


def reduce_scatter(
    output: Tensor, input_list: list[Tensor], op: Any = ReduceOp.SUM,
    group: ProcessGroup | None = None,
) -> Tensor:  # fmt: skip
    """Put together, and a part for each process (``…nn.functional.reduce_scatter``)."""
    return _written("reduce_scatter", output, _one("reduce_scatter", input_list), group)


def all_to_all(
    output_tensor_list: list[Tensor], input_tensor_list: list[Tensor],
    group: ProcessGroup | None = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """A Tensor for each process, and one from each (``…nn.functional.all_to_all``)."""
    given = _one("all_to_all", input_tensor_list)
    return (_written("all_to_all", _one("all_to_all", output_tensor_list), given, group),)


def all_to_all_single(
    output: Tensor, input: Tensor, output_split_sizes: Any = None, input_split_sizes: Any = None,
    group: ProcessGroup | None = None,
) -> Tensor:  # fmt: skip
    """The same of parts of one Tensor (``torch.distributed.nn.functional.all_to_all_single``)."""
    return _written("all_to_all_single", output, input, group)


def _written(name: str, to: Tensor, value: Tensor, group: ProcessGroup | None) -> Tensor:
    _check(name, to)
    out = _own(name, value, group)
    _copy(to, out)
    return out.reshape(to.shape)
