"""positive: distributions on the positive numbers."""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Tensor

from . import constraints
from .base import Distribution
from .incomplete import gamma_cdf
from .location import normal_like, uniform_like
from .sampling import standard_gamma


class Gamma(Distribution):
    """Gamma, with shape ``concentration`` and inverse scale ``rate`` (``distributions.Gamma``).

    The gradient of ``rsample`` is that of the sample at a fixed value of its distribution function
    (Figurnov et al., "Implicit Reparameterization Gradients", 2018).

    >>> import anadrome as ad
    >>> ad.distributions.Gamma(2.0, 4.0).mean
    tensor(0.5000)
    """

    arg_constraints = {"concentration": constraints.positive, "rate": constraints.positive}
    support: Any = constraints.nonnegative
    has_rsample = True
    concentration: Tensor
    rate: Tensor

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, concentration=concentration, rate=rate)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.rate

    @property
    def mode(self) -> Tensor:
        return ((self.concentration - 1) / self.rate).clamp(min=0)

    @property
    def variance(self) -> Tensor:
        return self.concentration / self.rate.square()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return standard_gamma(self.concentration.expand(shape)) / self.rate

    def log_prob(self, value: Any) -> Tensor:
        value = ad.as_tensor(value, dtype=self.rate.dtype, device=self.rate.device)
        value = self._checked(value)
        return (
            ad.xlogy(self.concentration, self.rate)
            + ad.xlogy(self.concentration - 1, value)
            - self.rate * value
            - ad.lgamma(self.concentration)
        )

    def cdf(self, value: Tensor) -> Tensor:
        return gamma_cdf(self.concentration, self.rate * self._checked(value))

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - self.rate.log() + ad.lgamma(a) + (1.0 - a) * ad.digamma(a)


class Chi2(Gamma):
    """The sum of ``df`` squared standard normal values."""

    arg_constraints = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, concentration=0.5 * df, rate=0.5)

    @property
    def df(self) -> Tensor:
        """Degrees of freedom."""
        return self.concentration * 2

    def _expand_rest(self, new: Any, batch_shape: Any) -> None:
        new.concentration = self.concentration.expand(batch_shape)
        new.rate = self.rate.expand(batch_shape)


class Exponential(Distribution):
    """The time to an event that happens ``rate`` times in a unit of time."""

    arg_constraints = {"rate": constraints.positive}
    support: Any = constraints.nonnegative
    has_rsample = True
    rate: Tensor

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, rate=rate)

    @property
    def mean(self) -> Tensor:
        return self.rate.reciprocal()

    @property
    def mode(self) -> Tensor:
        return ad.zeros_like(self.rate, requires_grad=False)

    @property
    def stddev(self) -> Tensor:
        return self.rate.reciprocal()

    @property
    def variance(self) -> Tensor:
        return self.rate.pow(-2)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        if not self.rate.dtype.is_floating_point:
            raise RuntimeError(
                "Exponential distribution is a continuous probability distribution: its rate must "
                f"be a floating point Tensor, not {self.rate.dtype}; use `rate.float()`"
            )
        return -ad.log(uniform_like(self._extended_shape(sample_shape), self.rate)) / self.rate

    def log_prob(self, value: Tensor) -> Tensor:
        return self.rate.log() - self.rate * self._checked(value)

    def cdf(self, value: Tensor) -> Tensor:
        return 1 - ad.exp(-self.rate * self._checked(value))

    def icdf(self, value: Tensor) -> Tensor:
        return -ad.log1p(-value) / self.rate

    def entropy(self) -> Tensor:
        return 1.0 - self.rate.log()


class _Half(Distribution):
    """The size of a value that is distributed around 0 with ``scale``."""

    arg_constraints = {"scale": constraints.positive}
    support: Any = constraints.nonnegative
    has_rsample = True
    scale: Tensor

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, scale=scale)

    @property
    def mode(self) -> Tensor:
        return ad.zeros_like(self.scale, requires_grad=False)


class HalfNormal(_Half):
    """The size of a normal value of mean 0."""

    @property
    def mean(self) -> Tensor:
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Tensor:
        return self.scale.square() * (1 - 2 / math.pi)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        return (normal_like(shape, self.scale) * self.scale).abs()

    def log_prob(self, value: Tensor) -> Tensor:
        z = self._checked(value) / self.scale
        log = 0.5 * math.log(2 / math.pi) - self.scale.log() - 0.5 * z * z
        return ad.where(value >= 0, log, -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        return ad.erf(self._checked(value) / (self.scale * math.sqrt(2)))

    def icdf(self, value: Tensor) -> Tensor:
        return self.scale * math.sqrt(2) * ad.erfinv(value)

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * math.log(math.pi / 2) + self.scale.log()


class HalfCauchy(_Half):
    """The size of a Cauchy value around 0."""

    @property
    def mean(self) -> Tensor:
        return ad.full_like(self.scale, math.inf, requires_grad=False)

    @property
    def variance(self) -> Tensor:
        return ad.full_like(self.scale, math.inf, requires_grad=False)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(uniform_like(self._extended_shape(sample_shape), self.scale))

    def log_prob(self, value: Tensor) -> Tensor:
        value = ad.as_tensor(value, dtype=self.scale.dtype, device=self.scale.device)
        z = self._checked(value) / self.scale
        log = math.log(2 / math.pi) - self.scale.log() - ad.log1p(z * z)
        return ad.where(value >= 0, log, -math.inf)

    def cdf(self, value: Tensor) -> Tensor:
        return 2 / math.pi * ad.atan(self._checked(value) / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        return ad.tan(math.pi / 2 * value) * self.scale

    def entropy(self) -> Tensor:
        return math.log(2 * math.pi) + self.scale.log()


class Pareto(Distribution):
    """Values from ``scale`` on, whose logarithm is exponential with rate ``alpha``."""

    arg_constraints = {"alpha": constraints.positive, "scale": constraints.positive}
    has_rsample = True
    scale: Tensor
    alpha: Tensor

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, scale=scale, alpha=alpha)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Tensor:
        a = self.alpha.clamp(min=1)  # infinite up to 1
        return a * self.scale / (a - 1)

    @property
    def mode(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        a = self.alpha.clamp(min=2)  # infinite up to 2
        return self.scale.square() * a / ((a - 1).square() * (a - 2))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        u = uniform_like(self._extended_shape(sample_shape), self.alpha)
        return self.scale * ad.exp(-u.log() / self.alpha)

    def log_prob(self, value: Tensor) -> Tensor:
        x = self._checked(value)
        return self.alpha.log() + self.alpha * self.scale.log() - (self.alpha + 1) * x.log()

    def cdf(self, value: Tensor) -> Tensor:
        return 1 - (self.scale / self._checked(value)) ** self.alpha

    def icdf(self, value: Tensor) -> Tensor:
        return self.scale * ad.exp(-ad.log1p(-value) / self.alpha)

    def entropy(self) -> Tensor:
        return (self.scale / self.alpha).log() + (1 + self.alpha.reciprocal())


class Weibull(Distribution):
    """Life times whose rate of failure changes as a power of age."""

    arg_constraints = {"scale": constraints.positive, "concentration": constraints.positive}
    support: Any = constraints.positive
    has_rsample = True
    scale: Tensor
    concentration: Tensor

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, scale=scale, concentration=concentration)

    @property
    def mean(self) -> Tensor:
        return self.scale * ad.exp(ad.lgamma(1 + 1 / self.concentration))

    @property
    def mode(self) -> Tensor:
        k = self.concentration
        return self.scale * ((k - 1) / k) ** (1 / k)

    @property
    def variance(self) -> Tensor:
        one, two = 1 + 1 / self.concentration, 1 + 2 / self.concentration
        return self.scale.square() * (ad.exp(ad.lgamma(two)) - ad.exp(2 * ad.lgamma(one)))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(uniform_like(self._extended_shape(sample_shape), self.scale))

    def log_prob(self, value: Tensor) -> Tensor:
        k = self.concentration
        z = self._checked(value) / self.scale
        return ad.log(k / self.scale) + (k - 1) * z.log() - z**k

    def cdf(self, value: Tensor) -> Tensor:
        return -ad.expm1(-((self._checked(value) / self.scale) ** self.concentration))

    def icdf(self, value: Tensor) -> Tensor:
        return self.scale * (-ad.log1p(-value)) ** (1 / self.concentration)

    def entropy(self) -> Tensor:
        euler = 0.57721566490153286060
        return euler * (1 - 1 / self.concentration) + ad.log(self.scale / self.concentration) + 1
