"""collectives: what processes do together, done by one: nothing, or a copy."""

from __future__ import annotations

from typing import Any, NoReturn

import anadrome as ad
from anadrome import Tensor

from .groups import ProcessGroup, started


class ReduceOp:
    """How values are put together (``torch.distributed.ReduceOp``); of one, each gives itself."""

    SUM = "sum"
    AVG = "avg"
    PRODUCT = "product"
    MIN = "min"
    MAX = "max"
    BAND = "band"
    BOR = "bor"
    BXOR = "bxor"
    PREMUL_SUM = "premul_sum"


ReduceOp.RedOpType = ReduceOp  # type: ignore[attr-defined]
reduce_op = ReduceOp


class Work:
    """What an asynchronous call returns (``torch.distributed.Work``): it is done already."""

    def wait(self, timeout: Any = None) -> bool:
        """True."""
        return True

    def is_completed(self) -> bool:
        """True."""
        return True

    def is_success(self) -> bool:
        """True."""
        return True


def _done(async_op: bool) -> Work | None:
    return Work() if async_op else None


def _check(name: str, *tensors: Any) -> None:
    for t in tensors:
        if not isinstance(t, Tensor):
            raise TypeError(
                f"{name}: expected a Tensor, not {type(t).__name__}; for other values there are "
                "all_gather_object, broadcast_object_list and their kin"
            )


def _rank(name: str, rank: Any, other: Any = None) -> None:
    rank = other if rank is None else rank
    if rank not in (0, None):
        raise ValueError(f"{name}: there is one process, of rank 0, and none of rank {rank}")


def _one(name: str, values: Any) -> Any:
    if len(values) != 1:
        raise RuntimeError(f"{name}: expected a list of one for one process, not of {len(values)}")
    return values[0]


def _copy(to: Tensor, value: Tensor) -> None:
    with ad.no_grad():
        to.copy_(value.reshape(to.shape))


def all_reduce(
    tensor: Tensor, op: Any = ReduceOp.SUM, group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:  # fmt: skip
    """Put together over all processes, in place: of one, nothing changes (``all_reduce``)."""
    _check("all_reduce", tensor)
    started(group)
    return _done(async_op)


def reduce(
    tensor: Tensor, dst: int | None = None, op: Any = ReduceOp.SUM,
    group: ProcessGroup | None = None, async_op: bool = False, group_dst: int | None = None,
) -> Work | None:  # fmt: skip
    """Put together in process ``dst``: of one, nothing changes (``torch.distributed.reduce``)."""
    _check("reduce", tensor)
    started(group)
    _rank("reduce", dst, group_dst)
    return _done(async_op)


def broadcast(
    tensor: Tensor, src: int | None = None, group: ProcessGroup | None = None,
    async_op: bool = False, group_src: int | None = None,
) -> Work | None:  # fmt: skip
    """Give all the values of process ``src``: of one, nothing changes (``broadcast``)."""
    _check("broadcast", tensor)
    started(group)
    _rank("broadcast", src, group_src)
    return _done(async_op)


def all_gather(
    tensor_list: list[Tensor], tensor: Tensor, group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:  # fmt: skip
    """The Tensor of each process, written into ``tensor_list`` (``all_gather``).

    >>> import anadrome as ad
    >>> ad.distributed.init_process_group("gloo", world_size=1, rank=0)
    >>> parts = [ad.zeros(2) for _ in range(ad.distributed.get_world_size())]
    >>> ad.distributed.all_gather(parts, ad.tensor([1.0, 2.0]))
    >>> parts
    [tensor([1., 2.])]
    >>> ad.distributed.destroy_process_group()
    """
    _check("all_gather", tensor, *tensor_list)
    started(group)
    _copy(_one("all_gather", tensor_list), tensor)
    return _done(async_op)


def all_gather_into_tensor(
    output_tensor: Tensor, input_tensor: Tensor, group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:  # fmt: skip
    """The Tensors of all processes in one (``torch.distributed.all_gather_into_tensor``)."""
    _check("all_gather_into_tensor", output_tensor, input_tensor)
    started(group)
    _copy(output_tensor, input_tensor)
    return _done(async_op)


def gather(
    tensor: Tensor, gather_list: list[Tensor] | None = None, dst: int | None = None,
    group: ProcessGroup | None = None, async_op: bool = False, group_dst: int | None = None,
) -> Work | None:  # fmt: skip
    """The Tensor of each process, written into ``gather_list`` of process ``dst`` (``gather``)."""
    _check("gather", tensor)
    started(group)
    _rank("gather", dst, group_dst)
    if not gather_list:
        raise ValueError("Argument ``gather_list`` must be specified on destination rank.")
    _copy(_one("gather", gather_list), tensor)
    return _done(async_op)


def scatter(
    tensor: Tensor, scatter_list: list[Tensor] | None = None, src: int | None = None,
    group: ProcessGroup | None = None, async_op: bool = False, group_src: int | None = None,
) -> Work | None:  # fmt: skip
    """A Tensor of ``scatter_list`` for each process (``torch.distributed.scatter``)."""
    _check("scatter", tensor)
    started(group)
    _rank("scatter", src, group_src)
    if not scatter_list:
        raise ValueError("Argument ``scatter_list`` must be specified on source rank.")
    _copy(tensor, _one("scatter", scatter_list))
    return _done(async_op)


def reduce_scatter(
    output: Tensor, input_list: list[Tensor], op: Any = ReduceOp.SUM,
    group: ProcessGroup | None = None, async_op: bool = False,
) -> Work | None:  # fmt: skip
    """Put together, and a part for each process (``torch.distributed.reduce_scatter``)."""
    _check("reduce_scatter", output, *input_list)
    started(group)
    _copy(output, _one("reduce_scatter", input_list))
    return _done(async_op)


def reduce_scatter_tensor(
    output: Tensor, input: Tensor, op: Any = ReduceOp.SUM, group: ProcessGroup | None = None,
    async_op: bool = False,
) -> Work | None:  # fmt: skip
    """The same of one Tensor (``torch.distributed.reduce_scatter_tensor``)."""
    return all_gather_into_tensor(output, input, group, async_op)


def all_to_all(
    output_tensor_list: list[Tensor], input_tensor_list: list[Tensor],
    group: ProcessGroup | None = None, async_op: bool = False,
) -> Work | None:  # fmt: skip
    """A Tensor for each process, and one from each (``torch.distributed.all_to_all``)."""
    _check("all_to_all", *output_tensor_list, *input_tensor_list)
    started(group)
    _copy(_one("all_to_all", output_tensor_list), _one("all_to_all", input_tensor_list))
    return _done(async_op)


def all_to_all_single(
    output: Tensor, input: Tensor, output_split_sizes: Any = None, input_split_sizes: Any = None,
    group: ProcessGroup | None = None, async_op: bool = False,
) -> Work | None:  # fmt: skip
    """The same of one Tensor (``torch.distributed.all_to_all_single``)."""
    return all_gather_into_tensor(output, input, group, async_op)


def barrier(
    group: ProcessGroup | None = None, async_op: bool = False, device_ids: Any = None
) -> Work | None:
    """Wait for all processes: there is one (``torch.distributed.barrier``)."""
    started(group)
    return _done(async_op)


def monitored_barrier(
    group: ProcessGroup | None = None, timeout: Any = None, wait_all_ranks: bool = False
) -> None:
    """Wait for all processes: there is one (``torch.distributed.monitored_barrier``)."""
    started(group)


# -- any values -----------------------------------------------------------------------------------
def all_gather_object(
    object_list: list[Any], obj: Any, group: ProcessGroup | None = None
) -> None:  # fmt: skip
    """The value of each process, written into ``object_list`` (``all_gather_object``)."""
    started(group)
    _one("all_gather_object", object_list)
    object_list[0] = obj


def gather_object(
    obj: Any, object_gather_list: list[Any] | None = None, dst: int | None = None,
    group: ProcessGroup | None = None, group_dst: int | None = None,
) -> None:  # fmt: skip
    """The value of each process, in process ``dst`` (``torch.distributed.gather_object``)."""
    _rank("gather_object", dst, group_dst)
    if object_gather_list is None:
        raise ValueError("Argument ``object_gather_list`` must be specified on destination rank.")
    all_gather_object(object_gather_list, obj, group)


def broadcast_object_list(
    object_list: list[Any], src: int | None = None, group: ProcessGroup | None = None,
    device: Any = None, group_src: int | None = None, use_batch: bool = False,
) -> None:  # fmt: skip
    """Give all the values of process ``src``: of one, nothing changes (PyTorch's name)."""
    started(group)
    _rank("broadcast_object_list", src, group_src)


def scatter_object_list(
    scatter_object_output_list: list[Any], scatter_object_input_list: list[Any] | None = None,
    src: int | None = None, group: ProcessGroup | None = None, group_src: int | None = None,
) -> None:  # fmt: skip
    """A value for each process (``torch.distributed.scatter_object_list``)."""
    started(group)
    _rank("scatter_object_list", src, group_src)
    if not scatter_object_input_list:
        raise ValueError("Argument ``scatter_object_input_list`` must be specified on source rank.")
    scatter_object_output_list[0] = _one("scatter_object_list", scatter_object_input_list)


def _alone(name: str) -> Any:
    def refuse(tensor: Tensor, rank: Any = None, *args: Any, **kwargs: Any) -> NoReturn:
        started()
        raise ValueError(f"{name}: there is no other process to exchange values with")

    refuse.__name__ = name
    refuse.__doc__ = f"Raises ValueError (``torch.distributed.{name}``): there is nobody else."
    return refuse


send, recv, isend, irecv = _alone("send"), _alone("recv"), _alone("isend"), _alone("irecv")
