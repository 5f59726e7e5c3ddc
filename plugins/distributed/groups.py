"""groups: the group of one process: started, asked about, and ended."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from typing import Any, ClassVar


class ProcessGroup:
    """The process that trains, as a group (``torch.distributed.ProcessGroup``)."""

    def __init__(self, backend: str, name: str = "") -> None:
        self.backend = backend
        self.group_name = name
        self.group_desc = name or "default_pg"

    def rank(self) -> int:
        """0."""
        return 0

    def size(self) -> int:
        """1."""
        return 1

    def name(self) -> str:
        """The backend that was asked for."""
        return self.backend


class _Groups(type):
    @property
    def WORLD(cls) -> ProcessGroup | None:
        """The group that ``init_process_group`` started; None without."""
        return _world[0]

    @WORLD.setter
    def WORLD(cls, value: Any) -> None:
        _world[0] = value


class group(metaclass=_Groups):
    """Where PyTorch keeps the group of all processes: ``group.WORLD``."""


class GroupMember(metaclass=_Groups):
    """As ``group``; and what a process outside a group has instead (PyTorch's name)."""

    NON_GROUP_MEMBER = object()


class Backend(str):
    """The name of a backend, in lower case (``torch.distributed.Backend``).

    >>> import anadrome as ad
    >>> ad.distributed.Backend("GLOO") == ad.distributed.Backend.GLOO
    True
    """

    __slots__ = ()
    UNDEFINED = "undefined"
    GLOO = "gloo"
    NCCL = "nccl"
    UCC = "ucc"
    MPI = "mpi"
    XCCL = "xccl"
    FAKE = "fake"
    backend_list: ClassVar[list[str]] = [UNDEFINED, GLOO, NCCL, XCCL, UCC, MPI, FAKE]
    default_device_backend_map: ClassVar[dict[str, str]] = {
        "cpu": GLOO, "cuda": NCCL, "xpu": XCCL, "mps": GLOO,
    }  # fmt: skip

    def __new__(cls, name: str) -> Backend:
        if not isinstance(name, str):
            raise ValueError(f"Backend constructor parameter must be string-ish, not {name!r}")
        return super().__new__(cls, name.lower())


#: How long PyTorch's processes wait for each other; here none waits.
default_pg_timeout = datetime.timedelta(minutes=30)

_world: list[ProcessGroup | None] = [None]


def is_available() -> bool:
    """True: there are groups, of one process (``torch.distributed.is_available``)."""
    return True


def is_initialized() -> bool:
    """Whether ``init_process_group`` was called (``torch.distributed.is_initialized``)."""
    return _world[0] is not None


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: Any = None,
    world_size: int = -1,
    rank: int = -1,
    store: Any = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
) -> None:
    """Start the group of this one process (``torch.distributed.init_process_group``).

    ``backend``: any name; there is nobody to talk to. ``world_size`` and ``rank``: as given, else
    those of the environment (``WORLD_SIZE``, ``RANK``), which launchers set. Raises RuntimeError
    for more than one process, ValueError if nothing says how many there are, or for a second call.

    >>> import anadrome as ad
    >>> ad.distributed.init_process_group("gloo", world_size=1, rank=0)
    >>> ad.distributed.get_rank(), ad.distributed.get_world_size()
    (0, 1)
    >>> ad.distributed.destroy_process_group()
    """
    if _world[0] is not None:
        raise ValueError("trying to initialize the default process group twice!")
    if store is not None and init_method is not None:
        raise AssertionError("Cannot specify both init_method and store.")
    size = _number("WORLD_SIZE", world_size)
    place = _number("RANK", rank)
    if size != 1:
        raise RuntimeError(
            f"init_process_group: {size} processes were asked for; anadrome trains in one. Run the "
            "script without its launcher, or with one process (WORLD_SIZE=1)"
        )
    if place != 0:
        raise ValueError(f"Invalid rank {place}: the only process of a group has the rank 0")
    _world[0] = ProcessGroup(backend or "gloo", group_name)


def _number(name: str, given: int) -> int:
    if given is not None and given >= 0:
        return int(given)
    found = os.environ.get(name)
    if found is None:
        raise ValueError(
            "Error initializing torch.distributed using env:// rendezvous: environment variable "
            f"{name} expected, but not set; give world_size=1 and rank=0, or do not start a group"
        )
    return int(found)


def destroy_process_group(group: ProcessGroup | None = None) -> None:
    """End it (``torch.distributed.destroy_process_group``)."""
    started(group)
    if group is None or group is _world[0]:
        _world[0] = None


def started(group: Any = None) -> ProcessGroup:
    """The group that is meant; raises PyTorch's ValueError if none was started."""
    if _world[0] is None:
        raise ValueError(
            "Default process group has not been initialized, please make sure to call "
            "init_process_group."
        )
    return group if isinstance(group, ProcessGroup) else _world[0]


def _get_default_group() -> ProcessGroup:
    """The group of all processes; ValueError without one (of PyTorch's ``distributed_c10d``)."""
    return started()


def _rank_not_in_group(group: Any) -> bool:
    """Whether this process is outside a group (of PyTorch's ``distributed_c10d``)."""
    return group is GroupMember.NON_GROUP_MEMBER


def get_rank(group: ProcessGroup | None = None) -> int:
    """0, once a group was started; ValueError before (``torch.distributed.get_rank``)."""
    return started(group).rank()


def get_world_size(group: ProcessGroup | None = None) -> int:
    """1, once a group was started; ValueError before (``torch.distributed.get_world_size``)."""
    return started(group).size()


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """``LOCAL_RANK`` of the environment, or ``fallback_rank`` (PyTorch's name)."""
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is not None:
        return int(fallback_rank)
    raise RuntimeError(
        "LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow "
        "`get_node_local_rank` to work without it"
    )


def get_backend(group: ProcessGroup | None = None) -> str:
    """The name that was given to ``init_process_group``."""
    return started(group).backend


def get_default_backend_for_device(device: Any) -> str:
    """What PyTorch would use for a device."""
    return "nccl" if "cuda" in str(device) else "gloo"


def get_process_group_ranks(group: ProcessGroup | None) -> list[int]:
    """``[0]``."""
    started(group)
    return [0]


def get_group_rank(group: ProcessGroup, global_rank: int) -> int:
    """The rank in a group of a rank in the world: 0."""
    started(group)
    return _only(global_rank)


def get_global_rank(group: ProcessGroup, group_rank: int) -> int:
    """The rank in the world of a rank in a group: 0."""
    started(group)
    return _only(group_rank)


def _only(rank: int) -> int:
    if rank != 0:
        raise ValueError(f"rank {rank} is not part of the group: there is one process, of rank 0")
    return 0


def new_group(
    ranks: Sequence[int] | None = None,
    timeout: Any = None,
    backend: str | None = None,
    pg_options: Any = None,
    use_local_synchronization: bool = False,
    group_desc: str | None = None,
    device_id: Any = None,
) -> ProcessGroup:
    """Another group of the one process (``torch.distributed.new_group``)."""
    world = started()
    for rank in ranks or ():
        _only(rank)
    return ProcessGroup(backend or world.backend, group_desc or "")


def new_subgroups(
    group_size: int | None = None, *args: Any, **kwargs: Any
) -> tuple[ProcessGroup, list[ProcessGroup]]:
    """The group of this process, and all of them: one (``torch.distributed.new_subgroups``)."""
    made = new_group()
    return made, [made]


def is_backend_available(backend: str) -> bool:
    """True: there is nobody to talk to, so any will do."""
    return True


def is_torchelastic_launched() -> bool:
    """Whether PyTorch's launcher started the process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def is_nccl_available() -> bool:
    """False: there are no other processes."""
    return False


is_gloo_available = is_mpi_available = is_ucc_available = is_xccl_available = is_nccl_available


def supports_complex(reduceOp: Any) -> bool:
    """Whether a reduction takes complex values."""
    return str(reduceOp) not in ("max", "min", "product", "band", "bor", "bxor")
