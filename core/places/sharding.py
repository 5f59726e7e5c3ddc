"""sharding: Tensors in pieces on several processes (``torch.distributed.tensor`` and kin): none.

How one would be laid out can be said; whatever would lay one out raises RuntimeError.
"""

from __future__ import annotations

import contextlib
import importlib
from dataclasses import dataclass
from typing import Any

from .missing import ONE_PROCESS
from .nothing import nothing

#: What programs import to ask about it; a program of one process is told no.
_NAMES = (
    "DTensor distribute_module distribute_tensor compute_local_shape_and_global_offset "
    "all_to_all_single_autograd wait_tensor CheckpointImpl CheckpointWrapper ModelAverager "
    "PeriodicModelAverager PostLocalSGDOptimizer PostLocalSGDState PowerSGDState "
    "ShardedGradScaler apply_activation_checkpointing batched_powerSGD_hook "
    "bf16_compress_hook bf16_compress_wrapper checkpoint_wrapper "
    "fp16_compress_hook fp16_compress_wrapper powerSGD_hook ParallelStyle ColwiseParallel "
    "RowwiseParallel SequenceParallel PrepareModuleInput PrepareModuleOutput "
    "PrepareModuleInputOutput loss_parallel parallelize_module"
)

globals().update({name: nothing(name, ONE_PROCESS) for name in _NAMES.split()})

#: These are there, for one process, and the module that has them.
_THERE = {
    "DeviceMesh": "anadrome.distributed",
    "init_device_mesh": "anadrome.distributed",
    "FSDPModule": "anadrome.distributed.fsdp",
    "MixedPrecisionPolicy": "anadrome.distributed.fsdp",
    "OffloadPolicy": "anadrome.distributed.fsdp",
    "CPUOffloadPolicy": "anadrome.distributed.fsdp",
    "fully_shard": "anadrome.distributed.fsdp",
    "ZeroRedundancyOptimizer": "anadrome.distributed.optim",
}


def __getattr__(name: str) -> Any:
    """What is there."""
    if name not in _THERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_THERE[name]), name)


implicit_replication = contextlib.nullcontext


class Join(contextlib.AbstractContextManager[None]):
    """Evens out how many batches processes have; one has its own (PyTorch's name)."""

    def __init__(self, joinables: Any, enable: bool = True, **options: Any) -> None:
        self.joinables = joinables

    def __exit__(self, *exc: object) -> None:
        pass


@dataclass(frozen=True)
class Placement:
    """How a Tensor would lie on processes (``torch.distributed.tensor.Placement``)."""

    def is_shard(self, dim: int | None = None) -> bool:
        """Whether each process would have a piece, along ``dim`` if given."""
        return isinstance(self, Shard) and dim in (None, self.dim)

    def is_replicate(self) -> bool:
        """Whether each process would have all of it."""
        return isinstance(self, Replicate)

    def is_partial(self, reduce_op: str | None = None) -> bool:
        """Whether each process would have a term, of ``reduce_op`` if given."""
        return isinstance(self, Partial) and reduce_op in (None, self.reduce_op)


@dataclass(frozen=True)
class Shard(Placement):
    """In pieces along ``dim``."""

    dim: int


@dataclass(frozen=True)
class _StridedShard(Shard):
    """In pieces along ``dim`` that are not neighbours."""

    split_factor: int


@dataclass(frozen=True)
class Replicate(Placement):
    """All of it everywhere."""


@dataclass(frozen=True)
class Partial(Placement):
    """A term everywhere, to be reduced."""

    reduce_op: str = "sum"
