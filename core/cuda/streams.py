"""streams: queues of work on a CUDA device, and marks in them (PyTorch: ``torch.cuda.streams``).

Each wraps the backend's own object; see ``Backend.stream`` for what that must be able to do.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from ..border import Bordered
from ..device import device as Device
from . import _backend, _index


class Stream(Bordered):
    """A queue of work; work in two of them may overlap (``torch.cuda.Stream``).

    ``device``: where; None is the current one. ``priority``: lower goes first.

    An array belongs to the stream it was made on: before another uses it, let that
    ``wait_stream``; before it is freed while another uses it, ``tensor.record_stream(other)``.

    >>> import anadrome as ad
    >>> if ad.cuda.is_available():
    ...     side = ad.cuda.Stream()
    ...     with ad.cuda.stream(side):
    ...         x = ad.ones(3, device="cuda")
    ...     ad.cuda.current_stream().wait_stream(side)
    """

    def __init__(self, device: Any = None, priority: int = 0, *, native: Any = None) -> None:
        self.device_index = _index(device)
        self.priority = priority
        self.native = _backend().stream(self.device_index, priority) if native is None else native
        #: Arrays in use here that may be freed elsewhere, with what must be reached before.
        self._kept: deque[tuple[Event, Any]] = deque()

    @property
    def device(self) -> Device:
        """Where it is."""
        return Device("cuda", self.device_index)

    @property
    def cuda_stream(self) -> int:
        """The address of CUDA's own object."""
        return int(self.native.ptr)

    def synchronize(self) -> None:
        """Wait until all work in it is done."""
        self.native.synchronize()

    def query(self) -> bool:
        """Whether all work in it is done."""
        return bool(self.native.done)

    def wait_event(self, event: Event) -> None:
        """Work that comes into it later waits for the event; Python does not."""
        self.native.wait_event(event.native)

    def wait_stream(self, stream: Stream) -> None:
        """Work that comes into it later waits for all that is in another stream now."""
        self.wait_event(stream.record_event())

    def record_event(self, event: Event | None = None) -> Event:
        """A mark behind the work that is in it now."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def keep(self, array: Any) -> None:
        """Hold an array until the work that is here now is done."""
        while self._kept and self._kept[0][0].query():
            self._kept.popleft()
        self._kept.append((self.record_event(), array))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.cuda_stream == self.cuda_stream

    def __hash__(self) -> int:
        return hash(self.cuda_stream)

    def __repr__(self) -> str:
        return f"<anadrome.cuda.Stream device={self.device} cuda_stream={self.cuda_stream:#x}>"


class Event(Bordered):
    """A mark in a stream (``torch.cuda.Event``).

    ``enable_timing``: two of them tell the time between (``a.elapsed_time(b)``, milliseconds).
    ``blocking``: waiting for it lets other programs have the core.
    """

    def __init__(
        self, enable_timing: bool = False, blocking: bool = False, interprocess: bool = False
    ) -> None:
        if interprocess:
            raise NotImplementedError(
                "Event(interprocess=True) is not supported: an event belongs to one process"
            )
        self.native = _backend().event(enable_timing, blocking)
        self.enable_timing = enable_timing

    def record(self, stream: Stream | None = None) -> None:
        """Put it behind the work that is in the stream now (the current one by default)."""
        self.native.record(None if stream is None else stream.native)

    def wait(self, stream: Stream | None = None) -> None:
        """Work that comes into the stream later waits for it."""
        (current_stream() if stream is None else stream).wait_event(self)

    def query(self) -> bool:
        """Whether the work before it is done."""
        return bool(self.native.done)

    def synchronize(self) -> None:
        """Wait until the work before it is done."""
        self.native.synchronize()

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to another. Both must have been reached."""
        if not (self.enable_timing and end_event.enable_timing):
            raise ValueError(
                "Both events must be created with argument 'enable_timing=True'; write "
                "`anadrome.cuda.Event(enable_timing=True)`"
            )
        return float(_backend().elapsed(self.native, end_event.native))


class StreamContext(Bordered):
    """Inside, work goes into the stream; None changes nothing (``torch.cuda.stream``)."""

    def __init__(self, stream: Stream | None) -> None:
        self.stream = stream

    def __enter__(self) -> None:
        if self.stream is not None:
            self._before = _backend().current_device()
            _backend().set_current_device(self.stream.device_index)
            self.stream.native.__enter__()

    def __exit__(self, *exc: Any) -> None:
        if self.stream is not None:
            self.stream.native.__exit__(*exc)
            _backend().set_current_device(self._before)


stream = StreamContext


def current_stream(device: Any = None) -> Stream:
    """The stream that work goes into now, in this thread (``torch.cuda.current_stream``)."""
    index = _index(device)
    return Stream(index, native=_backend().current_stream(index))


def default_stream(device: Any = None) -> Stream:
    """The stream that work goes into at first (``torch.cuda.default_stream``)."""
    index = _index(device)
    return Stream(index, native=_backend().current_stream(index, default=True))
