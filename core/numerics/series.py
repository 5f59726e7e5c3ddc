"""series: sums of polynomials, and what is computed in double precision."""

from __future__ import annotations

import math
from typing import Any

from ..backend import by_type


def polynomial(x: Any, coefficients: tuple[float, ...]) -> Any:
    """Horner's rule; coefficients from the highest power."""
    total = x * coefficients[0] + coefficients[1]
    for c in coefficients[2:]:
        total = total * x + c
    return total


def needed(xp: Any, mask: Any) -> bool:
    """Whether the mask holds anywhere, as far as that is known without waiting for a device."""
    backend = by_type.get(mask.__class__)
    return backend is None or not backend.at_hand or bool(xp.any(mask))


#: From so many elements it pays to compute each side of a mask for its own elements only.
_MANY = 1024


def apart(xp: Any, mask: Any, inside: Any, outside: Any, *arrays: Any) -> Any:
    """``inside(*arrays)`` where the mask is true, else ``outside(*arrays)``, of each element.

    Both may be asked about all elements, and what they say where it does not count is dropped.
    """
    backend = by_type.get(mask.__class__)
    if backend is None or not backend.at_hand:
        return xp.where(mask, inside(*arrays), outside(*arrays))
    if not xp.any(mask):
        return outside(*arrays)
    if xp.all(mask):
        return inside(*arrays)
    if math.prod(mask.shape) < _MANY:
        return xp.where(mask, inside(*arrays), outside(*arrays))
    (there,) = xp.nonzero(xp.reshape(mask, (-1,)))
    (rest,) = xp.nonzero(xp.reshape(~mask, (-1,)))
    flat = [xp.reshape(a, (-1,)) for a in arrays]
    out = xp.empty(mask.shape, dtype=arrays[0].dtype)
    target = xp.reshape(out, (-1,))
    for function, places in ((inside, there), (outside, rest)):
        target[places] = function(*[xp.take(a, places, axis=0) for a in flat])
    return out


def in_double(function: Any) -> Any:
    """Computed in float64 and rounded once, where the input is narrower."""

    def run(xp: Any, x: Any, *rest: Any) -> Any:
        if x.dtype == xp.float64:
            return function(xp, x, *rest)
        return xp.astype(function(xp, xp.astype(x, xp.float64), *rest), x.dtype)

    return run


def chebyshev(t: Any, coefficients: tuple[float, ...]) -> Any:
    """A Chebyshev series, by Clenshaw's recurrence."""
    twice, b = t * 2.0, t * 0.0
    a = b + coefficients[-1]
    for c in coefficients[-2:0:-1]:
        a, b = twice * a - b + c, a
    return t * a - b + coefficients[0]
