"""rational: the error function and its kin in float32, without ``exp`` and without branches.

Each is an odd function that levels off. It is computed as ``x P(x²) / Q(x²)`` with x clamped: about
twenty multiplications and additions, in blocks that stay in the cache. P and Q are minimax fits
(Lawson's iteration in float64).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..parallel import side_by_side
from .common import F32, block, buffer, spans

_add, _divide, _multiply = np.add, np.divide, np.multiply


class OddRational:
    """``x P(x²) / Q(x²)``, x clamped to ±limit; coefficients from the highest power, Q monic.

    At the limit the quotient, computed in float32, is the level exactly, so all larger x are exact.
    """

    def __init__(self, limit: float, p: tuple[float, ...], q: tuple[float, ...]) -> None:
        # Zero-dimensional arrays are cheaper operands than Python numbers.
        self.low, self.high = np.array(-limit, F32), np.array(limit, F32)
        self.p = [np.array(c, F32) for c in p]
        self.q = [np.array(c, F32) for c in q]

    def into(self, out: Any, x: Any, square: Any, numerator: Any) -> None:
        """Write the function of ``x`` into ``out``; all four are blocks of one length."""
        x.clip(self.low, self.high, out=out)
        _multiply(out, out, square)
        _multiply(square, self.p[0], numerator)
        _add(numerator, self.p[1], numerator)
        for c in self.p[2:]:
            _multiply(numerator, square, numerator)
            _add(numerator, c, numerator)
        _multiply(numerator, out, numerator)
        _add(square, self.q[0], out)
        for c in self.q[1:]:
            _multiply(out, square, out)
            _add(out, c, out)
        _divide(numerator, out, out)

    def of(self, x: Any, shift: Any = None, factor: Any = None) -> Any:
        """A new array: the function of ``x``, plus a number, times an array."""
        out = np.empty(x.shape, F32)
        source, target = x.reshape(-1), out.reshape(-1)
        scale = None if factor is None else factor.reshape(-1)

        def piece(part: slice) -> None:
            most = min(block(target.size), part.stop - part.start)
            square, numerator = buffer(2 * most, F32).reshape(2, most)
            for span in spans(part, target.size):
                size = span.stop - span.start
                result = target[span]
                self.into(result, source[span], square[:size], numerator[:size])
                if shift is not None:
                    _add(result, shift, result)
                if scale is not None:
                    _multiply(result, scale[span], result)

        side_by_side(piece, target.size, target.size)
        return out


#: The error function: error of the fit 1.7e-8 of the value, with rounding at most 6 ulp.
ERF = OddRational(
    3.9000000953674316,
    (0.05399968475103378, 7.448235511779785, 97.66476440429688, 1376.1287841796875,
     4955.47265625, 29483.677734375),
    (30.237878799438477, 389.66748046875, 2973.848388671875, 13101.40234375, 26129.23046875),
)  # fmt: skip
#: The normal distribution function less one half: error of the fit 8e-9, with rounding 1.8e-7.
NORMAL = OddRational(
    5.550000190734863,
    (0.01888207346200943, 5.344385623931885, 144.07530212402344, 3947.124755859375,
     28694.40625, 335630.875),
    (62.54376983642578, 1596.970703125, 24219.830078125, 212142.484375, 841301.9375),
)  # fmt: skip
#: The derivative of GELU less one half: error of the fit 1.1e-7, with rounding 2.7e-7.
GELU_SLOPE = OddRational(
    5.8000006675720215,
    (0.021550046280026436, 4.016444206237793, 2.150007963180542, 1589.621826171875,
     -3462.334228515625, 89129.9921875),
    (21.452604293823242, 393.5535583496094, 4577.85205078125, 32897.44921875, 111707.765625),
)  # fmt: skip
