"""counts: coins and what is counted with them."""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.counts import binomial, poisson
from anadrome.nn import functional as F

from . import constraints
from .base import Distribution
from .location import uniform_like
from .sampling import standard_gamma
from .values import (
    binary_entropy,
    broadcast_all,
    either,
    lazy_property,
    plain,
    to_logits,
    to_probs,
)


class _Coin(Distribution):
    """What distributions with ``probs`` or ``logits`` of an event have in common."""

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    _given: str

    @lazy_property
    def probs(self) -> Tensor:
        """The probability of the event."""
        return to_probs(self.logits, is_binary=True)

    @lazy_property
    def logits(self) -> Tensor:
        """Its logarithm less that of the contrary."""
        return to_logits(self.probs, is_binary=True)

    @property
    def _param(self) -> Tensor:
        return getattr(self, self._given)

    @property
    def param_shape(self) -> Any:
        """The shape of the parameter that was given."""
        return self._param.shape

    def _expand_rest(self, new: Any, batch_shape: Any) -> None:
        new._given = self._given


def _first_dimension(values: Tensor, batch_shape: Any, expand: bool) -> Tensor:
    """All values along the first dimension, for each place of the batch."""
    values = values.reshape((-1, *[1] * len(batch_shape)))
    return values.expand((-1, *batch_shape)) if expand else values


class Bernoulli(_Coin):
    """1 with the probability ``probs`` (or its ``logits``), else 0 (``distributions.Bernoulli``).

    >>> import anadrome as ad
    >>> ad.distributions.Bernoulli(probs=0.25).log_prob(ad.tensor(1.0)).exp()
    tensor(0.2500)
    """

    support: Any = constraints.boolean
    has_enumerate_support = True

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._given = either(probs, logits)
        self._take(validate_args, **{self._given: logits if probs is None else probs})

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return ad.where(self.probs == 0.5, math.nan, mode)

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with ad.no_grad():
            return ad.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Tensor) -> Tensor:
        logits, value = broadcast_all(self.logits, self._checked(value))
        return -F.binary_cross_entropy_with_logits(logits, value, reduction="none")

    def entropy(self) -> Tensor:
        return binary_entropy(self.logits, self.probs)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = ad.arange(2, dtype=self._param.dtype, device=self._param.device)
        return _first_dimension(values, self._batch_shape, expand)


class Geometric(_Coin):
    """How often a coin fails before it first succeeds."""

    support: Any = constraints.nonnegative_integer

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._given = either(probs, logits)
        self._take(validate_args, **{self._given: logits if probs is None else probs})
        if self._validate_args and probs is not None and not bool((self.probs > 0).all()):
            raise ValueError(
                f"Expected parameter probs (Tensor of shape {tuple(self.probs.shape)}) of "
                f"distribution {self!r} to be positive but found invalid values:\n"
                f"{self.probs.detach()[self.probs <= 0]}"
            )

    @property
    def mean(self) -> Tensor:
        return 1.0 / self.probs - 1.0

    @property
    def mode(self) -> Tensor:
        return ad.zeros_like(self.probs, requires_grad=False)

    @property
    def variance(self) -> Tensor:
        return (1.0 / self.probs - 1.0) / self.probs

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with ad.no_grad():
            u = uniform_like(self._extended_shape(sample_shape), self.probs)
            return ad.floor(u.log() / ad.log1p(-self.probs))

    def log_prob(self, value: Tensor) -> Tensor:
        value, probs = broadcast_all(self._checked(value), self.probs)
        certain = (probs == 1) & (value == 0)
        return value * ad.log1p(-ad.where(certain, 0.0, probs)) + self.probs.log()

    def entropy(self) -> Tensor:
        return binary_entropy(self.logits, self.probs) / self.probs


class Binomial(_Coin):
    """How many of ``total_count`` throws of a coin succeed."""

    arg_constraints = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    has_enumerate_support = True
    total_count: Tensor

    def __init__(
        self,
        total_count: Any = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        self._given = either(probs, logits)
        count, given = broadcast_all(total_count, logits if probs is None else probs)
        self._take(validate_args, total_count=count.to(given.dtype), **{self._given: given})

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        return constraints.integer_interval(0, self.total_count)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.probs

    @property
    def mode(self) -> Tensor:
        return ad.minimum(ad.floor((self.total_count + 1) * self.probs), self.total_count)

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with ad.no_grad():
            return binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def log_prob(self, value: Tensor) -> Tensor:
        value, n = self._checked(value), self.total_count
        # log(1 - p) by the logits, so that nothing overflows on either side.
        positive = (self.logits.clamp(min=0) + self.logits - self.logits.clamp(max=0)) / 2
        rest = n * positive + n * ad.log1p(ad.exp(-self.logits.abs()))
        ways = ad.lgamma(n + 1) - ad.lgamma(value + 1) - ad.lgamma(n - value + 1)
        return value * self.logits + ways - rest

    def entropy(self) -> Tensor:
        log_prob = self.log_prob(self._all("entropy", False))
        return -(log_prob.exp() * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        return self._all("enumerate_support", expand)

    def _all(self, what: str, expand: bool) -> Tensor:
        most = int(self.total_count.max().item())
        if self.total_count.min() != self.total_count.max():
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{what}`.")
        values = ad.arange(1 + most, dtype=self._param.dtype, device=self._param.device)
        return _first_dimension(values, self._batch_shape, expand)


class NegativeBinomial(_Coin):
    """How often a coin succeeds before it has failed ``total_count`` times."""

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support: Any = constraints.nonnegative_integer
    total_count: Tensor

    def __init__(
        self,
        total_count: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        self._given = either(probs, logits)
        count, given = broadcast_all(total_count, logits if probs is None else probs)
        self._take(validate_args, total_count=count.to(given.dtype), **{self._given: given})

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        return ad.floor((self.total_count - 1) * self.logits.exp()).clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        return self.mean / ad.sigmoid(-self.logits)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with ad.no_grad():
            rate = standard_gamma(self.total_count.expand(shape)) * self.logits.exp()
            return poisson(rate)

    def log_prob(self, value: Tensor) -> Tensor:
        value, n = self._checked(value), self.total_count
        log = n * F.logsigmoid(-self.logits) + value * F.logsigmoid(self.logits)
        ways = ad.lgamma(n + value) - ad.lgamma(1.0 + value) - ad.lgamma(n)
        return log + ad.where(n + value == 0, 0.0, ways)


class Poisson(Distribution):
    """How many events happen in a unit of time, if ``rate`` do on average."""

    arg_constraints = {"rate": constraints.nonnegative}
    support: Any = constraints.nonnegative_integer
    rate: Tensor

    def __init__(self, rate: Any, validate_args: bool | None = None) -> None:
        self._take(validate_args, rate=rate)

    @property
    def mean(self) -> Tensor:
        return self.rate

    @property
    def mode(self) -> Tensor:
        return ad.floor(self.rate)

    @property
    def variance(self) -> Tensor:
        return self.rate

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with ad.no_grad():
            return poisson(self.rate.expand(plain(self._extended_shape(sample_shape))))

    def log_prob(self, value: Tensor) -> Tensor:
        rate, value = broadcast_all(self.rate, self._checked(value))
        return ad.xlogy(value, rate) - rate - ad.lgamma(value + 1)
