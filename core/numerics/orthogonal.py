"""orthogonal: orthogonal polynomials of any degree, a degree for each value, and their derivatives.

A family is a row of numbers: the first polynomial, and the three-term recurrence that leads to the
next (DLMF 18.9), which differentiated leads from derivatives to derivatives. Chebyshev's of four
kinds are trigonometric, too (DLMF 18.5), which is used for degrees above 8.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

#: Steps of a recurrence at most.
MOST = 1 << 16
#: Up to here Chebyshev's are by recurrence: exact for whole numbers.
_FEW = 8


class Family(NamedTuple):
    """Of degree 1: ``first[0] + first[1] * x``. Of degree k, with ``A, B, C, D = step(k)``:
    ``((A + B * x) * (that of k - 1) + C * (that of k - 2)) / D``."""

    first: tuple[float, float]
    step: Callable[[float], tuple[float, float, float, float]]
    chebyshev: str = ""
    shifted: bool = False


def _chebyshev(k: float) -> tuple[float, float, float, float]:
    return 0.0, 2.0, -1.0, 1.0


FAMILIES = {
    "chebyshev_polynomial_t": Family((0.0, 1.0), _chebyshev, "t"),
    "chebyshev_polynomial_u": Family((0.0, 2.0), _chebyshev, "u"),
    "chebyshev_polynomial_v": Family((-1.0, 2.0), _chebyshev, "v"),
    "chebyshev_polynomial_w": Family((1.0, 2.0), _chebyshev, "w"),
    "hermite_polynomial_h": Family((0.0, 2.0), lambda k: (0.0, 2.0, 2.0 - 2.0 * k, 1.0)),
    "hermite_polynomial_he": Family((0.0, 1.0), lambda k: (0.0, 1.0, 1.0 - k, 1.0)),
    "laguerre_polynomial_l": Family((1.0, -1.0), lambda k: (2.0 * k - 1.0, -1.0, 1.0 - k, k)),
    "legendre_polynomial_p": Family((0.0, 1.0), lambda k: (0.0, 2.0 * k - 1.0, 1.0 - k, k)),
}
FAMILIES.update({
    f"shifted_{name}": family._replace(shifted=True)
    for name, family in list(FAMILIES.items()) if family.chebyshev
})  # fmt: skip


def polynomial(xp: Any, x: Any, n: Any, family: Family, order: int) -> Any:
    """The ``order``-th derivative of the polynomials of degrees ``n``, less their fractions.

    Of a negative degree it is zero.
    """
    x, n = xp.broadcast_arrays(x, n)
    kind = x.dtype
    x, n = xp.astype(x, xp.float64), xp.trunc(xp.astype(n, xp.float64))
    if family.shifted:
        x = x + x - 1.0
    if family.chebyshev and not order:
        few = _by_recurrence(xp, x, n, family, 0, _FEW)
        angle = _by_angle(xp, x, xp.where(n > _FEW, n, 9.0), family.chebyshev)
        out = xp.where(n <= _FEW, few, angle)
    else:
        last = float(xp.max(xp.where(n >= 0.0, n, 0.0))) if 0 not in x.shape else 0.0
        if last > MOST:
            raise RuntimeError(f"a degree of {last:g} takes as many steps, at most {MOST}")
        out = _by_recurrence(xp, x, n, family, order, int(last))
        out = out * 2.0**order if family.shifted else out
    return xp.astype(xp.where(n >= 0.0, out, 0.0), kind)


def _by_recurrence(xp: Any, x: Any, n: Any, family: Family, order: int, last: int) -> Any:
    """``now[m]`` and ``before[m]`` are m-th derivatives, of degree k and k - 1."""
    zero, one = xp.zeros_like(x), xp.ones_like(x)
    a, b = family.first
    before = [one, *[zero] * order]
    now = [x * b + a, one * b, *[zero] * order][: order + 1]
    out = xp.where(n >= 1.0, now[order], before[order])
    for k in range(2, last + 1):
        a, b, c, d = family.step(float(k))
        factor = x * b + a
        after = []
        for m in range(order + 1):
            total = factor * now[m] + before[m] * c
            if m:
                total = total + now[m - 1] * (m * b)
            after.append(total if d == 1.0 else total / d)
        before, now = now, after
        out = xp.where(n >= k, now[order], out)
    return out


def _by_angle(xp: Any, x: Any, n: Any, kind: str) -> Any:
    """Of |x|; the sign follows the degree, and in it the third and fourth kind change places."""
    size = xp.abs(x)
    within = size < 1.0
    angle = xp.acos(xp.where(within, size, 0.5))
    rate = xp.acosh(xp.where(size > 1.0, size, 1.5))
    if kind == "t":
        out = xp.where(within, xp.cos(n * angle), xp.cosh(n * rate))
        out = xp.where(size == 1.0, 1.0, out)
    elif kind == "u":
        m = n + 1.0
        out = xp.where(within, xp.sin(m * angle) / xp.sin(angle), xp.sinh(m * rate) / xp.sinh(rate))
        out = xp.where(size == 1.0, m, out)
    else:
        m = n + 0.5
        a, r = angle * 0.5, rate * 0.5
        third = xp.where(within, xp.cos(m * angle) / xp.cos(a), xp.cosh(m * rate) / xp.cosh(r))
        fourth = xp.where(within, xp.sin(m * angle) / xp.sin(a), xp.sinh(m * rate) / xp.sinh(r))
        third = xp.where(size == 1.0, 1.0, third)
        fourth = xp.where(size == 1.0, m + m, fourth)
        out = xp.where((x < 0.0) == (kind == "v"), fourth, third)
    odd = n - xp.floor(n * 0.5) * 2.0
    out = xp.where((x < 0.0) & (odd == 1.0), -out, out)
    return xp.where(xp.isnan(x), x, out)
