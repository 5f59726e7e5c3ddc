"""incomplete: the distribution function of gamma values."""

from __future__ import annotations

import math

import anadrome as ad
from anadrome import Tensor


def gamma_cdf(concentration: Tensor, x: Tensor) -> Tensor:
    """The regularised lower incomplete gamma function P(a, x).

    By its power series (DLMF 8.7.1), all of whose terms are positive, so that nothing cancels.
    Their number grows with the largest x. It is computed in float64.
    """
    dtype = x.dtype
    a, x = ad.broadcast_tensors(concentration.to(ad.float64), x.to(ad.float64))
    inside = (x > 0) & (x < math.inf)
    safe = ad.where(inside, x, ad.finfo(x.dtype).tiny)
    largest = float(safe.detach().max().item()) if safe.numel() else 0.0
    term = total = ad.ones_like(safe, requires_grad=False)
    log_scale = ad.zeros_like(total)
    for n in range(1, int(largest + 10 * math.sqrt(largest)) + 40):
        term = term * safe / (a + n)
        total = total + term
        if n % 50 == 0:  # before it leaves the range
            scale = total.detach()
            term, total, log_scale = term / scale, total / scale, log_scale + scale.log()
    log_front = a * safe.log() - safe - ad.lgamma(a + 1)
    p = (log_front + log_scale + total.log()).exp().clamp(max=1.0)
    edge = ad.where(x == math.inf, 1.0, ad.where(x == 0, 0.0, math.nan)).to(p.dtype)
    return ad.where(inside, p, edge).to(dtype)
