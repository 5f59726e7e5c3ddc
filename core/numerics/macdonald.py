"""macdonald: the modified Bessel functions of the second kind, K of order 0 and 1.

Up to 2 they are a logarithm times I and Chebyshev series in x²; beyond, ``exp(x) sqrt(x) K(x)`` is
one in 4 / x. The coefficients were computed in 40 digits from the functions.
"""

from __future__ import annotations

from typing import Any

from .bessel import i0_composed, i1_composed
from .series import chebyshev, in_double

_NEAR_0 = (
    -0.26766369661695139, 0.3442898999246285, 0.035979936515361501, 0.001264615411446926,
    2.2862121031194519e-05, 2.5347910790261494e-07, 1.9045163772202091e-09,
    1.0349695257633625e-11, 4.2598161427910624e-14, 1.3744654358823678e-16,
)  # fmt: skip
_NEAR_1 = (
    0.76265011366947388, -0.35315596077654487, -0.12261118082265715, -0.0069757238596398641,
    -0.0001730288957513052, -2.4334061415659684e-06, -2.213387630734726e-08,
    -1.4114883926335278e-10, -6.6669016941993295e-13, -2.4274498505192958e-15,
)  # fmt: skip
_FAR_0 = (
    1.2201515410329777, -0.031448101311964502, 0.0015698838857300533, -0.00012849549581627802,
    1.39498137188765e-05, -1.8317555227191195e-06, 2.7668136394450149e-07,
    -4.6604898976879478e-08, 8.5740340174142253e-09, -1.6975345093890614e-09,
    3.5773972814003283e-10, -7.9574892444773965e-11, 1.8559491149549264e-11,
    -4.5145978833745193e-12, 1.1403405882073441e-12, -2.9800969231481784e-13,
    8.0328907750683746e-14, -2.2275133267462965e-14, 6.3400764762766461e-15,
    -1.8485933779209071e-15, 5.5120559994043335e-16, -1.6782311257549006e-16,
    5.2103917776435543e-17, -1.6475805939842632e-17,
)  # fmt: skip
_FAR_1 = (
    1.3603130952422213, 0.10392373657681724, -0.0028578168596227792, 0.00019521551847135162,
    -1.936197974166083e-05, 2.406484947837217e-06, -3.5019606030878126e-07,
    5.7410841254500495e-08, -1.0345762465678097e-08, 2.0150497551970347e-09,
    -4.1903547593419254e-10, 9.2183151876053146e-11, -2.1299678384277909e-11,
    5.1396396734823432e-12, -1.2891739609498229e-12, 3.3484196660522431e-13,
    -8.9767051820101463e-14, 2.4771544242195988e-14, -7.0198370892147685e-15,
    2.038703166239861e-15, -6.0570472706430177e-16, 1.8380935752430455e-16,
    -5.6894628491936484e-17, 1.7940510478863572e-17,
)  # fmt: skip


@in_double
def k0_composed(xp: Any, x: Any) -> Any:
    """K0(x); infinite at zero, NaN below."""
    return _joined(xp, x, _near_0(xp, x), _far(xp, x, _FAR_0) * xp.exp(-xp.where(x > 2.0, x, 2.0)))


@in_double
def k1_composed(xp: Any, x: Any) -> Any:
    """K1(x)."""
    return _joined(xp, x, _near_1(xp, x), _far(xp, x, _FAR_1) * xp.exp(-xp.where(x > 2.0, x, 2.0)))


@in_double
def k0e_composed(xp: Any, x: Any) -> Any:
    """``exp(x) K0(x)``."""
    return _joined(xp, x, _near_0(xp, x) * xp.exp(_inside(xp, x)), _far(xp, x, _FAR_0))


@in_double
def k1e_composed(xp: Any, x: Any) -> Any:
    """``exp(x) K1(x)``."""
    return _joined(xp, x, _near_1(xp, x) * xp.exp(_inside(xp, x)), _far(xp, x, _FAR_1))


def _inside(xp: Any, x: Any) -> Any:
    return xp.where((x > 0.0) & (x < 2.0), x, 2.0)


def _near_0(xp: Any, x: Any) -> Any:
    x = _inside(xp, x)
    return chebyshev(x * x * 0.5 - 1.0, _NEAR_0) - xp.log(x * 0.5) * i0_composed(xp, x)


def _near_1(xp: Any, x: Any) -> Any:
    x = _inside(xp, x)
    return chebyshev(x * x * 0.5 - 1.0, _NEAR_1) / x + xp.log(x * 0.5) * i1_composed(xp, x)


def _far(xp: Any, x: Any, coefficients: Any) -> Any:
    x = xp.where(x > 2.0, x, 2.0)
    return chebyshev(4.0 / x - 1.0, coefficients) / xp.sqrt(x)


def _joined(xp: Any, x: Any, near: Any, far: Any) -> Any:
    out = xp.where(x < 2.0, near, far)
    return xp.where(x > 0.0, out, -xp.log(x))  # at zero inf, below it NaN
