"""incomplete: the regularised incomplete gamma functions, from what the array API has.

P(a, x) by its power series below x = a + 1 (DLMF 8.7.1), Q(a, x) by Legendre's continued fraction
above (DLMF 8.9.2, evaluated as Lentz proposed). Both converge within some square roots of ``a``
terms; they stop when no element changes any more.
"""

from __future__ import annotations

import math
from typing import Any

from .gamma import lgamma_composed

#: Terms at most: enough for ``a`` up to some 10^7. What has not converged then stays as it is.
_MOST = 20_000
#: Looking whether all have converged waits for the device, so it is done this seldom.
_EVERY = 16
_EPS = 2.0**-53


def gamma_p(xp: Any, a: Any, x: Any) -> Any:
    """The lower one, P(a, x)."""
    return _both(xp, a, x, False)


def gamma_q(xp: Any, a: Any, x: Any) -> Any:
    """The upper one, Q(a, x) = 1 - P(a, x)."""
    return _both(xp, a, x, True)


def _both(xp: Any, a: Any, x: Any, upper: bool) -> Any:
    shape = xp.broadcast_arrays(a, x)[0]
    kind = shape.dtype
    a, x = (xp.astype(v, xp.float64) for v in xp.broadcast_arrays(a, x))
    inside = (a > 0.0) & (x > 0.0) & (a < math.inf) & (x < math.inf)
    safe_a, safe_x = xp.where(inside, a, 1.0), xp.where(inside, x, 1.0)
    front = xp.exp(_log_front(xp, safe_a, safe_x))
    below = safe_x < safe_a + 1.0
    small = front * _series(xp, safe_a, xp.where(below, safe_x, 0.5))
    large = front * _fraction(xp, safe_a, xp.where(below, safe_a + 2.0, safe_x))
    out = xp.where(below, 1.0 - small if upper else small, large if upper else 1.0 - large)
    # The edges, those of NaN too, as in PyTorch: the later line wins.
    none, whole = (1.0, 0.0) if upper else (0.0, 1.0)
    unknown = xp.full_like(x, math.nan)
    edge = xp.where(x == math.inf, whole, unknown)
    edge = xp.where(a == math.inf, xp.where(x == math.inf, unknown, none), edge)
    edge = xp.where(x == 0.0, none, edge)
    edge = xp.where(a == 0.0, xp.where(x > 0.0, whole, unknown), edge)
    edge = xp.where((a < 0.0) | (x < 0.0), unknown, edge)
    return xp.astype(xp.where(inside, out, edge), kind)


def _log_front(xp: Any, a: Any, x: Any) -> Any:
    """The logarithm of x^a e^-x / Γ(a + 1)."""
    plain = a * xp.log(x) - x - lgamma_composed(xp, a + 1.0)
    # For large a the three cancel: with x = a (1 + u) they are a (log1p(u) - u), less Stirling's.
    big = xp.where(a > 30.0, a, 30.0)
    u = (x - big) / big
    ratio = xp.where(u > -0.5, u, -0.5)
    series = 1.0 / (12.0 * big) - 1.0 / (360.0 * big**3) + 1.0 / (1260.0 * big**5)
    near = big * (xp.log1p(ratio) - ratio) - 0.5 * xp.log(2.0 * math.pi * big) - series
    return xp.where((a > 30.0) & (u > -0.5), near, plain)


def _series(xp: Any, a: Any, x: Any) -> Any:
    """The sum of x^n / ((a + 1) ... (a + n)) over n from zero."""
    term = total = xp.ones_like(x)
    for n in range(1, _MOST):
        term = term * x / (a + float(n))
        total = total + term
        if n % _EVERY == 0 and not bool(xp.any(term > total * _EPS)):
            break
    return total


def _fraction(xp: Any, a: Any, x: Any) -> Any:
    """Q(a, x) over the front: a times the continued fraction."""
    tiny = 1e-300
    b = x + 1.0 - a
    c = xp.full_like(x, 1.0 / tiny)
    d = 1.0 / xp.where(b == 0.0, tiny, b)
    out = d
    for n in range(1, _MOST):
        factor = float(n) * (a - float(n))
        b = b + 2.0
        d = factor * d + b
        d = 1.0 / xp.where(xp.abs(d) < tiny, tiny, d)
        c = b + factor / c
        c = xp.where(xp.abs(c) < tiny, tiny, c)
        step = c * d
        out = out * step
        if n % _EVERY == 0 and not bool(xp.any(xp.abs(step - 1.0) > _EPS * 2.0)):
            break
    return a * out
