"""special: functions that the array API lacks, composed from those it has."""

from __future__ import annotations

from typing import Any

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


def _polynomial(x: Any, coefficients: tuple[float, ...]) -> Any:
    total = x * coefficients[0] + coefficients[1]
    for c in coefficients[2:]:
        total = total * x + c
    return total


def erf_composed(xp: Any, x: Any) -> Any:
    """The error function from arithmetic and ``exp``."""
    if x.dtype != xp.float64 and x.dtype != xp.float32:
        return xp.astype(erf_composed(xp, xp.astype(x, xp.float32)), x.dtype)
    size = xp.abs(x)
    inner = xp.where(size < 1.0, x, 0.0)
    square = inner * inner
    near = inner * _polynomial(square, _T) / _polynomial(square, _U)
    # Beyond 6 the complement is below one ulp of 1.
    outer = xp.where(size < 1.0, 1.0, xp.where(size < 6.0, size, 6.0))
    far = 1.0 - xp.exp(-outer * outer) * _polynomial(outer, _P) / _polynomial(outer, _Q)
    far = xp.where(x < 0, -far, far)
    return xp.where(xp.isnan(x), x, xp.where(size < 1.0, near, far))
