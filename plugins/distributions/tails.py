"""tails: ratios of variances, and what lies beyond a high threshold."""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Tensor

from . import constraints
from .base import Distribution
from .location import uniform_like
from .sampling import standard_gamma


class FisherSnedecor(Distribution):
    """The ratio of two mean squares, of ``df1`` and ``df2`` degrees of freedom
    (``distributions.FisherSnedecor``).

    >>> import anadrome as ad
    >>> ad.distributions.FisherSnedecor(2.0, 4.0).mean
    tensor(2.)
    """

    arg_constraints = {"df1": constraints.positive, "df2": constraints.positive}
    support: Any = constraints.positive
    has_rsample = True
    df1: Tensor
    df2: Tensor

    def __init__(self, df1: Any, df2: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, df1=df1, df2=df2)

    @property
    def mean(self) -> Tensor:
        return _beyond(self.df2, 2, lambda n: n / (n - 2))

    @property
    def mode(self) -> Tensor:
        ratio = self.df2 / (self.df2 + 2)
        return _beyond(self.df1, 2, lambda n: (n - 2) / n * ratio)

    @property
    def variance(self) -> Tensor:
        m = self.df1
        return _beyond(
            self.df2, 4, lambda n: 2 * n.square() * (m + n - 2) / (m * (n - 2).square() * (n - 4))
        )

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        tiny = ad.finfo(self.df1.dtype).tiny
        above, below = (
            (standard_gamma(n.expand(shape) * 0.5) / n).clamp(min=tiny)
            for n in (self.df1, self.df2)
        )
        return (above / below).clamp(min=tiny)

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        a, b = self.df1 * 0.5, self.df2 * 0.5
        ratio = self.df1 / self.df2
        norm = ad.lgamma(a + b) - ad.lgamma(a) - ad.lgamma(b) + a * ratio.log()
        return norm + (a - 1) * value.log() - (a + b) * ad.log1p(ratio * value)


def _beyond(n: Tensor, least: float, formula: Any) -> Tensor:
    """``formula`` of degrees of freedom above ``least``, NaN of others."""
    return ad.where(n > least, formula(ad.where(n > least, n, least + 1.0)), math.nan)


class GeneralizedPareto(Distribution):
    """Excesses over a threshold ``loc``: exponential, or with ``concentration`` above 0 of heavier
    tails and below 0 bounded (``distributions.GeneralizedPareto``).

    Pickands, "Statistical Inference Using Extreme Order Statistics", 1975.

    >>> import anadrome as ad
    >>> ad.distributions.GeneralizedPareto(0.0, 2.0, 0.5).mean
    tensor(4.)
    """

    arg_constraints = {
        "loc": constraints.real,
        "scale": constraints.positive,
        "concentration": constraints.real,
    }
    has_rsample = True
    loc: Tensor
    scale: Tensor
    concentration: Tensor

    def __init__(
        self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None
    ) -> None:
        self._take(validate_args, loc=loc, scale=scale, concentration=concentration)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        k = self.concentration
        end = self.loc - self.scale / ad.where(k < 0, k, -1.0)
        return constraints.interval(self.loc, ad.where(k < 0, end, math.inf))

    def _either(self, exponential: Any, general: Any) -> Tensor:
        """For a concentration of (nearly) zero, and ``general`` of any other."""
        k = self.concentration
        none = k.abs() <= 1e-8
        return ad.where(none, exponential, general(ad.where(none, 1.0, k)))

    def _z(self, value: Tensor) -> Tensor:
        return (value - self.loc) / self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        z = self._z(self._checked(value))

        def general(k: Tensor) -> Tensor:
            power = 1 / k + 1
            return ad.where(power == 0, 0.0, power * ad.log1p(k * z))

        return -self.scale.log() - self._either(z, general)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """The logarithm of the probability of a larger value."""
        z = self._z(self._checked(value))
        return self._either(-z, lambda k: -ad.log1p(k * z) / k)

    def log_cdf(self, value: Tensor) -> Tensor:
        """The logarithm of ``cdf``."""
        return ad.log1p(-self.log_survival_function(value).exp())

    def cdf(self, value: Tensor) -> Tensor:
        return -ad.expm1(self.log_survival_function(value))

    def icdf(self, value: Tensor) -> Tensor:
        rest = ad.log1p(-value)
        return self.loc + self.scale * self._either(-rest, lambda k: ad.expm1(-k * rest) / k)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(uniform_like(self._extended_shape(sample_shape), self.loc))

    @property
    def mean(self) -> Tensor:
        k = self.concentration
        safe = ad.where(k < 1, k, 0.5)
        return ad.where(k < 1, self.loc + self.scale / (1 - safe), math.nan)

    @property
    def variance(self) -> Tensor:
        k = self.concentration
        safe = ad.where(k < 0.5, k, 0.25)
        spread = self.scale.square() / ((1 - safe).square() * (1 - 2 * safe))
        return ad.where(k < 0.5, spread, math.nan)

    @property
    def mode(self) -> Tensor:
        return self.loc

    def entropy(self) -> Tensor:
        return self.scale.log() + self.concentration + 1
