"""placement: where a machine has several devices of a type, work is done on that of its arrays.

An array library computes on its current device, whichever its arrays are on. A backend that serves
several devices brings its ops to their arrays' device by itself (``Backend.implementation``). What
is done to bare arrays outside an op comes here: writes, and the rules of a backward, which goes
from device to device. With one device, or none, all of this is one test of an empty dictionary.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .adapter import Backend

#: Loaded backends that serve several devices, by the class of their arrays.
several: dict[type, Backend] = {}


def at(array: Any) -> AbstractContextManager[Any]:
    """The array's device is the current one inside."""
    backend = several.get(array.__class__)
    return nullcontext() if backend is None else backend.placed(backend.device_of(array))


def follow(value: Any) -> None:
    """Make the device of a gradient the current one: of an array, a Tensor, or the first of some.

    For within ``returning``.
    """
    if value.__class__ is list:
        value = next((v for v in value if v is not None), None)
    value = getattr(value, "value", value)  # of a Patch
    array = getattr(value, "_data", value)
    backend = several.get(array.__class__)
    if backend is not None:
        index = backend.device_of(array).index
        if index is not None and index != backend.current_device():
            backend.set_current_device(index)


def returning(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, after which the current devices are what they were."""

    @functools.wraps(function)
    def run(*args: Any) -> Any:
        before = [(backend, backend.current_device()) for backend in several.values()]
        try:
            return function(*args)
        finally:
            for backend, index in before:
                backend.set_current_device(index)

    return run
