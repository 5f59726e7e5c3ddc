"""relaxed: choices that are nearly discrete, and have a gradient.

Maddison et al., "The Concrete Distribution", 2017; Jang et al., "Categorical Reparameterization
with Gumbel-Softmax", 2017.
"""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Size, Tensor

from . import constraints
from .categorical import _VECTORS, _OverCategorical
from .composed import TransformedDistribution
from .counts import _Coin
from .location import uniform_like
from .transforms import ExpTransform, SigmoidTransform
from .values import broadcast_all, either


class LogitRelaxedBernoulli(_Coin):
    """The logit of a ``RelaxedBernoulli``."""

    support: Any = constraints.real
    has_rsample = True

    def __init__(
        self,
        temperature: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        self.temperature = temperature
        self._given = either(probs, logits)
        self._take(validate_args, **{self._given: logits if probs is None else probs})

    def _expand_rest(self, new: Any, batch_shape: Size) -> None:
        super()._expand_rest(new, batch_shape)
        new.temperature = self.temperature

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        u = uniform_like(self._extended_shape(sample_shape), self._param)
        return (u.log() - ad.log1p(-u) + self.logits) / self.temperature

    def log_prob(self, value: Tensor) -> Tensor:
        logits, value = broadcast_all(self.logits, self._checked(value))
        difference = logits - value * self.temperature
        return (
            ad.log(_tensor(self.temperature, value)) + difference - 2 * ad.log1p(difference.exp())
        )


class RelaxedBernoulli(TransformedDistribution):
    """A coin that shows values between 0 and 1, the nearer to them the lower the ``temperature``.

    >>> import anadrome as ad
    >>> p = ad.tensor([0.3, 0.6], requires_grad=True)
    >>> ad.distributions.RelaxedBernoulli(0.5, p).rsample().requires_grad
    True
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support: Any = constraints.unit_interval

    def __init__(
        self,
        temperature: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        base = LogitRelaxedBernoulli(temperature, probs, logits)
        super().__init__(base, SigmoidTransform(), validate_args=validate_args)

    @property
    def temperature(self) -> Any:
        """How far from a coin it is."""
        return self.base_dist.temperature

    @property
    def probs(self) -> Tensor:
        """The probability of 1, in the limit of no temperature."""
        return self.base_dist.probs

    @property
    def logits(self) -> Tensor:
        """Its logit."""
        return self.base_dist.logits


class ExpRelaxedCategorical(_OverCategorical):
    """The logarithm of a ``RelaxedOneHotCategorical``."""

    support: Any = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        temperature: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        self.temperature = temperature
        self._over(probs, logits, validate_args)

    def _expand_rest(self, new: Any, batch_shape: Size) -> None:
        super()._expand_rest(new, batch_shape)
        new.temperature = self.temperature

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        u = uniform_like(self._extended_shape(sample_shape), self.logits)
        scores = (self.logits - ad.log(-u.log())) / self.temperature
        return scores - ad.logsumexp(scores, -1, keepdim=True)

    def log_prob(self, value: Tensor) -> Tensor:
        logits, value = broadcast_all(self.logits, self._checked(value))
        k = self._categorical._num_events
        scale = math.lgamma(k) + (k - 1) * ad.log(_tensor(self.temperature, value))
        score = logits - value * self.temperature
        return (score - ad.logsumexp(score, -1, keepdim=True)).sum(-1) + scale


class RelaxedOneHotCategorical(TransformedDistribution):
    """Vectors that sum up to 1, the nearer to one-hot vectors the lower the ``temperature``."""

    arg_constraints = _VECTORS
    support: Any = constraints.simplex

    def __init__(
        self,
        temperature: Any,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        base = ExpRelaxedCategorical(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, ExpTransform(), validate_args=validate_args)

    @property
    def temperature(self) -> Any:
        """How far from a one-hot vector it is."""
        return self.base_dist.temperature

    @property
    def probs(self) -> Tensor:
        """The probabilities, in the limit of no temperature."""
        return self.base_dist.probs

    @property
    def logits(self) -> Tensor:
        """Their logarithms."""
        return self.base_dist.logits


def _tensor(temperature: Any, like: Tensor) -> Tensor:
    if isinstance(temperature, Tensor):
        return temperature
    return ad.tensor(temperature, dtype=like.dtype, device=like.device)
