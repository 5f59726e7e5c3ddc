"""bessel: the modified Bessel functions of order 0 and 1, plain and times ``exp(-|x|)``."""

from __future__ import annotations

from typing import Any

from ..bessel import i0_composed, i0e_composed, i1_composed, i1e_composed
from ..op import FLOAT, op
from ..samples import unary
from .arithmetic import where
from .elementwise import sign

# fmt: off
i0 = op("i0", lambda xp, x: i0_composed(xp, x), x=lambda g, x: g * i1(x),
        dtype=FLOAT, inplace=True, samples=unary(-3, 3))
i0e = op("i0e", lambda xp, x: i0e_composed(xp, x),
         x=lambda g, x, out: g * (i1e(x) - sign(x) * out),
         dtype=FLOAT, method=False, node="SpecialI0EBackward0", samples=unary(-3, 3))
i1 = op("i1", lambda xp, x: i1_composed(xp, x), x=lambda g, x, out: g * (i0(x) - _by(out, x, 0.5)),
        dtype=FLOAT, method=False, node="SpecialI1Backward0", samples=unary(0.2, 3))
i1e = op("i1e", lambda xp, x: i1e_composed(xp, x),
         x=lambda g, x, out: g * (i0e(x) - sign(x) * out - _by(out, x, 0.5)),
         dtype=FLOAT, method=False, node="SpecialI1EBackward0", samples=unary(0.2, 3))
# fmt: on


def _by(out: Any, x: Any, limit: float) -> Any:
    """``out / x``, with its limit at zero."""
    return where(x == 0.0, limit, out / where(x == 0.0, 1.0, x))
