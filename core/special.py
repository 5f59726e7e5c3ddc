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
from .ops.bessel import (
    airy_ai,
    bessel_j0,
    bessel_j1,
    bessel_y0,
    bessel_y1,
    i0,
    i0e,
    i1,
    i1e,
    modified_bessel_k0,
    modified_bessel_k1,
    scaled_modified_bessel_k0,
    scaled_modified_bessel_k1,
    spherical_bessel_j0,
)
from .ops.incomplete import igamma as gammainc
from .ops.incomplete import igammac as gammaincc
from .ops.orthogonal import (
    chebyshev_polynomial_t,
    chebyshev_polynomial_u,
    chebyshev_polynomial_v,
    chebyshev_polynomial_w,
    hermite_polynomial_h,
    hermite_polynomial_he,
    laguerre_polynomial_l,
    legendre_polynomial_p,
    shifted_chebyshev_polynomial_t,
    shifted_chebyshev_polynomial_u,
    shifted_chebyshev_polynomial_v,
    shifted_chebyshev_polynomial_w,
)
from .ops.special import entr, erfcx, log_ndtr, ndtri, xlog1py, zeta
from .out import takes_out
from .tensor import Tensor

psi = digamma
modified_bessel_i0, modified_bessel_i1 = i0, i1

__all__ = [
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "chebyshev_polynomial_t",
    "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w", "digamma",
    "entr", "erf", "erfc", "erfcx", "erfinv", "exp2", "expit", "expm1", "gammainc", "gammaincc",
    "gammaln", "hermite_polynomial_h", "hermite_polynomial_he", "i0", "i0e", "i1", "i1e",
    "laguerre_polynomial_l", "legendre_polynomial_p", "log1p", "log_ndtr", "log_softmax", "logit",
    "logsumexp", "modified_bessel_i0", "modified_bessel_i1", "modified_bessel_k0",
    "modified_bessel_k1", "multigammaln", "ndtr", "ndtri", "polygamma", "psi", "round",
    "scaled_modified_bessel_k0", "scaled_modified_bessel_k1", "shifted_chebyshev_polynomial_t",
    "shifted_chebyshev_polynomial_u", "shifted_chebyshev_polynomial_v",
    "shifted_chebyshev_polynomial_w", "sinc", "softmax", "spherical_bessel_j0", "xlog1py",
    "xlogy", "zeta",
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
