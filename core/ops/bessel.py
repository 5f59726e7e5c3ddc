"""bessel: Bessel functions of order 0 and 1, of each kind, and Airy's function."""

from __future__ import annotations

from typing import Any

from ..numerics.airy import airy_composed, airy_slope_composed
from ..numerics.bessel import i0_composed, i0e_composed, i1_composed, i1e_composed
from ..numerics.cylinder import (
    j0_composed,
    j1_composed,
    spherical_j0_composed,
    y0_composed,
    y1_composed,
)
from ..numerics.macdonald import k0_composed, k0e_composed, k1_composed, k1e_composed
from ..op import FLOAT, op
from ..samples import unary
from .arithmetic import where
from .elementwise import cos, sign

# fmt: off
i0 = op("i0", lambda xp, x: i0_composed(xp, x), x=lambda g, x: g * i1(x),
        dtype=FLOAT, inplace=True,
        refuses=("complex",),
        samples=unary(-3, 3))
i0e = op("i0e", lambda xp, x: i0e_composed(xp, x),
         x=lambda g, x, out: g * (i1e(x) - sign(x) * out),
         dtype=FLOAT, method=False, node="SpecialI0EBackward0",
         refuses=("complex",),
         samples=unary(-3, 3))
i1 = op("i1", lambda xp, x: i1_composed(xp, x), x=lambda g, x, out: g * (i0(x) - _by(out, x, 0.5)),
        dtype=FLOAT, method=False, node="SpecialI1Backward0",
        refuses=("complex",),
        samples=unary(0.2, 3))
i1e = op("i1e", lambda xp, x: i1e_composed(xp, x),
         x=lambda g, x, out: g * (i0e(x) - sign(x) * out - _by(out, x, 0.5)),
         dtype=FLOAT, method=False, node="SpecialI1EBackward0",
         refuses=("complex",),
         samples=unary(0.2, 3))

# PyTorch has no derivatives of those that follow.
bessel_j0 = op("bessel_j0", lambda xp, x: j0_composed(xp, x), x=lambda g, x: g * -bessel_j1(x),
               dtype=FLOAT, refuses=("complex",), method=False, samples=unary(-12, 12))
bessel_j1 = op("bessel_j1", lambda xp, x: j1_composed(xp, x),
               x=lambda g, x, out: g * (bessel_j0(x) - _by(out, x, 0.5)),
               dtype=FLOAT, refuses=("complex",), method=False, samples=unary(0.2, 12))
bessel_y0 = op("bessel_y0", lambda xp, x: y0_composed(xp, x), x=lambda g, x: g * -bessel_y1(x),
               dtype=FLOAT, refuses=("complex",), method=False, samples=unary(0.2, 12))
bessel_y1 = op("bessel_y1", lambda xp, x: y1_composed(xp, x),
               x=lambda g, x, out: g * (bessel_y0(x) - out / x),
               dtype=FLOAT, refuses=("complex",), method=False, samples=unary(0.2, 12))
modified_bessel_k0 = op("modified_bessel_k0", lambda xp, x: k0_composed(xp, x),
                        x=lambda g, x: g * -modified_bessel_k1(x), dtype=FLOAT,
                        refuses=("complex",), method=False, samples=unary(0.2, 5))
modified_bessel_k1 = op("modified_bessel_k1", lambda xp, x: k1_composed(xp, x),
                        x=lambda g, x, out: g * -(modified_bessel_k0(x) + out / x), dtype=FLOAT,
                        refuses=("complex",), method=False, samples=unary(0.2, 5))
scaled_modified_bessel_k0 = op(
    "scaled_modified_bessel_k0", lambda xp, x: k0e_composed(xp, x),
    x=lambda g, x, out: g * (out - scaled_modified_bessel_k1(x)), dtype=FLOAT,
    refuses=("complex",), method=False, samples=unary(0.2, 5))
scaled_modified_bessel_k1 = op(
    "scaled_modified_bessel_k1", lambda xp, x: k1e_composed(xp, x),
    x=lambda g, x, out: g * (out - scaled_modified_bessel_k0(x) - out / x), dtype=FLOAT,
    refuses=("complex",), method=False, samples=unary(0.2, 5))
spherical_bessel_j0 = op("spherical_bessel_j0", lambda xp, x: spherical_j0_composed(xp, x),
                         x=lambda g, x, out: g * _by(cos(x) - out, x, 0.0), dtype=FLOAT,
                         refuses=("complex",), method=False, samples=unary(0.2, 9))
airy_ai = op("airy_ai", lambda xp, x: airy_composed(xp, x), x=lambda g, x: g * airy_ai_slope(x),
             dtype=FLOAT, refuses=("complex",), method=False, samples=unary(-9, 5))
airy_ai_slope = op("airy_ai_slope", lambda xp, x: airy_slope_composed(xp, x),
                   x=lambda g, x: g * x * airy_ai(x),
                   dtype=FLOAT, refuses=("complex",), method=False, samples=unary(-9, 5))
# fmt: on


def _by(out: Any, x: Any, limit: float) -> Any:
    """``out / x``, with its limit at zero."""
    return where(x == 0.0, limit, out / where(x == 0.0, 1.0, x))
