"""The CuPy backend: device ``"cuda"``. CuPy is imported when a CUDA device is first asked for."""

from __future__ import annotations

from typing import Any

from anadrome import LazyBackend, hookimpl

ANADROME_API = (1, 1)
ANADROME_PRIORITY = 90


def _load() -> Any:
    from .presence import require_cupy

    require_cupy()
    from .adapter import CupyBackend

    return CupyBackend()


@hookimpl
def register_backends() -> list[LazyBackend]:
    """CuPy, loaded when the first CUDA device is asked for."""
    return [LazyBackend("cupy", ("cuda",), _load)]
