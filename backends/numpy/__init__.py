"""The NumPy backend: device ``"cpu"``."""

from __future__ import annotations

from typing import Any

from anadrome import LazyBackend, hookimpl

ANADROME_API = (1, 1)
ANADROME_PRIORITY = 100


def _load() -> Any:
    from .adapter import NumpyBackend

    return NumpyBackend()


@hookimpl
def register_backends() -> list[LazyBackend]:
    """NumPy, loaded when the first Tensor is made."""
    return [LazyBackend("numpy", ("cpu",), _load)]
