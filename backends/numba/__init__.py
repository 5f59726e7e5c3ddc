"""Compiled kernels for the NumPy backend: ``pip install "anadrome[fast]"`` and they are used.

Reading order: `kernels/` (which calls are given to compiled code; a family a file), `team` (the
threads that share them), `loops/` (what is compiled; `mathematics`: exp and tanh that the compiler
can vectorise; `team`: how the threads agree, by `atomics`). Numba is imported, and a loop compiled,
when the first large call arrives; what was compiled is kept on disk for later processes.
`ANADROME_DISABLE_PLUGINS=numba` switches all of it off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from anadrome import Backend, hookimpl

ANADROME_API = (1, 1)


def kernels_for(backend: Backend) -> Mapping[str, Callable[..., Any]]:
    """The kernels, if Numba is installed; it is not imported yet."""
    import importlib.util

    if importlib.util.find_spec("numba") is None:
        return {}
    from .kernels import kernels

    return kernels(backend)


@hookimpl
def register_kernels() -> Mapping[str, Callable[[Backend], Mapping[str, Callable[..., Any]]]]:
    """Faster forwards for NumPy's arrays."""
    return {"numpy": kernels_for}
