"""placement: on a machine with several GPUs, functions run on that of their arrays.

CuPy works on its current device: arrays of another one it reads across, where the two can reach
each other's memory, and refuses where they cannot; the result is on the current device in any case.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import cupy


def where_they_are(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, run on the device of its first array."""

    @functools.wraps(function)
    def run(*arrays: Any, **keywords: Any) -> Any:
        for array in arrays:
            if array.__class__ in (list, tuple) and array:
                array = array[0]
            device: Any = getattr(array, "device", None)
            if device.__class__ is cupy.cuda.Device:
                break
        else:
            return function(*arrays, **keywords)
        if device == cupy.cuda.Device():
            return function(*arrays, **keywords)
        with device:
            return function(*arrays, **keywords)

    return run
