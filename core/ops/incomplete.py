"""incomplete: the incomplete gamma functions (PyTorch: ``torch.igamma``, ``torch.igammac``)."""

from __future__ import annotations

import math
from typing import Any

from ..numerics.incomplete import gamma_p, gamma_q
from ..op import FLOAT, MISSING, op
from ..samples import Arr, call
from .elementwise import exp, log
from .special import _arrays, lgamma

_AT: Any = call(0.4, Arr((3, 4), 0.2, 6)) + call(7.5, Arr((4,), 2, 12))

# fmt: off
igamma = op("igamma", lambda xp, a, x: gamma_p(xp, *_arrays(xp, a, x)),
            a=MISSING, x=lambda g, a, x: g * _density(a, x),
            dtype=FLOAT, refuses=("bool", "int", "complex"), inplace=True, samples=_AT)
igammac = op("igammac", lambda xp, a, x: gamma_q(xp, *_arrays(xp, a, x)),
             a=MISSING, x=lambda g, a, x: g * -_density(a, x),
             dtype=FLOAT, refuses=("bool", "int", "complex"), inplace=True, samples=_AT)
# fmt: on


def _density(a: Any, x: Any) -> Any:
    """x^(a - 1) e^-x / Γ(a)."""
    return exp(
        (a - 1.0) * log(x) - x - (_of_number(a) if isinstance(a, (int, float)) else lgamma(a))
    )


def _of_number(a: float) -> float:
    """log |Γ(a)|, which is infinite where Python's refuses."""
    return math.inf if a <= 0 and a % 1 == 0 else math.lgamma(a)
