"""errorfunction: the error function and its kin, composed from what the array API has.

Each takes ``(xp, x)`` with float32 or float64 and is exact to a few units in the last place.
"""

from __future__ import annotations

import math
from typing import Any

from .series import apart, in_double, needed, polynomial

# Rational approximations of erf and erfc from the Cephes library (S. L. Moshier, ndtr.c),
# accurate to double precision: erf on |x| < 1, erfc on 1 <= |x| < 8 and beyond.
_T = (9.60497373987051638749e0, 9.00260197203842689217e1, 2.23200534594684319226e3,
      7.00332514112805075473e3, 5.55923013010394962768e4)  # fmt: skip
_U = (1.0, 3.35617141647503099647e1, 5.21357949780152679795e2, 4.59432382970980127987e3,
      2.26290000613890934246e4, 4.92673942608635921086e4)  # fmt: skip
_P = (2.46196981473530512524e-10, 5.64189564831068821977e-1, 7.46321056442269912687e0,
      4.86371970985681366614e1, 1.96520832956077098242e2, 5.26445194995477358631e2,
      9.34528527171957607540e2, 1.02755188689515710272e3, 5.57535335369399327526e2)  # fmt: skip
_Q = (1.0, 1.32281951154744992508e1, 8.67072140885989742329e1, 3.54937778887819891062e2,
      9.75708501743205489753e2, 1.82390916687909736289e3, 2.24633760818710981792e3,
      1.65666309194161350182e3, 5.57535340817727675546e2)  # fmt: skip
_R = (5.64189583547755073984e-1, 1.27536670759978104416e0, 5.01905042251180477414e0,
      6.16021097993053585195e0, 7.40974269950448939160e0, 2.97886665372100240670e0)  # fmt: skip
_S = (1.0, 2.26052863220117276590e0, 9.39603524938001434673e0, 1.20489539808096656605e1,
      1.70814450747565897222e1, 9.60896809063285878198e0, 3.36907645100081516050e0)  # fmt: skip

# The normal quantile: M. J. Wichura, "Algorithm AS 241", Applied Statistics 37 (1988).
_CENTER = (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
           4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
           1.3314166789178437745e2, 3.3871328727963666080e0)  # fmt: skip
_CENTER_BELOW = (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
                 2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
                 4.2313330701600911252e1, 1.0)  # fmt: skip
_SIDE = (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
         1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
         4.63033784615654529590e0, 1.42343711074968357734e0)  # fmt: skip
_SIDE_BELOW = (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
               1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
               2.05319162663775882187e0, 1.0)  # fmt: skip
_TAIL = (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
         2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0,
         5.46378491116411436990e0, 6.65790464350110377720e0)  # fmt: skip
_TAIL_BELOW = (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
               7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
               5.99832206555887937690e-1, 1.0)  # fmt: skip


def erf_composed(xp: Any, x: Any) -> Any:
    """The error function from arithmetic and ``exp``."""
    if x.dtype != xp.float64 and x.dtype != xp.float32:
        return xp.astype(erf_composed(xp, xp.astype(x, xp.float32)), x.dtype)
    size = xp.abs(x)
    # Beyond 6 the complement is below one ulp of 1.
    far = 1.0 - _complement(xp, xp.where(size < 1.0, 1.0, xp.where(size < 6.0, size, 6.0)))
    far = xp.where(x < 0, -far, far)
    return xp.where(xp.isnan(x), x, xp.where(size < 1.0, _inner(xp, x, size), far))


@in_double
def erfc_composed(xp: Any, x: Any) -> Any:
    """The complement of the error function; for large ``x`` exact to the last denormal numbers."""
    size = xp.abs(x)
    middle = _complement(xp, xp.where(size < 1.0, 1.0, xp.where(size < 8.0, size, 8.0)))
    outer = xp.where(size < 8.0, 8.0, xp.where(size < 30.0, size, 30.0))
    beyond = xp.exp(-outer * outer) * polynomial(outer, _R) / polynomial(outer, _S)
    far = xp.where(size < 8.0, middle, beyond)
    far = xp.where(x < 0, 2.0 - far, far)
    return xp.where(xp.isnan(x), x, xp.where(size < 1.0, 1.0 - _inner(xp, x, size), far))


def _inner(xp: Any, x: Any, size: Any) -> Any:
    inner = xp.where(size < 1.0, x, 0.0)
    square = inner * inner
    return inner * polynomial(square, _T) / polynomial(square, _U)


def _complement(xp: Any, size: Any) -> Any:
    return xp.exp(-size * size) * polynomial(size, _P) / polynomial(size, _Q)


@in_double
def erfcx_composed(xp: Any, x: Any) -> Any:
    """``exp(x²) erfc(x)``, which neither overflows nor vanishes for large ``x``."""
    size = xp.abs(x)
    inside = xp.where(size < 1.0, x, 0.0)
    near = xp.exp(inside * inside) * (1.0 - _inner(xp, x, size))
    middle = xp.where(size < 1.0, 1.0, xp.where(size < 8.0, size, 8.0))
    outer = xp.where(size < 8.0, 8.0, size)
    # Divided by a power, so that nothing overflows: the quotient tends to 1 / (sqrt(pi) x).
    tail = polynomial(1.0 / outer, _R[::-1]) / polynomial(1.0 / outer, _S[::-1]) / outer
    far = xp.where(size < 8.0, polynomial(middle, _P) / polynomial(middle, _Q), tail)
    far = xp.where(x < 0, xp.exp(x * x) * 2.0 - far, far)
    return xp.where(xp.isnan(x), x, xp.where(size < 1.0, near, far))


@in_double
def erfinv_composed(xp: Any, x: Any) -> Any:
    """The inverse of the error function; infinite at ±1, NaN beyond."""
    size = xp.abs(x)
    if not needed(xp, ~(size < 1.0)):
        return _quantile(xp, x * 0.5, (1.0 - size) * 0.5) * math.sqrt(0.5)
    inside = xp.where(size < 1.0, size, 0.5)
    out = _quantile(xp, xp.where(size < 1.0, x, 0.5) * 0.5, (1.0 - inside) * 0.5)
    out = out * math.sqrt(0.5)
    out = xp.where(x == 1.0, math.inf, xp.where(x == -1.0, -math.inf, out))
    return xp.where(size <= 1.0, out, math.nan)


@in_double
def ndtri_composed(xp: Any, p: Any) -> Any:
    """The quantile of the standard normal distribution; infinite at 0 and 1, NaN beyond."""
    valid = (p > 0.0) & (p < 1.0)
    inside = xp.where(valid, p, 0.5)
    out = _quantile(xp, inside - 0.5, xp.where(inside < 0.5, inside, 1.0 - inside))
    out = xp.where(p == 0.0, -math.inf, xp.where(p == 1.0, math.inf, out))
    return xp.where((p >= 0.0) & (p <= 1.0), out, math.nan)


def _quantile(xp: Any, q: Any, tail: Any) -> Any:
    """The normal quantile of ``q + 1/2``; ``tail`` is the probability on the shorter side."""
    return apart(
        xp,
        xp.abs(q) <= 0.425,
        lambda q, tail: _center(q),
        lambda q, tail: _off_center(xp, q, tail),
        q,
        tail,
    )


def _center(q: Any) -> Any:
    r = 0.180625 - q * q
    return q * polynomial(r, _CENTER) / polynomial(r, _CENTER_BELOW)


def _off_center(xp: Any, q: Any, tail: Any) -> Any:
    depth = xp.sqrt(-xp.log(tail))
    near = xp.where(depth <= 5.0, depth, 5.0) - 1.6
    out = polynomial(near, _SIDE) / polynomial(near, _SIDE_BELOW)
    if needed(xp, depth > 5.0):
        far = xp.where(depth <= 5.0, 5.0, depth) - 5.0
        far = polynomial(far, _TAIL) / polynomial(far, _TAIL_BELOW)
        out = xp.where(depth <= 5.0, out, far)
    return xp.where(q < 0, -out, out)
