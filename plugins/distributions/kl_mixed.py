"""kl_mixed: how far distributions of one family are from those of another.

Each is ``E log p - E log q`` under p: the first is the negative entropy, and what is needed of x in
the second is a mean, a second moment, or the mean of a logarithm or an exponential.
"""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Tensor

from .beta import Beta
from .continuous import ContinuousBernoulli
from .counts import Bernoulli, Poisson
from .family import ExponentialFamily
from .kl import _infinite, register_kl
from .location import Gumbel, Laplace, Normal, Uniform
from .lowrank import LowRankMultivariateNormal
from .multivariate import MultivariateNormal
from .positive import Exponential, Gamma, Pareto


def _param(p: Any) -> Tensor:
    """A Tensor of the batch's shape."""
    return next(getattr(p, n) for n in ("rate", "loc", "concentration0", "alpha", "probs") if
                hasattr(p, n))  # fmt: skip


for _pair in ((Beta, Pareto), (ContinuousBernoulli, Pareto), (Exponential, Pareto),
              (Gamma, Pareto), (Exponential, ContinuousBernoulli), (Gamma, ContinuousBernoulli),
              (Gumbel, ContinuousBernoulli), (Gumbel, Pareto), (Laplace, ContinuousBernoulli),
              (Laplace, Pareto), (Normal, ContinuousBernoulli), (Normal, Pareto), (Pareto, Beta),
              (Pareto, ContinuousBernoulli), (Pareto, Uniform)):  # fmt: skip
    register_kl(*_pair)(lambda p, q: _infinite(_param(p)))


# -- minus E log q, of what is known of x ---------------------------------------------------------
def _normal(q: Any, mean: Tensor, variance: Tensor) -> Tensor:
    square = (variance + (mean - q.loc).square()) / q.scale.square()
    return 0.5 * square + q.scale.log() + 0.5 * math.log(2 * math.pi)


def _exponential(q: Any, mean: Tensor) -> Tensor:
    return q.rate * mean - q.rate.log()


def _gamma(q: Any, mean: Tensor, log: Tensor) -> Tensor:
    a = q.concentration
    return q.rate * mean - (a - 1) * log - a * q.rate.log() + ad.lgamma(a)


def _gumbel(q: Any, mean: Tensor, decay: Tensor) -> Tensor:
    """``decay``: the expected ``exp((loc - x) / scale)``."""
    return (mean - q.loc) / q.scale + decay + q.scale.log()


def _continuous(q: Any, mean: Tensor) -> Tensor:
    return -mean * q.logits - ad.log1p(-q.probs) - q._log_norm()


def _within(p: Any, q: Any, kl: Tensor) -> Tensor:
    """Infinite where a uniform q does not reach over all of [0, 1]."""
    return ad.where((q.low > 0) | (q.high < 1), math.inf, kl)


def _finite(valid: Tensor, kl: Tensor) -> Tensor:
    return ad.where(valid, kl, math.inf)


# -- from Beta and ContinuousBernoulli ------------------------------------------------------------
def _log_of_beta(p: Any) -> Tensor:
    return ad.digamma(p.concentration1) - ad.digamma(p.concentration1 + p.concentration0)


register_kl(Beta, Gamma)(lambda p, q: _gamma(q, p.mean, _log_of_beta(p)) - p.entropy())
for _p in (Beta, ContinuousBernoulli):
    register_kl(_p, Exponential)(lambda p, q: _exponential(q, p.mean) - p.entropy())
    register_kl(_p, Normal)(lambda p, q: _normal(q, p.mean, p.variance) - p.entropy())
    register_kl(_p, ContinuousBernoulli)(lambda p, q: _continuous(q, p.mean) - p.entropy())
    register_kl(_p, Uniform)(
        lambda p, q: _within(p, q, (q.high - q.low).log() - p.entropy())
    )  # fmt: skip


@register_kl(Bernoulli, Poisson)
def _(p: Any, q: Any) -> Tensor:
    return q.rate - p.probs * q.rate.log() - p.entropy()


# -- to and from Normal and Gumbel ----------------------------------------------------------------
for _from in (Gamma, Gumbel):
    register_kl(_from, Normal)(lambda p, q: _normal(q, p.mean, p.variance) - p.entropy())


@register_kl(Normal, Gumbel)
def _(p: Any, q: Any) -> Tensor:
    decay = ad.exp((q.loc - p.loc) / q.scale + 0.5 * (p.scale / q.scale).square())
    return _gumbel(q, p.mean, decay) - p.entropy()


@register_kl(Exponential, Gumbel)
def _(p: Any, q: Any) -> Tensor:
    decay = ad.exp(q.loc / q.scale) * p.rate / (p.rate + 1 / q.scale)
    return _gumbel(q, p.mean, decay) - p.entropy()


@register_kl(Gamma, Gumbel)
def _(p: Any, q: Any) -> Tensor:
    decay = ad.exp(q.loc / q.scale - p.concentration * ad.log1p(1 / (p.rate * q.scale)))
    return _gumbel(q, p.mean, decay) - p.entropy()


@register_kl(Uniform, Gumbel)
def _(p: Any, q: Any) -> Tensor:
    ends = [ad.exp((q.loc - end) / q.scale) for end in (p.low, p.high)]
    decay = q.scale * (ends[0] - ends[1]) / (p.high - p.low)
    return _gumbel(q, p.mean, decay) - p.entropy()


# -- from Pareto ----------------------------------------------------------------------------------
register_kl(Pareto, Exponential)(
    lambda p, q: _finite(p.alpha > 1, _exponential(q, p.mean) - p.entropy())
)
register_kl(Pareto, Gamma)(
    lambda p, q: _finite(
        p.alpha > 1, _gamma(q, p.mean, p.scale.log() + 1 / p.alpha) - p.entropy()
    )
)  # fmt: skip
register_kl(Pareto, Normal)(
    lambda p, q: _finite(p.alpha > 2, _normal(q, p.mean, p.variance) - p.entropy())
)


@register_kl(Pareto, Pareto)
def _(p: Any, q: Any) -> Tensor:
    ratio = q.alpha / p.alpha
    kl = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return _finite(p.scale >= q.scale, kl)


# -- from Uniform ---------------------------------------------------------------------------------
def _log_of_uniform(low: Tensor, high: Tensor) -> Tensor:
    return (ad.xlogy(high, high) - ad.xlogy(low, low)) / (high - low) - 1


@register_kl(Uniform, Beta)
def _(p: Any, q: Any) -> Tensor:
    a, b = q.concentration1, q.concentration0
    norm = ad.lgamma(a) + ad.lgamma(b) - ad.lgamma(a + b)
    inside = (p.low >= 0) & (p.high <= 1)
    low, high = ad.where(inside, p.low, 0.25), ad.where(inside, p.high, 0.75)
    rest = (a - 1) * _log_of_uniform(low, high) + (b - 1) * _log_of_uniform(1 - high, 1 - low)
    return _finite(inside, norm - rest - p.entropy())


@register_kl(Uniform, ContinuousBernoulli)
def _(p: Any, q: Any) -> Tensor:
    return _finite((p.low >= 0) & (p.high <= 1), _continuous(q, p.mean) - p.entropy())


@register_kl(Uniform, Exponential)
def _(p: Any, q: Any) -> Tensor:
    return _finite(p.low >= 0, _exponential(q, p.mean) - p.entropy())


@register_kl(Uniform, Gamma)
def _(p: Any, q: Any) -> Tensor:
    low = ad.where(p.low >= 0, p.low, 0.0)
    kl = _gamma(q, p.mean, _log_of_uniform(low, p.high)) - p.entropy()
    return _finite(p.low >= 0, kl)


@register_kl(Uniform, Pareto)
def _(p: Any, q: Any) -> Tensor:
    inside = p.low >= q.scale
    log = _log_of_uniform(ad.where(inside, p.low, q.scale), p.high)
    kl = (q.alpha + 1) * log - q.alpha.log() - q.alpha * q.scale.log() - p.entropy()
    return _finite(inside, kl)


# -- normal vectors, and exponential families -----------------------------------------------------
def _full(p: Any) -> MultivariateNormal:
    if isinstance(p, MultivariateNormal):
        return p
    return MultivariateNormal(p.loc, scale_tril=p.scale_tril, validate_args=False)


for _vectors in ((LowRankMultivariateNormal, LowRankMultivariateNormal),
              (LowRankMultivariateNormal, MultivariateNormal),
              (MultivariateNormal, LowRankMultivariateNormal)):  # fmt: skip

    @register_kl(*_vectors)
    def _(p: Any, q: Any) -> Tensor:
        from .kl import kl_divergence

        return kl_divergence(_full(p), _full(q))


@register_kl(ExponentialFamily, ExponentialFamily)
def _(p: Any, q: Any) -> Tensor:
    """A Bregman divergence of the normalizer, whose slope is the expected statistic."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed "
            "using Bregman divergences"
        )
    slopes, normalizer, natural = p._slopes()
    theirs = q._natural_params
    out = q._log_normalizer(*theirs) - normalizer
    for mine, other, slope in zip(natural, theirs, slopes):
        out = out - p._over_events((other - mine) * slope)
    return out
