"""gamma: the logarithm of the gamma function and its derivatives, from what the array API has.

Each takes ``(xp, x)``; computed in float64, exact to about 14 digits.
"""

from __future__ import annotations

import math
from typing import Any

from .series import apart, in_double, needed, polynomial

# log gamma on [2, 3): x - 2 times a rational function (Cephes, S. L. Moshier, gamma.c).
_B = (-1.37825152569120859100e3, -3.88016315134637840924e4, -3.31612992738871184744e5,
      -1.16237097492762307383e6, -1.72173700820839662146e6, -8.53555664245765465627e5)  # fmt: skip
_C = (1.0, -3.51815701436523470549e2, -1.70642106651881159223e4, -2.20528590553854454839e5,
      -1.13933444367982507207e6, -2.53252307177582951285e6, -2.01889141433532773231e6)  # fmt: skip
#: Even Bernoulli numbers B2, B4, ...
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510,
              43867 / 798, -174611 / 330)  # fmt: skip
#: The asymptotic series start here: after so many steps of the recurrence upward.
_SHIFT = 10


@in_double
def lgamma_composed(xp: Any, x: Any) -> Any:
    """log |Γ(x)|; infinite at the integers up to zero."""
    reflected = x < 0.5
    mirrored = needed(xp, reflected)
    y = xp.where(reflected, 1.0 - x, x) if mirrored else x
    out = apart(xp, y < 3.0, lambda y: _lgamma_small(xp, y), lambda y: _lgamma_large(xp, y), y)
    if mirrored:
        sine = xp.abs(xp.sin(_from_nearest(xp, x) * math.pi))
        mirror = -xp.log(xp.where(reflected, sine, 1.0) * (1.0 / math.pi)) - out
        # Close to zero Γ(x) is 1/x, and the sine would be as exact, but not 1 - x.
        out = xp.where(reflected, mirror, out)
        tiny = xp.abs(x) < 1e-9
        near = -xp.log(xp.abs(xp.where(tiny, x, 1.0))) - x * 0.5772156649015329
        out = xp.where(tiny, near, out)
    return xp.where(xp.isinf(x), math.inf, out)


def _lgamma_small(xp: Any, x: Any) -> Any:
    """On [0.5, 3): by the recurrence to [2, 3)."""
    one, two = x < 1.0, x < 2.0
    u = xp.where(one, x + 2.0, xp.where(two, x + 1.0, xp.where(x < 3.0, x, 2.5))) - 2.0
    steps = xp.where(one, x * (x + 1.0), xp.where(two, x, 1.0))
    return u * polynomial(u, _B) / polynomial(u, _C) - xp.log(steps)


def _lgamma_large(xp: Any, x: Any) -> Any:
    """From 3: by the recurrence to where Stirling's series holds."""
    x = xp.where(x < 3.0, 3.0, x)
    near = x < 1e6
    inside = xp.where(near, x, 3.0)
    steps = inside
    for k in range(1, _SHIFT):
        steps = steps * (inside + k)
    u = xp.where(near, x + float(_SHIFT), x)
    r = 1.0 / (u * u)
    series = polynomial(r, tuple(
        b / (2 * j * (2 * j - 1)) for j, b in reversed(list(enumerate(_BERNOULLI[:6], 1)))
    )) / u  # fmt: skip
    out = (u - 0.5) * xp.log(u) - u + 0.5 * math.log(2 * math.pi) + series
    return out - xp.where(near, xp.log(steps), 0.0)


@in_double
def digamma_composed(xp: Any, x: Any) -> Any:
    """The derivative of log Γ; NaN at the negative integers, infinite at zero."""
    mirrored = needed(xp, x <= 0.0)
    y = x
    if mirrored:
        y = xp.where(x < 0.0, 1.0 - x, xp.where(x == 0.0, 1.0, x))
    total = 1.0 / y
    for k in range(1, _SHIFT):
        total = total + 1.0 / (y + k)
    u = y + float(_SHIFT)
    r = 1.0 / (u * u)
    series = polynomial(
        r, tuple(b / (2 * j) for j, b in reversed(list(enumerate(_BERNOULLI[:7], 1))))
    )
    out = xp.log(u) - 0.5 / u - r * series - total
    if not mirrored:
        return out
    reflected = x < 0.0
    part = xp.where(reflected, _from_nearest(xp, x), 0.25)
    out = xp.where(reflected, out - math.pi / xp.tan(part * math.pi), out)
    out = xp.where(reflected & (part == 0.0), math.nan, out)
    # The sign of zero decides on which side of the pole it is; 1/x knows it.
    return xp.where(x == 0.0, -1.0 / xp.where(x == 0.0, x, 1.0), out)


def polygamma_composed(xp: Any, x: Any, n: int) -> Any:
    """The n-th derivative of digamma."""
    if n < 0:
        raise ValueError("polygamma(n, x) does not support negative n.")
    if n == 0:
        return digamma_composed(xp, x)
    return _higher(xp, x, n)


@in_double
def _higher(xp: Any, x: Any, n: int) -> Any:
    s = float(n + 1)
    sign = 1.0 if n % 2 else -1.0
    negative = x < 0.0
    part = x - xp.floor(x)
    whole = part == 0.0
    out = _hurwitz(xp, s, xp.where(x > 0.0, x, 1.0))
    if bool(xp.any(negative)):
        inside = xp.where(negative & ~whole, part, 0.5)
        mirrored = _mirrored(xp, s, inside, xp.where(negative, 1.0 - x, 1.0), sign)
        out = xp.where(negative, mirrored, out)
    factorial = math.factorial(n) if n <= 170 else math.inf  # what float64 holds
    out = xp.where(whole & (x <= 0.0), math.inf, out) * (factorial if n % 2 else -factorial)
    return xp.where(xp.isnan(x), x, xp.where(x == math.inf, 0.0, out))


def zeta_composed(xp: Any, s: Any, q: Any) -> Any:
    """Hurwitz' zeta function of ``s`` > 1, and below 1 what its continuation is.

    Infinite at ``q`` = 0, -1, -2 and so on; elsewhere below zero of whole ``s`` only.
    """
    s, q = xp.broadcast_arrays(s, q)
    kind = s.dtype
    s, q = xp.astype(s, xp.float64), xp.astype(q, xp.float64)
    s = xp.where(s == math.inf, 1e300, s)  # whose powers are those of infinity
    mirrors = (s > 1.0) & (q <= 0.0)
    out = _hurwitz(xp, s, xp.where(mirrors, 1.0, q))
    if bool(xp.any(mirrors)):
        whole = q == xp.floor(q)
        part = xp.where(whole, 0.5, q - xp.floor(q))
        sign = 1.0 - 2.0 * (s - xp.floor(s * 0.5) * 2.0)
        sign = xp.where(s == xp.floor(s), sign, math.nan)
        mirrored = _mirrored(xp, s, part, 1.0 - q, sign)
        out = xp.where(mirrors, xp.where(whole, math.inf, mirrored), out)
    return xp.astype(xp.where(s == 1.0, math.inf, out), kind)


def _mirrored(xp: Any, s: Any, part: Any, above: Any, sign: Any) -> Any:
    """Of ``q`` = 1 - above: the sum over all integers depends on its fraction ``part`` alone."""
    every = _hurwitz(xp, s, part) + sign * _hurwitz(xp, s, 1.0 - part)
    return every - sign * _hurwitz(xp, s, above)


def _hurwitz(xp: Any, s: Any, q: Any) -> Any:
    """The sum of (q + k)^-s over k from zero, by Euler and Maclaurin."""
    total = _inverse_power(q, s)
    for k in range(1, _SHIFT):
        total = total + _inverse_power(q + k, s)
    a = q + float(_SHIFT)
    power = _inverse_power(a, s)
    total = total + power * a / (s - 1) + power * 0.5
    term = power * s / a
    for j, b in enumerate(_BERNOULLI, 1):
        total = total + term * (b / math.factorial(2 * j))
        term = term * ((s + 2 * j - 1) / a) * ((s + 2 * j) / a)
    return total


def _inverse_power(q: Any, s: Any) -> Any:
    """``q ** -s``; of the small whole numbers that derivatives have, by products."""
    if s.__class__ is not float or s not in (2.0, 3.0, 4.0):
        return q ** (-s)
    square = q * q
    return 1.0 / (square if s == 2.0 else square * (q if s == 3.0 else square))


def _from_nearest(xp: Any, x: Any) -> Any:
    """``x`` less the nearest integer: what a function of period one needs to know, exactly."""
    return x - xp.round(x)
