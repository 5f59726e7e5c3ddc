"""mixture: one of several distributions of one family."""

from __future__ import annotations

from typing import Any, ClassVar

import anadrome as ad
from anadrome import Size, Tensor
from anadrome.nn import functional as F

from . import constraints
from .base import Distribution
from .categorical import Categorical


class MixtureSameFamily(Distribution):
    """A value of one of several distributions, which ``mixture_distribution`` (a ``Categorical``)
    chooses along the last batch dimension of ``component_distribution``.

    Raises ``ValueError`` if the shapes do not fit.

    >>> import anadrome as ad
    >>> D = ad.distributions
    >>> parts = D.Normal(ad.tensor([-1.0, 1.0]), 0.5)
    >>> D.MixtureSameFamily(D.Categorical(ad.tensor([1.0, 3.0])), parts).mean
    tensor(0.5000)
    """

    arg_constraints: ClassVar[Any] = {}

    def __init__(
        self,
        mixture_distribution: Any,
        component_distribution: Any,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(mixture_distribution, Categorical):
            raise ValueError(
                " The Mixture distribution needs to be an  instance of "
                "torch.distributions.Categorical"
            )
        if not isinstance(component_distribution, Distribution):
            raise ValueError(
                "The Component distribution needs to be an instance of "
                "torch.distributions.Distribution"
            )
        ours, theirs = mixture_distribution.batch_shape, component_distribution.batch_shape[:-1]
        if any(1 != i != j != 1 for i, j in zip(reversed(ours), reversed(theirs))):
            raise ValueError(
                f"`mixture_distribution.batch_shape` ({ours}) is not compatible with "
                f"`component_distribution.batch_shape`({theirs})"
            )
        count, parts = mixture_distribution._num_events, component_distribution.batch_shape[-1]
        if count != parts:
            raise ValueError(
                f"`mixture_distribution component` ({count}) does not equal "
                f"`component_distribution.batch_shape[-1]` ({parts})"
            )
        self.mixture_distribution = mixture_distribution
        self.component_distribution = component_distribution
        super().__init__(theirs, component_distribution.event_shape, validate_args)

    def _expand_rest(self, new: Any, batch_shape: Size) -> None:
        count = self.mixture_distribution._num_events
        new.component_distribution = self.component_distribution.expand((*batch_shape, count))
        new.mixture_distribution = self.mixture_distribution.expand(batch_shape)

    @constraints.dependent_property
    def support(self) -> Any:  # type: ignore[override]
        return constraints.MixtureSameFamilyConstraint(self.component_distribution.support)

    @property
    def _axis(self) -> int:
        """Where the parts lie in a value of all of them."""
        return -1 - len(self._event_shape)

    def _weights(self) -> Tensor:
        probs = self.mixture_distribution.probs
        return probs.reshape((*probs.shape, *[1] * len(self._event_shape)))

    @property
    def mean(self) -> Tensor:
        return (self._weights() * self.component_distribution.mean).sum(self._axis)

    @property
    def variance(self) -> Tensor:
        weights, parts = self._weights(), self.component_distribution
        between = (parts.mean - self.mean.unsqueeze(self._axis)).square()
        return (weights * (parts.variance + between)).sum(self._axis)

    def cdf(self, value: Tensor) -> Tensor:
        each = self.component_distribution.cdf(value.unsqueeze(self._axis))
        return (each * self.mixture_distribution.probs).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value).unsqueeze(self._axis)
        weights = F.log_softmax(self.mixture_distribution.logits, dim=-1)
        return ad.logsumexp(self.component_distribution.log_prob(value) + weights, -1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with ad.no_grad():
            chosen = self.mixture_distribution.sample(sample_shape)
            values = self.component_distribution.sample(sample_shape)
            chosen = chosen.reshape((*chosen.shape, 1, *[1] * len(self._event_shape)))
            rest = values.shape[values.ndim + self._axis + 1 :]
            chosen = chosen.expand((*values.shape[: values.ndim + self._axis], 1, *rest))
            return ad.gather(values, self._axis, chosen).squeeze(self._axis)

    def __repr__(self) -> str:
        parts = f"\n  {self.mixture_distribution},\n  {self.component_distribution}"
        return f"MixtureSameFamily({parts})"
