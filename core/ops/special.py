"""special: the error function's and the gamma function's families, as ops."""

from __future__ import annotations

import math
from typing import Any

from ..forms import inplace_composite
from ..numerics.errorfunction import erfc_composed, erfcx_composed, erfinv_composed, ndtri_composed
from ..numerics.gamma import digamma_composed, lgamma_composed, polygamma_composed, zeta_composed
from ..op import FLOAT, FULL, MISSING, op
from ..out import takes_out
from ..samples import Arr, call, each, unary
from ..tensor import Tensor
from .arithmetic import where
from .reduce import whole

_SLOPE = 2.0 / math.sqrt(math.pi)

# fmt: off
erfc = op("erfc", lambda xp, x: erfc_composed(xp, x),
          x=lambda g, x: exp(-(x * x)) * -_SLOPE * g,
          dtype=FLOAT, refuses=("complex",),
          samples=unary(-3, 3), inplace=True)
erfinv = op("erfinv", lambda xp, x: erfinv_composed(xp, x),
            x=lambda g, out: exp(out * out) * (1.0 / _SLOPE) * g,
            dtype=FLOAT, amp=FULL, refuses=("complex",),
            samples=unary(-0.9, 0.9), inplace=True)
erfcx = op("erfcx", lambda xp, x: erfcx_composed(xp, x),
           x=lambda g, x, out: g * (x * out * 2.0 - _SLOPE),
           dtype=FLOAT, method=False, node="SpecialErfcxBackward0",
           refuses=("complex",),
           samples=unary(-2, 3))
ndtri = op("ndtri", lambda xp, x: ndtri_composed(xp, x),
           x=lambda g, out: g * exp(out * out * 0.5) * math.sqrt(2.0 * math.pi),
           dtype=FLOAT, method=False, node="SpecialNdtriBackward0",
           refuses=("complex",),
           samples=unary(0.1, 0.9))
log_ndtr = op("log_ndtr", lambda xp, x: _log_ndtr(xp, x),
              x=lambda g, x: g * math.sqrt(2.0 / math.pi) / erfcx(x * -math.sqrt(0.5)),
              dtype=FLOAT, method=False, node="SpecialLogNdtrBackward0",
              refuses=("complex",),
              samples=unary(-4, 3))
lgamma = op("lgamma", lambda xp, x: lgamma_composed(xp, x), x=lambda g, x: g * digamma(x),
            dtype=FLOAT, refuses=("complex",),
            samples=unary(0.3, 4), inplace=True)
digamma = op("digamma", lambda xp, x: digamma_composed(xp, x), x=lambda g, x: g * polygamma(x, n=1),
             dtype=FLOAT, refuses=("complex",),
             samples=unary(0.3, 4), inplace=True)
polygamma = op("polygamma", lambda xp, x, *, n: polygamma_composed(xp, x, whole(n, "n")),
               x=lambda g, x, n: g * polygamma(x, n=whole(n, "n") + 1),
               dtype=FLOAT, inplace=True,
               refuses=("complex",),
               samples=each("3,4", {"n": 0}, {"n": 1}, {"n": 3}, low=0.5, high=4.0))
zeta = op("zeta", lambda xp, s, q: zeta_composed(xp, *_arrays(xp, s, q)),
          s=MISSING, q=lambda g, s, q: g * zeta(s + 1.0, q) * -s,
          dtype=FLOAT, method=False, node="SpecialZetaBackward0",
          refuses=("complex",),
          samples=call(3.0, Arr((3, 4), 0.5, 4)))
entr = op("entr", lambda xp, x: _entropy(xp, x),
          x=lambda g, x: g * (-log(x) - 1.0),
          dtype=FLOAT, method=False, node="SpecialEntrBackward0",
          refuses=("complex",),
          samples=unary(0.2, 3))
sinc = op("sinc", lambda xp, x: _sinc(xp, x), x=lambda g, x: _sinc_rule(g, x),
          dtype=FLOAT, samples=unary(0.1, 2), inplace=True)
logit_op = op("logit", lambda xp, x, *, eps=None: _logit(xp, x, eps),
              x=lambda g, x, eps: _logit_rule(g, x, eps),
              dtype=FLOAT, method=False,
              refuses=("complex",),
              samples=unary(0.1, 0.9) + each("3", {"eps": 0.2}))
xlogy = op("xlogy", lambda xp, a, b: _xlogy(xp, xp.log, *_arrays(xp, a, b)),
           a=lambda g, a, b: where((a == 0.0) & (b <= 0.0), 0.0, xlogy(g, b)),
           b=lambda g, a, b: g * a / b, dtype=FLOAT, inplace=True,
           refuses=("complex",),
           samples=call(Arr((3, 4)), Arr((4,), 0.3, 2)) + call(Arr((3, 4)), 2.0))
xlog1py = op("xlog1py", lambda xp, a, b: _xlogy(xp, xp.log1p, *_arrays(xp, a, b)),
             a=lambda g, a, b: where((a == 0.0) & (b <= -1.0), 0.0, xlog1py(g, b)),
             b=lambda g, a, b: g * a / (b + 1.0), dtype=FLOAT, method=False,
             node="SpecialXlog1PyBackward0",
             refuses=("complex",),
             samples=call(Arr((3, 4)), Arr((4,), -0.5, 2)) + call(Arr((3, 4)), 2.0))
# fmt: on


def _log_ndtr(xp: Any, x: Any) -> Any:
    t = x * math.sqrt(0.5)
    left = x < -1.0
    inner = xp.where(left, t, -1.0)
    far = xp.log(erfcx_composed(xp, -inner) * 0.5) - inner * inner
    return xp.where(left, far, xp.log1p(erfc_composed(xp, xp.where(left, 1.0, t)) * -0.5))


def _entropy(xp: Any, x: Any) -> Any:
    inside = xp.where(x > 0.0, x, 1.0)
    out = xp.where(x < 0.0, -math.inf, -inside * xp.log(inside))
    return xp.where(xp.isnan(x), x, out)


def _sinc(xp: Any, x: Any) -> Any:
    scaled = xp.where(x == 0.0, 1.0, x) * math.pi
    return xp.where(x == 0.0, 1.0, xp.sin(scaled) / scaled)


def _sinc_rule(g: Any, x: Any) -> Any:
    flat = x * x == 0.0  # also where only the square is too small for the type
    away = where(flat, 1.0, x)
    scaled = away * math.pi
    slope = (scaled * cos(scaled) - sin(scaled)) / (away * away * math.pi)
    return where(flat, 0.0, g * slope)


@takes_out
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """``log(input / (1 - input))`` (PyTorch: ``torch.logit``).

    ``eps``: values are brought to [eps, 1 - eps] first; both bounds are numbers of the type.

    >>> import anadrome as ad
    >>> ad.logit(ad.tensor([0.5, 2.0]), eps=0.25)
    tensor([0.0000, 1.0986])
    """
    if eps is None:
        return logit_op(input, eps=None)
    low = float(eps)
    high = 1.0 - low
    if isinstance(input, Tensor) and input.dtype.itemsize == 2:  # the op is computed in float32
        low = input.new_tensor(low).item()
        high = input.new_tensor(1.0 - low).item()
    return logit_op(input, eps=(low, high))


def _bounds(eps: Any) -> tuple[float, float]:
    return eps if isinstance(eps, tuple) else (float(eps), 1.0 - float(eps))


def _logit(xp: Any, x: Any, eps: Any) -> Any:
    if eps is not None:
        low, high = _bounds(eps)
        # Of a half and more the lower bound comes first; NaN bounds nothing.
        x = xp.where(x < low, low, xp.where(x > high, high, x))
    return xp.log(x / (1.0 - x))


def _logit_rule(g: Any, x: Any, eps: Any) -> Any:
    slope = g / ((x + 0.0) * (1.0 - x))  # of minus zero as of zero
    if eps is None or _bounds(eps)[0] < 0.0:
        return where((x >= 0.0) & (x <= 1.0), slope, math.nan)
    low, high = _bounds(eps)
    return where((x < low) | (x > high), 0.0, slope)


def _arrays(xp: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Both as arrays: on some backends a number that was an operand still is one."""
    if not hasattr(a, "dtype"):
        a = xp.asarray(a, dtype=b.dtype)
    return a, b if hasattr(b, "dtype") else xp.asarray(b, dtype=a.dtype)


def _xlogy(xp: Any, log: Any, a: Any, b: Any) -> Any:
    out = xp.where(a == 0.0, 0.0, a * log(b))
    return xp.where(xp.isnan(b), b + a, out)


Tensor.logit = logit  # type: ignore[attr-defined]
Tensor.logit_ = inplace_composite(logit)  # type: ignore[attr-defined]

# At the end: these need `where`, whose module needs others of them.
from .elementwise import cos, exp, log, sin
