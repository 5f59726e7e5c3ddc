"""location: distributions on the real line, with a place and a width."""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Size, Tensor

from . import constraints
from .base import Distribution
from .values import plain

_LOC_SCALE = {"loc": constraints.real, "scale": constraints.positive}


class _LocScale(Distribution):
    """What distributions with ``loc`` and ``scale`` have in common."""

    arg_constraints = _LOC_SCALE
    support: Any = constraints.real
    has_rsample = True
    loc: Tensor
    scale: Tensor

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, loc=loc, scale=scale)

    def _standard(self, value: Tensor) -> Tensor:
        return (self._checked(value) - self.loc) / self.scale

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc


def normal_like(shape: Any, like: Tensor) -> Tensor:
    """Standard normal draws of the dtype and device of another Tensor."""
    return ad.randn(plain(shape), dtype=like.dtype, device=like.device)


def uniform_like(shape: Any, like: Tensor) -> Tensor:
    """Uniform draws, strictly between 0 and 1."""
    info = ad.finfo(like.dtype)
    return ad.rand(plain(shape), dtype=like.dtype, device=like.device).clamp(
        info.tiny, 1 - info.eps / 2
    )


class Normal(_LocScale):
    """Normal, with mean ``loc`` and standard deviation ``scale`` (``distributions.Normal``).

    >>> import anadrome as ad
    >>> n = ad.distributions.Normal(ad.tensor([0.0, 1.0]), 2.0)
    >>> n.log_prob(ad.tensor(1.0))
    tensor([-1.7371, -1.6121])
    >>> n.rsample((5,)).shape
    anadrome.Size([5, 2])
    """

    @property
    def stddev(self) -> Tensor:
        return self.scale

    @property
    def variance(self) -> Tensor:
        return self.scale.square()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.loc + normal_like(self._extended_shape(sample_shape), self.loc) * self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        z = self._checked(value) - self.loc
        half = math.log(math.sqrt(2 * math.pi))
        return -(z * z) / (2 * self.scale.square()) - self.scale.log() - half

    def cdf(self, value: Tensor) -> Tensor:
        return 0.5 * (1 + ad.erf(self._standard(value) / math.sqrt(2)))

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc + self.scale * ad.erfinv(2 * value - 1) * math.sqrt(2)

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()


class Laplace(_LocScale):
    """Two exponentials, back to back."""

    @property
    def variance(self) -> Tensor:
        return 2 * self.scale.square()

    @property
    def stddev(self) -> Tensor:
        return 2**0.5 * self.scale

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        u = 2 * uniform_like(self._extended_shape(sample_shape), self.loc) - 1
        u = u.clamp(ad.finfo(u.dtype).eps - 1, 1 - ad.finfo(u.dtype).eps)
        return self.loc - self.scale * u.sign() * ad.log1p(-u.abs())

    def log_prob(self, value: Tensor) -> Tensor:
        return -ad.log(2 * self.scale) - (self._checked(value) - self.loc).abs() / self.scale

    def cdf(self, value: Tensor) -> Tensor:
        z = self._checked(value) - self.loc
        return 0.5 - 0.5 * z.sign() * ad.expm1(-z.abs() / self.scale)

    def icdf(self, value: Tensor) -> Tensor:
        u = value - 0.5
        return self.loc - self.scale * u.sign() * ad.log1p(-2 * u.abs())

    def entropy(self) -> Tensor:
        return 1 + ad.log(2 * self.scale)


class Cauchy(_LocScale):
    """The ratio of two independent normal values; it has neither mean nor variance."""

    @property
    def mean(self) -> Tensor:
        return ad.full_like(self.loc, math.nan, requires_grad=False)

    @property
    def variance(self) -> Tensor:
        return ad.full_like(self.loc, math.inf, requires_grad=False)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(uniform_like(self._extended_shape(sample_shape), self.loc))

    def log_prob(self, value: Tensor) -> Tensor:
        z = self._standard(value)
        return -math.log(math.pi) - self.scale.log() - ad.log1p(z * z)

    def cdf(self, value: Tensor) -> Tensor:
        return ad.atan(self._standard(value)) / math.pi + 0.5

    def icdf(self, value: Tensor) -> Tensor:
        return ad.tan(math.pi * (value - 0.5)) * self.scale + self.loc

    def entropy(self) -> Tensor:
        return math.log(4 * math.pi) + self.scale.log()


#: Euler's constant.
_EULER = 0.57721566490153286060


class Gumbel(_LocScale):
    """The largest of many values, in the limit."""

    @property
    def mean(self) -> Tensor:
        return self.loc + self.scale * _EULER

    @property
    def stddev(self) -> Tensor:
        return math.pi / math.sqrt(6) * self.scale

    @property
    def variance(self) -> Tensor:
        return self.stddev.square()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(uniform_like(self._extended_shape(sample_shape), self.loc))

    def log_prob(self, value: Tensor) -> Tensor:
        y = -self._standard(value)
        return y - y.exp() - self.scale.log()

    def cdf(self, value: Tensor) -> Tensor:
        return ad.exp(-ad.exp(-self._standard(value)))

    def icdf(self, value: Tensor) -> Tensor:
        return self.loc - self.scale * ad.log(-ad.log(value))

    def entropy(self) -> Tensor:
        return self.scale.log() + (1 + _EULER)


class StudentT(Distribution):
    """Student's t with ``df`` degrees of freedom."""

    arg_constraints = {"df": constraints.positive, **_LOC_SCALE}
    support: Any = constraints.real
    has_rsample = True
    df: Tensor
    loc: Tensor
    scale: Tensor

    def __init__(
        self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        self._take(validate_args, df=df, loc=loc, scale=scale)

    @property
    def mean(self) -> Tensor:
        return ad.where(self.df <= 1, math.nan, self.loc)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        safe = ad.where(self.df > 2, self.df, 3.0)
        finite = ad.where(self.df > 2, self.scale.square() * safe / (safe - 2), math.inf)
        return ad.where(self.df <= 1, math.nan, finite)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        from .sampling import standard_gamma

        shape = self._extended_shape(sample_shape)
        x = normal_like(shape, self.df)
        z = 2 * standard_gamma((0.5 * self.df).expand(shape))
        return self.loc + self.scale * (x * ad.rsqrt(z / self.df))

    def log_prob(self, value: Tensor) -> Tensor:
        y = (self._checked(value) - self.loc) / self.scale
        norm = (
            self.scale.log()
            + 0.5 * self.df.log()
            + 0.5 * math.log(math.pi)
            + ad.lgamma(0.5 * self.df)
            - ad.lgamma(0.5 * (self.df + 1.0))
        )
        return -0.5 * (self.df + 1.0) * ad.log1p(y * y / self.df) - norm

    def entropy(self) -> Tensor:
        half = 0.5 * self.df
        more = 0.5 * (self.df + 1)
        return (
            self.scale.log()
            + more * (ad.digamma(more) - ad.digamma(half))
            + 0.5 * self.df.log()
            + ad.lgamma(half)
            + math.lgamma(0.5)
            - ad.lgamma(more)
        )


class Uniform(Distribution):
    """Uniform in [``low``, ``high``). Raises ``ValueError`` unless ``low < high``."""

    has_rsample = True
    low: Tensor
    high: Tensor

    def __init__(self, low: Any, high: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, low=low, high=high)

    @property
    def arg_constraints(self) -> Any:  # type: ignore[override]
        return {
            "low": constraints.less_than(self.high),
            "high": constraints.greater_than(self.low),
        }

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        return constraints.interval(self.low, self.high)

    @property
    def mean(self) -> Tensor:
        return (self.high + self.low) / 2

    @property
    def mode(self) -> Tensor:
        return math.nan * self.high

    @property
    def stddev(self) -> Tensor:
        return (self.high - self.low) / 12**0.5

    @property
    def variance(self) -> Tensor:
        return (self.high - self.low).square() / 12

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape: Size = self._extended_shape(sample_shape)
        u = ad.rand(plain(shape), dtype=self.low.dtype, device=self.low.device)
        return self.low + u * (self.high - self.low)

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        inside = (self.low <= value) & (self.high > value)
        return ad.log(inside.to(self.low.dtype)) - ad.log(self.high - self.low)

    def cdf(self, value: Tensor) -> Tensor:
        return ((self._checked(value) - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Tensor:
        return ad.log(self.high - self.low)
