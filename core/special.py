"""special: the functions of mathematical physics and statistics (PyTorch: ``torch.special``)."""

from __future__ import annotations

import math

from .forms import inplace_composite
from .namespace import (
    digamma,
    erf,
    erfc,
    erfinv,
    exp2,
    expm1,
    log1p,
    log_softmax,
    logit,
    logsumexp,
    polygamma,
    round,
    sinc,
    softmax,
    xlogy,
)
from .namespace import lgamma as gammaln
from .namespace import sigmoid as expit
from .ops.bessel import i0, i0e, i1, i1e
from .ops.incomplete import igamma as gammainc
from .ops.incomplete import igammac as gammaincc
from .ops.special import entr, erfcx, log_ndtr, ndtri, xlog1py, zeta
from .out import takes_out
from .tensor import Tensor

psi = digamma

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1",
    "gammainc", "gammaincc", "gammaln", "i0", "i0e", "i1", "i1e",
    "log1p", "log_ndtr", "log_softmax", "logit", "logsumexp", "multigammaln", "ndtr", "ndtri",
    "polygamma", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy", "zeta",
]  # fmt: skip


@takes_out
def ndtr(input: Tensor) -> Tensor:
    """The distribution function of the standard normal (``torch.special.ndtr``).

    >>> import anadrome as ad
    >>> ad.special.ndtr(ad.tensor([0.0, 1.0]))
    tensor([0.5000, 0.8413])
    """
    return erfc(input * -math.sqrt(0.5)) * 0.5


#: What ``multigammaln`` adds up, term by term.
MOST_TERMS = 1 << 16


@takes_out
def multigammaln(input: Tensor, p: int) -> Tensor:
    """The logarithm of the multivariate gamma function (``torch.special.multigammaln``)."""
    if p < 1:
        raise RuntimeError(f"p has to be greater than or equal to 1, but got {p}")
    if p > MOST_TERMS:
        raise RuntimeError(f"p is the number of terms, at most {MOST_TERMS}, but got {p}")
    shifts = [gammaln(input - 0.5 * k) for k in range(p)]
    total = shifts[0]
    for term in shifts[1:]:
        total = total + term
    return total + p * (p - 1) / 4 * math.log(math.pi)


#: PyTorch's older name.
mvlgamma = multigammaln
Tensor.mvlgamma_ = inplace_composite(mvlgamma, "mvlgamma_")  # type: ignore[attr-defined]
