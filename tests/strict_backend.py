"""The array API standard's strict namespace as a backend: what leans on NumPy fails here.

It is also the smallest complete backend there is; ``docs/`` shows how such a one is written.
Tests load it with ``strict_backend.load()``.
"""

from __future__ import annotations

from typing import Any

import array_api_strict
import numpy as np

from anadrome import Backend, LazyBackend, device, hookimpl, manager
from anadrome.backends.numpy.random import Draws

Array = type(array_api_strict.asarray(0.0))


class StrictDraws:
    """NumPy's draws in strict arrays: the same streams as the NumPy backend."""

    def __getattr__(self, kind: str) -> Any:
        def draw(key: Any, shape: Any, *rest: Any, **parameters: Any) -> Any:
            if rest and hasattr(rest[0], "_np_dtype"):
                rest = (rest[0]._np_dtype, *rest[1:])
            return array_api_strict.asarray(getattr(Draws(), kind)(key, shape, *rest, **parameters))

        return draw


class StrictBackend(Backend):
    """array-api-strict on the device type ``"strict"``."""

    name = "strict"
    device_types = ("strict",)
    array_type = Array
    xp = array_api_strict
    unsupported_dtypes = frozenset({"float16", "bfloat16"})

    def asarray(self, data: Any, dtype: Any = None, device: Any = None) -> Any:
        return array_api_strict.asarray(data, dtype=dtype, copy=True)

    def to_host(self, array: Any) -> Any:
        return array._array

    def device_of(self, array: Any) -> device:
        return device("strict")

    def owns(self, array: Any) -> bool:
        return array._array.base is None

    def shares(self, a: Any, b: Any) -> bool:
        return np.may_share_memory(a._array, b._array)

    def scatter_add(self, target: Any, index: Any, source: Any) -> None:
        plain = tuple(i._array if isinstance(i, Array) else i for i in index)
        np.add.at(target._array, plain, source._array)

    def generator(self, device: Any = None) -> Any:
        return StrictDraws()


class Plugin:
    """The plugin that brings the backend, registered as a third party's would be."""

    @hookimpl
    def register_backends(self) -> list[LazyBackend]:
        return [LazyBackend("strict", ("strict",), StrictBackend)]


def load() -> str:
    """Register the backend, once a process; returns its name."""
    if "strict" not in manager.plugins:
        # Its dtypes and NumPy's meet in one dictionary, where they have one hash. That they are
        # unequal is what we rely on, and the library warns of.
        of_library = type(array_api_strict.float32)
        equal = of_library.__eq__
        of_library.__eq__ = lambda a, b: isinstance(b, of_library) and equal(a, b)  # type: ignore[method-assign]
        manager.register(Plugin(), name="strict")
    return "strict"
