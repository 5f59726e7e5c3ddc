"""scaling: gradients multiplied by the inverse of the loss scale, and whether they are finite, in
one launch for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from .common import NAMES, Maker
from .many import Walk, column, in_one_order, launch, types

_UNSCALE = "W value = (W)g[i] * factor; g[i] = (G)value; bad |= !isfinite(value);"
_BEFORE = """
  const W factor = (W)*inverse;
  const unsigned long long place = table[count + t];
  bool bad = false;
"""
_AFTER = "if (bad) found[place] = 1;"  # whoever comes first: all write the same
unscale = Walk(
    "unscale", "const float* inverse, float* found", _UNSCALE, column("G", "g", 0) + _BEFORE, _AFTER
)
_updated = cupy.ElementwiseKernel(
    "raw float32 found, int64 count, float64 growth, float64 backoff, int32 interval",
    "raw float32 scale, raw int32 tracker",
    """
    bool overflowed = false;
    for (long long k = 0; k < count; ++k) overflowed |= found[k] > 0;
    int successes = tracker[0] + 1;
    bool due = !overflowed && successes == interval;
    float grown = scale[0] * (float)growth;
    if (overflowed) scale[0] = scale[0] * (float)backoff;
    else if (due && isfinite(grown)) scale[0] = grown;
    tracker[0] = overflowed || due ? 0 : successes;
    """,
    "anadrome_update_scale",
)


def _unscale(before: Callable[..., Any]) -> Callable[..., Any]:
    """Each gradient times the inverse; ``found_inf`` is 1 at the places of those not finite."""

    def amp_unscale(*tensors: Any, at: tuple[int, ...]) -> None:
        *grads, found_inf, inverse = tensors
        groups: dict[Any, list[tuple[Any, int]]] = {}
        for g, place in zip(grads, at):
            if g.dtype in NAMES and in_one_order((g,)) is not None:
                groups.setdefault(g.dtype, []).append((g, place))
            else:
                before(g, found_inf, inverse, at=(place,))
        for kind, members in groups.items():
            launch(unscale.made(types(kind)), tuple(zip(*members)), inverse, found_inf)

    return amp_unscale


def _update_scale(before: Callable[..., Any]) -> Callable[..., Any]:
    """The scale after an iteration, by one thread."""

    def amp_update_scale(
        scale: Any,
        growth_tracker: Any,
        found_inf: Any,
        *,
        growth_factor: float,
        backoff_factor: float,
        growth_interval: int,
    ) -> None:
        _updated(
            found_inf, np.int64(found_inf.size), np.float64(growth_factor),
            np.float64(backoff_factor), np.int32(growth_interval), scale, growth_tracker, size=1,
        )  # fmt: skip

    return amp_update_scale


MAKERS: dict[str, Maker] = {"amp_unscale": _unscale, "amp_update_scale": _update_scale}
