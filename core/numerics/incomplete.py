"""incomplete: the regularised incomplete gamma functions, from what the array API has.

P(a, x) by its power series below x = a + 1 (DLMF 8.7.1), Q(a, x) by Legendre's continued fraction
above (DLMF 8.9.2, evaluated as Lentz proposed). Both converge within some square roots of ``a``
terms; they stop when no element changes any more. Where ``a`` is large and ``x`` is near it that is
never, and Temme's uniform expansion (DLMF 8.12) says both.
"""

from __future__ import annotations

import math
from typing import Any

from .errorfunction import erfc_composed
from .gamma import lgamma_composed

#: Terms at most; what is left to the two that converge takes some hundreds.
_MOST = 20_000
#: From this ``a`` on, and for ``x`` within this part of it, the expansion is exact to rounding.
_LARGE, _NEAR = 1e4, 0.25
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
    uniform = inside & (a > _LARGE) & (xp.abs(x - a) < _NEAR * a)
    expanded = _uniform(xp, xp.where(uniform, a, 1e5), xp.where(uniform, x, 1e5), upper)
    plain = inside & ~uniform
    safe_a, safe_x = xp.where(plain, a, 1.0), xp.where(plain, x, 1.0)
    front = xp.exp(_log_front(xp, safe_a, safe_x))
    below = safe_x < safe_a + 1.0
    small = front * _series(xp, safe_a, xp.where(below, safe_x, 0.5))
    large = front * _fraction(xp, safe_a, xp.where(below, safe_a + 2.0, safe_x))
    out = xp.where(below, 1.0 - small if upper else small, large if upper else 1.0 - large)
    out = xp.where(uniform, expanded, out)
    # The edges, those of NaN too, as in PyTorch: the later line wins.
    none, whole = (1.0, 0.0) if upper else (0.0, 1.0)
    unknown = xp.full_like(x, math.nan)
    edge = xp.where(x == math.inf, whole, unknown)
    edge = xp.where(a == math.inf, xp.where(x == math.inf, unknown, none), edge)
    edge = xp.where(x == 0.0, none, edge)
    edge = xp.where(a == 0.0, xp.where(x > 0.0, whole, unknown), edge)
    edge = xp.where((a < 0.0) | (x < 0.0), unknown, edge)
    return xp.astype(xp.where(inside, out, edge), kind)


#: The coefficients of c_0, c_1 and c_2 in powers of eta (Temme 1979; DLMF 8.12.11).
_TEMME = (
    (-1 / 3, 1 / 12, -2 / 135, 1 / 864, 1 / 2835, -139 / 777600, 1 / 25515, -571 / 261273600,
     -281 / 151559100, 8.296711340953087e-07, -1.7665952736826078e-07, 6.707853543401498e-09),
    (-1 / 540, -1 / 288, 1 / 378, -77 / 77760, 1 / 4860, -1 / 2488320, -2743 / 151559100,
     41969 / 5486745600, -11 / 6823440),
    (25 / 6048, -139 / 51840, 1 / 1296, 1 / 497664, -6199 / 57736800),
)  # fmt: skip


def _uniform(xp: Any, a: Any, x: Any, upper: bool) -> Any:
    """Both for large ``a`` near ``x``: half of erfc, and what is left, in powers of 1 / a."""
    u = (x - a) / a
    r = u / (2.0 + u)
    # eta^2 / 2 = u - log(1 + u), without the difference: log(1 + u) = 2 artanh(r).
    tail = xp.zeros_like(r)
    for n in range(21, 1, -2):
        tail = tail * r * r + 2.0 / n
    half = u * r - r * r * r * tail
    eta = xp.sign(u) * xp.sqrt(2.0 * half)
    rest = xp.zeros_like(a)
    for row in reversed(_TEMME):
        inner = xp.zeros_like(a)
        for coefficient in reversed(row):
            inner = inner * eta + coefficient
        rest = rest / a + inner
    rest = rest * xp.exp(-a * half) / xp.sqrt(2.0 * math.pi * a)
    sign = 1.0 if upper else -1.0
    return 0.5 * erfc_composed(xp, sign * eta * xp.sqrt(0.5 * a)) + sign * rest


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
