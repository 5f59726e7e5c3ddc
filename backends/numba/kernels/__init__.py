"""Which calls go to compiled code; all others go where they went without it. One file a family.

The loops are imported, and with them Numba, when the first large call arrives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anadrome import Backend
from anadrome.op import table

from ..team import Team
from . import (
    convolve,
    dropping,
    losses,
    masking,
    pointwise,
    pool,
    products,
    recurrent,
    rows,
    scattering,
    updates,
)
from .common import Maker

MAKERS: dict[str, Maker] = {
    **convolve.MAKERS,
    **dropping.MAKERS,
    **losses.MAKERS,
    **masking.MAKERS,
    **pointwise.MAKERS,
    **pool.MAKERS,
    **products.MAKERS,
    **recurrent.MAKERS,
    **rows.MAKERS,
    **scattering.MAKERS,
    **updates.MAKERS,
}


def kernels(backend: Backend) -> dict[str, Callable[..., Any]]:
    """By name of the op; each with what has run it until now to fall back on."""
    made, team = {}, Team(backend)
    for name, make in MAKERS.items():
        before = backend.kernels.get(name) or backend.composed(table[name])
        made[name] = make(before, team)
    return made
