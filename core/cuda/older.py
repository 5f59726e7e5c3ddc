"""older: names of ``torch.cuda`` that programs ask for, and what is true of them here."""

from __future__ import annotations

import contextlib
import types
from collections.abc import Iterator
from typing import Any

from .. import sites
from ..places.nothing import nothing
from . import _backend, get_device_capability, is_available
from .memory import max_memory_reserved, memory_reserved, reset_peak_memory_stats

has_magma = False
has_half = True


def memory_cached(device: Any = None) -> int:
    """``memory_reserved``, by its older name (``torch.cuda.memory_cached``)."""
    sites.warn("torch.cuda.memory_cached has been renamed to memory_reserved", FutureWarning)
    return memory_reserved(device)


def max_memory_cached(device: Any = None) -> int:
    """``max_memory_reserved``, by its older name (``torch.cuda.max_memory_cached``)."""
    sites.warn(
        "torch.cuda.max_memory_cached has been renamed to max_memory_reserved", FutureWarning
    )
    return max_memory_reserved(device)


def reset_max_memory_cached(device: Any = None) -> None:
    """``reset_peak_memory_stats``, by its older name."""
    reset_peak_memory_stats(device)


def reset_accumulated_memory_stats(device: Any = None) -> None:
    """Accepted: no figures are added up over time."""


def memory_snapshot(mempool_id: Any = None, include_traces: bool = True) -> list[Any]:
    """The pieces of memory, of which nothing is told: none (``torch.cuda.memory_snapshot``)."""
    return []


def set_per_process_memory_fraction(fraction: float, device: Any = None) -> None:
    """Accepted with a warning, which says how to set a limit (PyTorch's name).

    Raises TypeError and ValueError as PyTorch does for what is no part of 1.
    """
    if not isinstance(fraction, float):
        raise TypeError("Invalid type for fraction argument, must be `float`")
    if not 0 <= fraction <= 1:
        raise ValueError(f"Invalid fraction value: {fraction}. Allowed range: 0~1")
    if fraction < 1 and is_available():
        sites.warn(
            "set_per_process_memory_fraction sets no limit here; start the program with "
            f"CUPY_GPU_MEMORY_LIMIT={fraction:.0%}"
        )


def get_per_process_memory_fraction(device: Any = None) -> float:
    """1.0: there is no limit."""
    return 1.0


def get_allocator_backend() -> str:
    """Who keeps memory that no array holds: the array library (PyTorch's word: "native")."""
    return "native"


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """False: arrays are copied from one device to another by way of it."""
    return False


def is_tf32_supported() -> bool:
    """Whether products can round their factors to TF32 (``torch.cuda.is_tf32_supported``)."""
    return is_available() and get_device_capability()[0] >= 8


def get_gencode_flags() -> str:
    """Nothing: no kernels were compiled before (``torch.cuda.get_gencode_flags``)."""
    return ""


def get_sync_debug_mode() -> int:
    """0: waiting for the device is not told of (``torch.cuda.get_sync_debug_mode``)."""
    return 0


def set_sync_debug_mode(debug_mode: Any) -> None:
    """Accepted; ``anadrome.plugins.traps`` finds where a program waits (PyTorch's name)."""
    names = {"default": 0, "warn": 1, "error": 2}
    if debug_mode not in (*names, *names.values()):
        raise RuntimeError(
            "invalid value of debug_mode, expected one of `default`, `warn`, `error`, or 0, 1, 2"
        )


def set_stream(stream: Any) -> None:
    """From now on work goes into that stream, in this thread; None changes nothing."""
    if stream is not None:
        _backend().set_current_device(stream.device_index)
        stream.native.use()


def __getattr__(name: str) -> Any:
    if name == "default_generators":
        from ..random import default_generator

        return (default_generator,) * _backend().device_count() if is_available() else ()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _done() -> int:
    """Accepted; 0, as if it was done."""
    return 0


def cudart() -> Any:
    """PyTorch's functions of the CUDA runtime that programs call: the marks for a profiler.

    They are accepted; a profiler that waits for them (``--capture-range=cudaProfilerApi``) records
    nothing: let it record all.
    """
    return types.SimpleNamespace(cudaProfilerStart=_done, cudaProfilerStop=_done)


@contextlib.contextmanager
def _profile() -> Iterator[None]:
    """Accepted."""
    yield


def _version() -> tuple[int, int, int]:
    """(0, 0, 0): nothing is sent from one GPU to another."""
    return 0, 0, 0


#: ``torch.cuda.profiler`` (see ``cudart``) and ``torch.cuda.nccl``, which is not there.
profiler = types.SimpleNamespace(start=_done, stop=_done, profile=_profile)
nccl = types.SimpleNamespace(version=_version, is_available=lambda tensors: False)

graph_pool_handle = nothing(
    "graph_pool_handle", "steps are not recorded on the device; write anadrome.capture(step)"
)
