"""Fused kernels for CuPy's arrays: what a training step repeats, in one pass over memory.

Reading order: `common` (what a kernel takes, how its source is compiled), `many` (one launch for
many arrays), then a file a family. They are compiled when first called, for the element type at
hand, and CuPy keeps what was compiled on disk. Half precision is computed in float32 and rounded
once. What a kernel does not take goes where it went without it. `ANADROME_DISABLE_PLUGINS=fused`
switches all of them off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from anadrome import Backend, hookimpl

ANADROME_API = (1, 1)


def kernels_for(backend: Backend) -> Mapping[str, Callable[..., Any]]:
    """By name of the op; each with what has run it until now to fall back on."""
    from anadrome.op import table

    from . import (
        activation,
        clipping,
        dropping,
        embedding,
        losses,
        norms,
        pool,
        scaling,
        softmax,
        updates,
    )

    families = (
        activation, clipping, dropping, embedding, losses, norms, pool, scaling, softmax, updates,
    )  # fmt: skip
    made: dict[str, Callable[..., Any]] = {}
    for family in families:
        for name, make in family.MAKERS.items():
            if name not in table:  # the plugin that declares it is switched off
                continue
            before = backend.kernels.get(name) or backend.composed(table[name])
            made[name] = make(before)
    return made


@hookimpl
def register_kernels() -> Mapping[str, Callable[[Backend], Mapping[str, Callable[..., Any]]]]:
    """Fused forwards and backwards for CuPy's arrays."""
    return {"cupy": kernels_for}
