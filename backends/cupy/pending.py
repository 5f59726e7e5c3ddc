"""pending: checks whose outcome is still on its way from the GPU.

To look at a value Python would have to wait for it, and the GPU's queue would run empty. So a check
is queued like any other work; its outcome is looked at once it is there, and at the latest when the
user reads a value. CuPy wraps an index that is out of range, so nothing is harmed meanwhile.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Any

import cupy

from anadrome import sites
from anadrome.arriving import Arriving

_checks: deque[tuple[OnItsWay, Callable[[], Exception], sites.Site]] = deque()
_side: dict[int, Any] = {}


class OnItsWay(Arriving):
    """A value that is there when all that was queued before it is done."""

    __slots__ = ("_array", "_event")

    def __init__(self, array: Any) -> None:
        self._array = array
        with array.device:
            self._event = cupy.cuda.Event(disable_timing=True)
            self._event.record()

    @property
    def done(self) -> bool:
        return bool(self._event.done)

    def read(self) -> Any:
        self._event.synchronize()
        return _read(self._array)


#: ``ANADROME_STRICT_INDEX=1``: each check is waited for, so that it raises where it is made.
strict = os.environ.get("ANADROME_STRICT_INDEX", "") not in ("", "0")


def require(holds: Any, error: Callable[[], Exception]) -> None:
    """Have ``error()`` raised, soon, unless all of ``holds`` is true. Does not wait."""
    if strict:
        if not bool(holds.all()):
            raise error()
        return
    settle(wait=False)
    _checks.append((OnItsWay(holds.all()), error, sites.caller(2)))


def settle(wait: bool = True) -> None:
    """Look at the outcomes: of all checks, or without waiting at those that have arrived."""
    while _checks:
        if not wait and not _checks[0][0].done:
            return
        try:
            outcome, error, site = _checks.popleft()
        except IndexError:  # another thread took the last one
            return
        if not outcome.read():
            raised = error()
            where = sites.describe(site)
            raise type(raised)(
                f"{raised} (at {where}; noticed when its outcome came in; with "
                "ANADROME_STRICT_INDEX=1 in the environment it is raised there)"
            )


def _read(array: Any) -> Any:
    """The value, on a stream of its own, which does not wait for the work that is queued."""
    number = array.device.id
    with array.device:
        stream = _side.get(number)
        if stream is None:
            stream = _side[number] = cupy.cuda.Stream(non_blocking=True)
        return array.get(stream=stream).item()
