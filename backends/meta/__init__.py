"""Arrays of a shape and a dtype, and no values: device ``"meta"``.

A model made there takes no memory, however large it is; what is computed there has the shape,
dtype, strides and graph that it would have elsewhere. Reading order: `array` (what such an array
is), `shapes` (which shape the functions of NumPy give), `namespace` and `operators` (those
functions), `examples` (what looks at values on its way), `adapter`.
"""

from __future__ import annotations

from typing import Any

from anadrome import LazyBackend, hookimpl

ANADROME_API = (1, 1)


def _load() -> Any:
    from .adapter import MetaBackend

    return MetaBackend()


@hookimpl
def register_backends() -> list[LazyBackend]:
    """Loaded when something is asked for on the device ``"meta"``."""
    return [LazyBackend("meta", ("meta",), _load)]
