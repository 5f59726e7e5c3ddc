"""older: errors and questions of ``torch.distributed`` that programs name, and two collectives."""

from __future__ import annotations

import enum
import os
from typing import Any

from . import collectives


class DistError(RuntimeError):
    """What goes wrong between processes (``torch.distributed.DistError``)."""


class DistBackendError(DistError):
    """In a backend."""


class DistNetworkError(DistError):
    """On the network."""


class DistStoreError(DistError):
    """In a store."""


class QueueEmptyError(DistStoreError):
    """In a store's queue, which has nothing."""


class DebugLevel(enum.IntEnum):
    """How much is checked (``torch.distributed.DebugLevel``)."""

    OFF = 0
    INFO = 1
    DETAIL = 2


def get_debug_level() -> DebugLevel:
    """What ``TORCH_DISTRIBUTED_DEBUG`` says; nothing depends on it."""
    return DebugLevel[os.environ.get("TORCH_DISTRIBUTED_DEBUG", "OFF").upper()]


def all_reduce_coalesced(
    tensors: list[Any], op: Any = None, group: Any = None, async_op: bool = False
) -> Any:
    """``all_reduce`` of several Tensors."""
    op = collectives.ReduceOp.SUM if op is None else op
    works = [collectives.all_reduce(t, op, group, async_op) for t in tensors]
    return works[-1] if works else None


def all_gather_coalesced(
    output_tensor_lists: list[list[Any]],
    input_tensor_list: list[Any],
    group: Any = None,
    async_op: bool = False,
) -> Any:
    """``all_gather`` of several Tensors: a list of them for each process."""
    works = []
    for number, tensor in enumerate(input_tensor_list):
        outputs = [outputs[number] for outputs in output_tensor_lists]
        works.append(collectives.all_gather(outputs, tensor, group, async_op))
    return works[-1] if works else None
