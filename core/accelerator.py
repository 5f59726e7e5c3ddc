"""accelerator: what programs ask about whatever device there is (``torch.accelerator``)."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from . import cuda, dtypes
from .device import device as Device


def is_available() -> bool:
    """Whether there is a device other than the CPU (``torch.accelerator.is_available``).

    >>> import anadrome as ad
    >>> kind = ad.accelerator.current_accelerator() if ad.accelerator.is_available() else "cpu"
    """
    return cuda.is_available()


def current_accelerator(check_available: bool = False) -> Device | None:
    """The type of that device; None without one (``torch.accelerator.current_accelerator``)."""
    return Device("cuda") if cuda.is_available() else None


def device_count() -> int:
    """How many there are (``torch.accelerator.device_count``)."""
    return cuda.device_count()


def current_device_index() -> int:
    """The index of the one in use (``torch.accelerator.current_device_index``)."""
    return cuda.current_device()


current_device_idx = current_device_index


def set_device_index(device: Any) -> None:
    """Use that one, in this thread (``torch.accelerator.set_device_index``)."""
    cuda.set_device(device)


set_device_idx = set_device_index


def synchronize(device: Any = None) -> None:
    """Wait until it has done all it was given (``torch.accelerator.synchronize``)."""
    cuda.synchronize(device)


def get_device_module(device: Any = None) -> Any:
    """The module for a type of device, the accelerator's by default (``torch.get_device_module``).

    Raises RuntimeError for one that has none.

    >>> import anadrome as ad
    >>> ad.get_device_module("cuda") is ad.cuda
    True
    """
    import anadrome

    if device is not None and not isinstance(device, (str, Device)):
        raise RuntimeError(
            f"Invalid value of device: a {type(device).__name__}, expect "
            f"{dtypes.shown_as}.device, str, or None"
        )
    name = (current_accelerator() or Device("cpu")).type if device is None else Device(device).type
    found = getattr(anadrome, name, None)
    if not isinstance(found, ModuleType):
        raise RuntimeError(
            f"Device {name!r} does not have a corresponding module registered as "
            f"'{dtypes.shown_as}.{name}'."
        )
    return found


def _there() -> None:
    if not cuda.is_available():
        raise RuntimeError("Cannot access accelerator device when none is available.")


def _of_device(name: str) -> Any:
    """A function of ``cuda``, which raises RuntimeError where there is no device."""

    def function(device: Any = None) -> Any:
        _there()
        return getattr(cuda, name)(device)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``cuda.{name}`` (``torch.accelerator.{name}``)."
    return function


memory_allocated = _of_device("memory_allocated")
max_memory_allocated = _of_device("max_memory_allocated")
memory_reserved = _of_device("memory_reserved")
max_memory_reserved = _of_device("max_memory_reserved")
memory_stats = _of_device("memory_stats")
reset_peak_memory_stats = _of_device("reset_peak_memory_stats")
current_stream = _of_device("current_stream")


def get_memory_info(device: Any = None) -> tuple[int, int]:
    """How many bytes are free, and how many there are (``torch.accelerator.get_memory_info``)."""
    _there()
    return cuda.mem_get_info(device)


def empty_cache() -> None:
    """Give back memory that is kept for what comes (``torch.accelerator.empty_cache``)."""
    _there()
    cuda.empty_cache()
