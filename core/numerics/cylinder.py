"""cylinder: the Bessel functions J and Y of order 0 and 1, from what the array API has.

Up to 8 the coefficients are Chebyshev's of entire functions of x²: J0, J1 / x, and what Y0 and Y1
are besides a logarithm times those. Beyond, they are those of the slowly varying P and Q of
J + iY = sqrt(2 / (pi x)) (P + i Q / x) exp(i w), DLMF 10.17, as functions of (8 / x)². All were
computed in 40 digits from the functions.
"""

from __future__ import annotations

import math
from typing import Any

from .series import chebyshev, in_double

_J0 = (
    0.15772797147489012, -0.0087234423528522211, 0.2651786132033368, -0.37009499387264977,
    0.15806710233209725, -0.034893769411408884, 0.0048191800694676046, -0.00046062616620627504,
    3.2460328821005083e-05, -1.7619469077621507e-06, 7.6081635924187821e-08,
    -2.6792535305576728e-09, 7.8486963144794648e-11, -1.9438346867370173e-12,
    4.1253205956344417e-14, -7.5885081254533825e-16, 1.221851587446865e-17,
)  # fmt: skip
_J1 = (
    0.081044846325658115, -0.14897514506765211, 0.16099926235720971, -0.08268049176681791,
    0.022213639654966037, -0.0036469406007692759, 0.0004050337728354822, -3.2555548668572587e-05,
    1.9858774049915165e-06, -9.5219847567504361e-08, 3.6871337590971481e-09,
    -1.178026622695885e-10, 3.1601545803480036e-12, -7.2217552396517923e-14,
    1.4232144003515601e-15, -2.4441972916333584e-17,
)  # fmt: skip
_Y0 = (
    -0.033146113203284942, -0.27447430552974528, 0.17903431407718265, 0.26156734625504663,
    -0.17730201278114358, 0.04719668959576339, -0.0072879624795520789, 0.0007531135932577742,
    -5.6320791410569873e-05, 3.2065325376548008e-06, -1.44072332740187e-07,
    5.2487947873305158e-09, -1.5837552541812015e-10, 4.0263308183061212e-12,
    -8.7473412033108198e-14, 1.6434898714923724e-15, -2.6977881152935401e-17,
)  # fmt: skip
_Y1 = (
    0.0025380132357417816, -0.016087173047668751, -0.095912045360830742, 0.084451972596523456,
    -0.028328123944594365, 0.0052898975441671133, -0.0006414551451326356, 5.5059828733387439e-05,
    -3.5380800186893499e-06, 1.7707804556154404e-07, -7.1105500498992796e-09,
    2.3443379059115162e-10, -6.4651518414115946e-12, 1.5142915120500218e-13,
    -3.0511859694474713e-15, 5.3466803857412619e-17,
)  # fmt: skip
_P0 = (
    0.99946034934751871, -0.00053652204681321172, 3.0751847875194745e-06, -5.1705945376060975e-08,
    1.6306464635151382e-09, -7.8640913772370698e-11, 5.1682623873491928e-12,
    -4.3045788699253914e-13, 4.3265957431549404e-14, -5.0690340959352359e-15,
    6.7480722157338734e-16, -1.0011513723467786e-16, 1.6305919233744186e-17,
)  # fmt: skip
_Q0 = (
    -0.12444683684269607, 0.00054708159540893195, -5.9315987288485175e-06, 1.4377965798375193e-07,
    -5.8175327494930561e-09, 3.3760975237349908e-10, -2.5653979367973079e-11,
    2.404916100281365e-12, -2.6690625482579414e-13, 3.4041800321963686e-14,
    -4.8799441053120397e-15, 7.7297031762426054e-16, -1.3348852171502517e-16,
    2.4865952389390515e-17, -4.9528926298865157e-18,
)  # fmt: skip
_P1 = (
    1.0009030408600137, 0.00089898983308594083, -3.9872843004889084e-06, 6.1776339606442988e-08,
    -1.8718907491063067e-09, 8.8168986595823391e-11, -5.7048636403956448e-12,
    4.699195515230542e-13, -4.6842237839904895e-14, 5.4526748960447171e-15,
    -7.2211808422740179e-16, 1.0667689114335412e-16, -1.7312313216116335e-17,
)  # fmt: skip
_Q1 = (
    0.37422229655628259, -0.00077021788393256637, 7.3108922063643636e-06, -1.6767825107266739e-07,
    6.5833546621204433e-09, -3.7490909505415562e-10, 2.8121750359748866e-11,
    -2.61145253946232e-12, 2.8774212663332235e-13, -3.6490019160618379e-14,
    5.2066263662267069e-15, -8.2153180254585947e-16, 1.4141084390211833e-16,
    -2.6267615898385291e-17, 5.2192649196714085e-18,
)  # fmt: skip


@in_double
def j0_composed(xp: Any, x: Any) -> Any:
    """J0(x)."""
    size = xp.abs(x)
    inside, far = _parted(xp, size)
    cosine, _ = _waves(xp, far, _P0, _Q0, 0.0)
    return xp.where(size < 8.0, chebyshev(_place(inside), _J0), cosine)


@in_double
def j1_composed(xp: Any, x: Any) -> Any:
    """J1(x)."""
    size = xp.abs(x)
    inside, far = _parted(xp, size)
    cosine, _ = _waves(xp, far, _P1, _Q1, 1.0)
    out = xp.where(size < 8.0, chebyshev(_place(inside), _J1) * inside, cosine)
    return xp.where(x < 0.0, -out, xp.where(x == 0.0, x, out))


@in_double
def y0_composed(xp: Any, x: Any) -> Any:
    """Y0(x); infinite at zero, NaN below."""
    inside, far = _parted(xp, xp.where(x > 0.0, x, 1.0))
    place = _place(inside)
    near = chebyshev(place, _Y0) + xp.log(inside) * chebyshev(place, _J0) * (2.0 / math.pi)
    _, sine = _waves(xp, far, _P0, _Q0, 0.0)
    return _from_zero(xp, x, xp.where(x < 8.0, near, sine))


@in_double
def y1_composed(xp: Any, x: Any) -> Any:
    """Y1(x); infinite at zero, NaN below."""
    inside, far = _parted(xp, xp.where(x > 0.0, x, 1.0))
    place = _place(inside)
    pole = (xp.log(inside) * chebyshev(place, _J1) * inside - 1.0 / inside) * (2.0 / math.pi)
    near = chebyshev(place, _Y1) * inside + pole
    _, sine = _waves(xp, far, _P1, _Q1, 1.0)
    return _from_zero(xp, x, xp.where(x < 8.0, near, sine))


def spherical_j0_composed(xp: Any, x: Any) -> Any:
    """``sin(x) / x``."""
    inside = (x != 0.0) & xp.isfinite(x)
    safe = xp.where(inside, x, 1.0)
    edge = xp.where(x == 0.0, 1.0, xp.where(xp.isnan(x), x, 0.0))
    return xp.where(inside, xp.sin(safe) / safe, edge)


def _parted(xp: Any, size: Any) -> Any:
    """Where the one series holds, and where the other; elsewhere the point between them."""
    return xp.where(size < 8.0, size, 8.0), xp.where(size < 8.0, 8.0, size)


def _place(x: Any) -> Any:
    return x * x * (1.0 / 32.0) - 1.0


def _waves(xp: Any, x: Any, p: Any, q: Any, order: float) -> Any:
    """J and Y where they oscillate. ``w`` is x less an odd multiple of pi / 4, whose sine and
    cosine are made of those of x, which loses nothing for large x."""
    place = 128.0 / (x * x) - 1.0
    slow, fast = chebyshev(place, p), chebyshev(place, q) / x
    sine, cosine = xp.sin(x), xp.cos(x)
    along, across = cosine + sine, sine - cosine
    if order:
        along, across = across, -along
    scale = 1.0 / xp.sqrt(x * math.pi)
    return scale * (slow * along - fast * across), scale * (slow * across + fast * along)


def _from_zero(xp: Any, x: Any, out: Any) -> Any:
    return xp.where(x > 0.0, out, xp.log(x))  # at zero -inf, below it NaN
