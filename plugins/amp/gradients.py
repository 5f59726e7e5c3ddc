"""The gradients of an optimizer's parameters: whether they are still scaled, and unscaling them."""

from __future__ import annotations

from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.autograd import pending

from .guard import REMEDY
from .ops import unscale


def numbered(optimizer: Any) -> list[tuple[int, Tensor]]:
    """The gradients there are, numbered, and checked before the first of them is changed."""
    gradients = []
    parameters = (p for group in optimizer.param_groups for p in group["params"])
    for number, parameter in enumerate(parameters):
        g = parameter.grad
        if g is None:
            continue
        if g.dtype is ad.float16:
            raise ValueError(
                "Attempting to unscale FP16 gradients. Keep the weights in float32, and run "
                "the model under autocast."
            )
        gradients.append((number, g))
    return gradients


def all_scaled(optimizer: Any) -> bool:
    """Whether every gradient comes from a scaled loss, and nobody has touched it since."""
    return all(pending.remedy(g) == REMEDY for _, g in numbered(optimizer))


def unscaled(optimizer: Any, inverse: Tensor) -> dict[str, Tensor]:
    """Multiply them by the inverse of the scale, in one pass a device.

    By device, a Tensor with a number a parameter: 1 if its gradient was not finite.
    """
    by_place: dict[str, list[tuple[int, Tensor]]] = {}
    for entry in numbered(optimizer):
        by_place.setdefault(str(entry[1].device), []).append(entry)
    count = sum(len(group["params"]) for group in optimizer.param_groups)
    found_inf = {}
    with ad.no_grad():
        for place, entries in by_place.items():
            numbers, grads = zip(*entries)
            device = grads[0].device
            found_inf[place] = ad.zeros(count, dtype=ad.float32, device=device)
            unscale(*grads, found_inf[place], inverse.to(device), at=numbers)
    return found_inf


def any_found(found_inf: dict[str, Tensor]) -> Tensor:
    """Whether any of them was not finite, as a Tensor that nobody has read."""
    flags = list(found_inf.values())
    with ad.no_grad():
        if len(flags) > 1:
            here = flags[0].device
            return ad.cat([f.to(here) for f in flags]).any()
        return flags[0].any()
