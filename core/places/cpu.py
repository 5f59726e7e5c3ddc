"""cpu: the CPU as a device like others (``torch.cpu``); its work is done when a call returns."""

from __future__ import annotations

import contextlib
from typing import Any


class Stream:
    """The order of the program; there is one (``torch.cpu.Stream``)."""

    def __init__(self, priority: int = -1) -> None:
        self.priority = priority

    def wait_stream(self, stream: Any) -> None:
        """Nothing to wait for."""

    def record_event(self) -> None:
        """Nothing to mark."""

    def wait_event(self, event: Any) -> None:
        """Nothing to wait for."""

    def synchronize(self) -> None:
        """Nothing to wait for."""


class Event:
    """A mark that has been reached (``torch.cpu.Event``)."""

    def query(self) -> bool:
        """True."""
        return True

    def record(self, stream: Any = None) -> None:
        """Nothing to mark."""

    def synchronize(self) -> None:
        """Nothing to wait for."""

    def wait(self, stream: Any = None) -> None:
        """Nothing to wait for."""


_stream = Stream()


class StreamContext(contextlib.AbstractContextManager[Any]):
    """Work inside belongs to a stream, as it does outside (``torch.cpu.StreamContext``)."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __exit__(self, *exc: object) -> None:
        pass


stream = StreamContext


def is_available() -> bool:
    """True."""
    return True


is_initialized = is_available


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """``"cpu"``.

    >>> import anadrome as ad
    >>> ad.cpu.current_device(), ad.cpu.device_count()
    ('cpu', 1)
    """
    return "cpu"


def set_device(device: Any) -> None:
    """There is no other."""


def synchronize(device: Any = None) -> None:
    """Nothing to wait for."""


def current_stream(device: Any = None) -> Stream:
    """The one stream."""
    return _stream


def get_capabilities() -> dict[str, Any]:
    """What the CPU is and can do: ``architecture``, and a word for each feature (PyTorch's name).

    The features are those that the operating system tells of, in its words.
    """
    import platform

    found: dict[str, Any] = {"architecture": platform.machine()}
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith(("flags", "Features")):
                found.update(dict.fromkeys(line.partition(":")[2].split(), True))
                break
    return found
