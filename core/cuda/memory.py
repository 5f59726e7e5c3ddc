"""memory: how much is held on a CUDA device (PyTorch: ``torch.cuda.memory``); all in bytes.

Without a device the answers are zero, and nothing is freed.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ..backend import MemoryInfo
from ..device import device as Device
from . import _backend, _index, is_available
from .holding import holders, told


def _info(device: Any) -> MemoryInfo:
    if not is_available():
        _asked(device)
        return MemoryInfo()
    return _backend().memory_info(_index(device))


def _asked(device: Any) -> None:
    """Refuse what is no CUDA device, also where there is none."""
    if device is not None and not isinstance(device, int) and Device(device).type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {device}")


def memory_allocated(device: Any = None) -> int:
    """Bytes that arrays hold now (``torch.cuda.memory_allocated``).

    >>> import anadrome as ad
    >>> ad.cuda.memory_allocated() if ad.cuda.is_available() else 0
    0
    """
    return _info(device).allocated


def max_memory_allocated(device: Any = None) -> int:
    """The most that arrays held since ``reset_peak_memory_stats``, or since this was first asked.

    Allocations are watched from then on, in the thread that asked first, at about a microsecond
    each (``torch.cuda.max_memory_allocated``).
    """
    return _info(device).peak_allocated


def memory_reserved(device: Any = None) -> int:
    """Bytes taken from the device: held by arrays or kept for the next ones."""
    return _info(device).reserved


def max_memory_reserved(device: Any = None) -> int:
    """The most that was reserved since ``reset_peak_memory_stats`` (``torch.cuda``)."""
    return _info(device).peak_reserved


def reset_peak_memory_stats(device: Any = None) -> None:
    """Begin to count the peaks anew, in this thread (``torch.cuda.reset_peak_memory_stats``)."""
    if not is_available():
        return _asked(device)
    _backend().reset_peak_memory(_index(device))


reset_max_memory_allocated = reset_peak_memory_stats


def mem_get_info(device: Any = None) -> tuple[int, int]:
    """Bytes free on the device, and all it has (``torch.cuda.mem_get_info``)."""
    info = _info(device)
    return info.free, info.total


def memory_stats(device: Any = None) -> dict[str, int]:
    """The figures by PyTorch's names for them (``torch.cuda.memory_stats``)."""
    info = _info(device)
    return OrderedDict(
        {
            "allocated_bytes.all.current": info.allocated,
            "allocated_bytes.all.peak": info.peak_allocated,
            "reserved_bytes.all.current": info.reserved,
            "reserved_bytes.all.peak": info.peak_reserved,
        }
    )


def empty_cache() -> None:
    """Give memory that no array holds back to the device (``torch.cuda.empty_cache``)."""
    if is_available():
        _backend().release_memory()


def memory_summary(device: Any = None, abbreviated: bool = False) -> str:
    """The figures as a table, and who holds the memory (``torch.cuda.memory_summary``)."""
    info = _info(device)
    lines = [
        ("held by arrays", info.allocated),
        ("most held by arrays", info.peak_allocated),
        ("taken from the device", info.reserved),
        ("free on the device", info.free),
        ("of", info.total),
    ]
    out = [f"{name:24}{told(size):>12}" for name, size in lines]
    if not abbreviated and is_available():
        found = holders(Device("cuda", _index(device)))
        out += [f"  {name:22}{told(size):>12}" for name, size in found]
    return "\n".join(out)
