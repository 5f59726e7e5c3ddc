"""How much of the gradients is lost below what float16 can hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import anadrome as ad
from anadrome import Tensor

from .result import names_of

#: The smallest normal number of float16; below it, each halving costs a bit, and ten are left.
TINY = 2.0**-14


class Underflow(NamedTuple):
    """Shares, from 0 to 1, of the elements of one gradient.

    ``zero``: exactly zero. ``subnormal``: not zero, but below 2**-14, the smallest normal float16,
    in the size that the backward computed it in (with the scale in it).
    """

    zero: float
    subnormal: float


def shares(
    optimizer: Any, factor_of: Callable[[Tensor], Tensor | None], names: Mapping[int, str]
) -> dict[str, Underflow]:
    """By parameter. ``factor_of``: what its gradient was multiplied by to unscale it, if it was."""
    numbers: dict[Any, list[int]] = {}
    counts: dict[Any, list[Tensor]] = {}
    sizes: dict[int, int] = {}
    with ad.no_grad():
        for i, p in enumerate(p for group in optimizer.param_groups for p in group["params"]):
            g = p.grad
            if g is None or g.numel() == 0:
                continue
            size = g.abs()
            factor = factor_of(p)
            least = TINY if factor is None else (factor * TINY).to(device=g.device)
            pair = ad.stack([(size == 0).sum(), (size < least).sum()])  # a NaN is not below it
            numbers.setdefault(g.device, []).append(i)
            counts.setdefault(g.device, []).append(pair)
            sizes[i] = g.numel()
    found: dict[int, Underflow] = {}
    for device, pairs in counts.items():
        for i, (zero, below) in zip(numbers[device], ad.stack(pairs).tolist()):
            found[i] = Underflow(zero / sizes[i], (below - zero) / sizes[i])
    called = names_of(optimizer, names)
    return {called[i]: found[i] for i in sorted(found)}
