"""cuda: what programs ask about GPUs (PyTorch: ``torch.cuda``).

The answers come from the backend that serves the device type ``"cuda"``; it is loaded when
something is asked. Plugins add names here, such as ``anadrome.cuda.amp``. Reading order: this file
(which devices there are), `memory` (what is held on one), `holding` (who holds it), `streams`,
`telling` (what the driver says of one), `older`.
"""

from __future__ import annotations

import importlib
import reprlib
from typing import Any

from .. import backend as backends
from ..device import device as Device
from ..errors import BackendError
from ..errors import OutOfMemoryError as OutOfMemoryError


def _backend() -> backends.Backend:
    return backends.for_device("cuda")


def _index(device: Any) -> int:
    """The number meant by an int, ``"cuda:1"``, a device, or None for the current one."""
    if device is None:
        return _backend().current_device()
    if isinstance(device, int):
        return device
    chosen = Device(device)
    if chosen.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {chosen}")
    return _backend().current_device() if chosen.index is None else chosen.index


def is_available() -> bool:
    """Whether a CUDA device can be used here; never raises (``torch.cuda.is_available``).

    >>> import anadrome as ad
    >>> device = "cuda" if ad.cuda.is_available() else "cpu"

    Where it says False against expectation, ``anadrome.zeros(1, device="cuda")`` says why.
    """
    return device_count() > 0


def device_count() -> int:
    """How many CUDA devices can be used here, 0 if none (``torch.cuda.device_count``)."""
    try:
        return _backend().device_count()
    except BackendError:
        return 0


def current_device() -> int:
    """The index of the device that ``"cuda"`` means now (``torch.cuda.current_device``).

    Raises BackendError, with what is missing, where no CUDA device can be used.
    """
    return _backend().current_device()


def set_device(device: Any) -> None:
    """Let ``"cuda"`` mean that device, in this thread (``torch.cuda.set_device``)."""
    _backend().set_current_device(_index(device))


def get_device_name(device: Any = None) -> str:
    """What its maker calls a device (``torch.cuda.get_device_name``)."""
    return _backend().device_name(_index(device))


def synchronize(device: Any = None) -> None:
    """Wait until a device has done all it was given (``torch.cuda.synchronize``)."""
    _backend().synchronize(Device("cuda", _index(device)))


class device:
    """Inside, ``"cuda"`` means the given device (``torch.cuda.device``), e.g. ``device(1)``."""

    def __init__(self, device: Any) -> None:
        self.index = _index(device)

    def __enter__(self) -> None:
        self._before = current_device()
        set_device(self.index)

    def __exit__(self, *exc: object) -> None:
        set_device(self._before)


def get_device_properties(device: Any = None) -> DeviceProperties:
    """Facts of a device: ``name``, ``total_memory`` in bytes, ``major`` and ``minor`` of its
    compute capability, ``multi_processor_count`` (``torch.cuda.get_device_properties``)."""
    return DeviceProperties(**_backend().device_properties(_index(device)))


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """Compute capability, such as ``(9, 0)`` (``torch.cuda.get_device_capability``)."""
    facts = get_device_properties(device)
    return facts.major, facts.minor


class DeviceProperties:
    """What ``get_device_properties`` returns."""

    def __init__(self, **facts: Any) -> None:
        self.name: str
        self.total_memory: int
        self.major: int
        self.minor: int
        self.multi_processor_count: int
        self.__dict__.update(facts)

    def __repr__(self) -> str:
        memory = self.total_memory // 2**20
        return (
            f"_CudaDeviceProperties(name={self.name!r}, major={self.major}, minor={self.minor}, "
            f"total_memory={memory}MB, multi_processor_count={self.multi_processor_count})"
        )


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether there is bfloat16 on the GPU (``torch.cuda.is_bf16_supported``).

    In hardware from compute capability 8.0 on; older ones emulate it. False without a device.
    """
    return is_available() and (including_emulation or get_device_capability()[0] >= 8)


def get_arch_list() -> list[str]:
    """What kernels were compiled for: none, they are when used (``torch.cuda.get_arch_list``)."""
    return []


def is_current_stream_capturing() -> bool:
    """False: there are no CUDA graphs (``torch.cuda.is_current_stream_capturing``)."""
    return False


def ipc_collect() -> None:
    """Accepted: no memory is shared between processes (``torch.cuda.ipc_collect``)."""


class device_of(device):
    """Inside, ``"cuda"`` means the device of a Tensor, if it is on one (``cuda.device_of``)."""

    def __init__(self, obj: Any) -> None:
        if not isinstance(getattr(obj, "device", None), Device):
            raise TypeError(f"device_of() takes a Tensor, not {type(obj).__name__}")
        on_gpu = obj.device.type == "cuda"
        self.index = _index(obj.device) if on_gpu else -1

    def __enter__(self) -> None:
        if self.index >= 0:
            super().__enter__()

    def __exit__(self, *exc: object) -> None:
        if self.index >= 0:
            super().__exit__(*exc)


# -- random numbers -----------------------------------------------------------------------------
def manual_seed(seed: int) -> None:
    """Seed the random numbers; there is one stream for all devices (``torch.cuda.manual_seed``)."""
    from ..random import manual_seed

    try:
        seed = int(seed)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"manual_seed expects an int, but got {reprlib.repr(seed)}") from None
    if is_available():
        manual_seed(seed)


manual_seed_all = manual_seed


def is_initialized() -> bool:
    """Whether CUDA is in use (``torch.cuda.is_initialized``)."""
    return is_available()


def _is_in_bad_fork() -> bool:
    """False: a child of a fork may ask for devices, too."""
    return False


def init() -> None:
    """Accepted: a device is made ready when it is first used (``torch.cuda.init``)."""


# -- names of the other files, imported when first used --------------------------------------------
_MODULES = {
    "memory": (
        "empty_cache", "max_memory_allocated", "max_memory_reserved", "mem_get_info",
        "memory_allocated", "memory_reserved", "memory_stats", "memory_summary",
        "reset_max_memory_allocated", "reset_peak_memory_stats",
    ),
    "nvtx": (),
    "older": (
        "can_device_access_peer", "cudart", "default_generators", "get_allocator_backend",
        "get_gencode_flags", "get_per_process_memory_fraction", "get_sync_debug_mode",
        "graph_pool_handle", "has_half", "has_magma", "is_tf32_supported", "max_memory_cached",
        "memory_cached", "memory_snapshot", "nccl", "profiler", "reset_accumulated_memory_stats",
        "reset_max_memory_cached", "set_per_process_memory_fraction", "set_stream",
        "set_sync_debug_mode",
    ),
    "telling": (
        "clock_rate", "device_memory_used", "memory_usage", "power_draw", "temperature",
        "utilization",
    ),
    "graphs": ("CUDAGraph", "graph", "make_graphed_callables"),
    "random": (
        "get_rng_state", "get_rng_state_all", "initial_seed", "seed", "seed_all", "set_rng_state",
        "set_rng_state_all",
    ),
    "streams": ("Event", "Stream", "StreamContext", "current_stream", "default_stream", "stream"),
}  # fmt: skip
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name == "_initialized":  # what reversible layers ask before they keep random states
        return is_initialized()
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        found = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = found
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
