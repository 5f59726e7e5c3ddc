"""kl: how far one distribution is from another."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.border import enclose_functions

from .base import Distribution
from .beta import Beta, Dirichlet
from .categorical import Categorical, OneHotCategorical
from .composed import Independent, TransformedDistribution
from .counts import Bernoulli, Binomial, Geometric, Poisson
from .location import _EULER, Cauchy, Gumbel, Laplace, Normal, Uniform
from .multivariate import MultivariateNormal
from .positive import Exponential, Gamma, HalfCauchy, HalfNormal, Weibull
from .values import sum_rightmost

_registry: dict[tuple[type, type], Callable[[Any, Any], Tensor]] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Any], Any]:
    """Decorate a function of (p, q) that gives the divergence for these two classes.

    Classes derived from them use it too, unless there is a nearer one.
    """
    for cls in (type_p, type_q):
        if not isinstance(cls, type):
            raise TypeError(f"Expected type_p to be a Distribution subclass but got {cls}")

    def decorate(function: Any) -> Any:
        _registry[type_p, type_q] = function
        _find.cache_clear()
        return function

    return decorate


@functools.lru_cache(maxsize=256)
def _find(type_p: type, type_q: type) -> Callable[[Any, Any], Tensor] | None:
    """The nearest: of p's class first."""
    for p in type_p.__mro__:
        for q in type_q.__mro__:
            if (p, q) in _registry:
                return _registry[p, q]
    return None


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """The expected value under p of ``p.log_prob - q.log_prob`` (``distributions.kl_divergence``).

    Raises ``NotImplementedError`` for two classes that nothing is registered for.

    Kullback and Leibler, "On Information and Sufficiency", 1951.

    >>> import anadrome as ad
    >>> D = ad.distributions
    >>> D.kl_divergence(D.Normal(1.0, 1.0), D.Normal(0.0, 1.0))
    tensor(0.5000)
    """
    kinds: Any = (type(p), type(q))
    function = _find(*kinds)
    if function is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type "
            f"{type(q).__name__}; give one with @register_kl, or average log_prob over samples"
        )
    return function(p, q)


def _infinite(like: Tensor) -> Tensor:
    return ad.full_like(like, math.inf, requires_grad=False)


@register_kl(Bernoulli, Bernoulli)
def _(p: Any, q: Any) -> Tensor:
    from anadrome.nn.functional import softplus

    yes = p.probs * (softplus(-q.logits) - softplus(-p.logits))
    no = (1 - p.probs) * (softplus(q.logits) - softplus(p.logits))
    yes = ad.where(q.probs == 0, math.inf, yes)
    yes = ad.where(p.probs == 0, 0.0, yes)
    no = ad.where(q.probs == 1, math.inf, no)
    return yes + ad.where(p.probs == 1, 0.0, no)


@register_kl(Binomial, Binomial)
def _(p: Any, q: Any) -> Tensor:
    if bool((p.total_count < q.total_count).any()):
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    kl = p.total_count * (p.probs * (p.logits - q.logits) + ad.log1p(-p.probs) - ad.log1p(-q.probs))
    return ad.where(p.total_count > q.total_count, math.inf, kl)


@register_kl(Geometric, Geometric)
def _(p: Any, q: Any) -> Tensor:
    return -p.entropy() - ad.log1p(-q.probs) / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _(p: Any, q: Any) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Categorical, Categorical)
def _(p: Any, q: Any) -> Tensor:
    terms = p.probs * (p.logits - q.logits)
    terms = ad.where(q.probs == 0, math.inf, terms)
    return ad.where(p.probs == 0, 0.0, terms).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _(p: Any, q: Any) -> Tensor:
    return kl_divergence(p._categorical, q._categorical)


@register_kl(Normal, Normal)
def _(p: Any, q: Any) -> Tensor:
    ratio = (p.scale / q.scale).square()
    shift = ((p.loc - q.loc) / q.scale).square()
    return 0.5 * (ratio + shift - 1 - ratio.log())


@register_kl(MultivariateNormal, MultivariateNormal)
def _(p: Any, q: Any) -> Tensor:
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two Multivariate Normals with different event shapes cannot be "
            "computed"
        )
    batch = ad.broadcast_shapes(p.batch_shape, q.batch_shape)
    n = p.event_shape[0]
    mine, other = (d._unbroadcasted_scale_tril.expand((*batch, n, n)) for d in (p, q))
    spread = ad.linalg.solve_triangular(other, mine, upper=False).square().sum((-2, -1))
    shift = (q.loc - p.loc).expand((*batch, n)).unsqueeze(-1)
    shift = ad.linalg.solve_triangular(other, shift, upper=False).square().sum((-2, -1))
    return q._half_log_det() - p._half_log_det() + 0.5 * (spread + shift - n)


@register_kl(Laplace, Laplace)
def _(p: Any, q: Any) -> Tensor:
    distance = (p.loc - q.loc).abs()
    ratio = p.scale / q.scale
    return -ratio.log() + distance / q.scale + ratio * ad.exp(-distance / p.scale) - 1


@register_kl(Cauchy, Cauchy)
def _(p: Any, q: Any) -> Tensor:
    square = (p.scale + q.scale).square() + (p.loc - q.loc).square()
    return square.log() - ad.log(4 * p.scale * q.scale)


@register_kl(HalfCauchy, HalfCauchy)
def _(p: Any, q: Any) -> Tensor:  # by symmetry that of the whole ones
    return 2 * (p.scale + q.scale).log() - ad.log(4 * p.scale * q.scale)


@register_kl(Gumbel, Gumbel)
def _(p: Any, q: Any) -> Tensor:
    ratio = p.scale / q.scale
    ours, theirs = p.loc / q.scale, q.loc / q.scale
    moment = ad.exp(theirs - ours + ad.lgamma(1 + ratio))
    return ours - theirs - ratio.log() + ratio * _EULER + moment - (1 + _EULER)


@register_kl(HalfNormal, HalfNormal)
def _(p: Any, q: Any) -> Tensor:
    ratio = (p.scale / q.scale).square()
    return 0.5 * (ratio - 1 - ratio.log())


@register_kl(Exponential, Exponential)
def _(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(Gamma, Gamma)
def _(p: Any, q: Any) -> Tensor:
    a, b = p.concentration, q.concentration
    return (
        b * ad.log(p.rate / q.rate)
        + ad.lgamma(b)
        - ad.lgamma(a)
        + (a - b) * ad.digamma(a)
        + (q.rate - p.rate) * (a / p.rate)
    )


@register_kl(Dirichlet, Dirichlet)
def _(p: Any, q: Any) -> Tensor:
    a, b = p.concentration, q.concentration
    total = a.sum(-1, keepdim=True)
    norm = ad.lgamma(total.squeeze(-1)) - ad.lgamma(b.sum(-1))
    each = ad.lgamma(a) - ad.lgamma(b) - (a - b) * (ad.digamma(a) - ad.digamma(total))
    return norm - each.sum(-1)


@register_kl(Beta, Beta)
def _(p: Any, q: Any) -> Tensor:
    return kl_divergence(p._dirichlet(), q._dirichlet())


@register_kl(Uniform, Uniform)
def _(p: Any, q: Any) -> Tensor:
    kl = ad.log((q.high - q.low) / (p.high - p.low))
    return ad.where((q.low > p.low) | (q.high < p.high), math.inf, kl)


@register_kl(Uniform, Normal)
def _(p: Any, q: Any) -> Tensor:
    width = p.high - p.low
    offset = (p.high + p.low - 2 * q.loc) / 2
    return (
        ad.log(math.sqrt(2 * math.pi) * q.scale / width)
        + 0.5 * (width.square() / 12 + offset.square()) / q.scale.square()
    )


@register_kl(Normal, Laplace)
def _(p: Any, q: Any) -> Tensor:
    shift = p.loc - q.loc
    ratio = shift / p.scale
    near = math.sqrt(2 / math.pi) * p.scale * ad.exp(-0.5 * ratio.square())
    far = shift * ad.erf(math.sqrt(0.5) * ratio)
    ratio_of_scales = p.scale / q.scale
    return -ratio_of_scales.log() + (near + far) / q.scale - 0.5 * math.log(0.5 * math.pi) - 0.5


@register_kl(Laplace, Normal)
def _(p: Any, q: Any) -> Tensor:
    square = q.scale.square()
    ratio = p.scale.square() / square
    shift = 0.5 * p.loc.square() - p.loc * q.loc + 0.5 * q.loc.square()
    return -0.5 * ad.log(2 * ratio) + 0.5 * math.log(math.pi) + ratio + shift / square - 1


@register_kl(Exponential, Gamma)
def _(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    b = q.concentration
    return -b * ratio.log() + ratio + ad.lgamma(b) + b * _EULER - (1 + _EULER)


@register_kl(Gamma, Exponential)
def _(p: Any, q: Any) -> Tensor:
    return -p.entropy() - q.rate.log() + q.rate * p.concentration / p.rate


@register_kl(Exponential, Normal)
def _(p: Any, q: Any) -> Tensor:
    square = q.scale.square()
    rate_square = p.rate.square()
    entropy = 0.5 * ad.log(rate_square * square * 2 * math.pi)
    moment = rate_square.reciprocal() - q.loc / p.rate + q.loc.square() / 2
    return entropy - 1 + moment / square


for _pair in ((Normal, Exponential), (Normal, Gamma), (Normal, Uniform), (Normal, Beta),
              (Laplace, Exponential), (Laplace, Gamma), (Laplace, Uniform), (Laplace, Beta),
              (Gumbel, Exponential), (Gumbel, Gamma), (Gumbel, Uniform), (Gumbel, Beta),
              (Exponential, Uniform), (Exponential, Beta), (Gamma, Uniform), (Gamma, Beta),
              (Poisson, Bernoulli), (Poisson, Binomial)):  # fmt: skip
    # p gives values that q never does.
    register_kl(*_pair)(lambda p, q: _infinite(p.rate if hasattr(p, "rate") else p.loc))


@register_kl(Weibull, Weibull)
def _(p: Any, q: Any) -> Tensor:
    if not bool(((p.scale == q.scale) & (p.concentration == q.concentration)).all()):
        raise NotImplementedError("KL of different Weibulls; average log_prob over samples")
    return ad.zeros_like(p.scale, requires_grad=False)


@register_kl(Independent, Independent)
def _(p: Any, q: Any) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            "KL of Independents that reinterpret different numbers of dimensions"
        )
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _(p: Any, q: Any) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL of distributions that are transformed differently")
    more = len(p.event_shape) - len(p.base_dist.event_shape)
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), more)


enclose_functions(globals())

from . import kl_mixed as kl_mixed  # registers more
