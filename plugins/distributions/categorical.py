"""categorical: one of several, as a number, as a vector, or counted."""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Size, Tensor
from anadrome.nn import functional as F

from . import constraints
from .base import Distribution
from .counts import Binomial
from .values import broadcast_all, either, lazy_property, size_of, to_logits, to_probs

_VECTORS = {"probs": constraints.simplex, "logits": constraints.real_vector}


class Categorical(Distribution):
    """A number from 0 on, by the ``probs`` (or ``logits``) along the last dimension
    (``distributions.Categorical``). They need not be normalised: here they are.

    >>> import anadrome as ad
    >>> c = ad.distributions.Categorical(ad.tensor([1.0, 3.0]))
    >>> c.probs
    tensor([0.2500, 0.7500])
    >>> c.sample((4,)).shape
    anadrome.Size([4])
    """

    arg_constraints = _VECTORS
    has_enumerate_support = True
    _given: str

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._given = either(probs, logits)
        given = logits if probs is None else probs
        if given.ndim < 1:
            raise ValueError(f"`{self._given}` parameter must be at least one-dimensional.")
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
        else:
            self.logits = logits - ad.logsumexp(logits, -1, keepdim=True)
        self._num_events = int(given.shape[-1])
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities, which sum up to 1."""
        return to_probs(self.logits)

    @lazy_property
    def logits(self) -> Tensor:
        """Their logarithms."""
        return to_logits(self.probs)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:  # type: ignore[override]
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def _param(self) -> Tensor:
        return getattr(self, self._given)

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter that was given."""
        return self._param.shape

    def _expand_rest(self, new: Any, batch_shape: Size) -> None:
        new._given = self._given
        new._num_events = self._num_events

    @property
    def mean(self) -> Tensor:
        return self.probs.new_full(self._extended_shape(), math.nan)

    @property
    def variance(self) -> Tensor:
        return self.probs.new_full(self._extended_shape(), math.nan)

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        count = math.prod(size_of(sample_shape))
        rows = self.probs.detach().reshape(-1, self._num_events)
        drawn = ad.multinomial(rows, max(count, 1), True).t()[:count]
        return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        index = self._checked(value).to(ad.int64).unsqueeze(-1)
        index, logits = ad.broadcast_tensors(index, self.logits)
        return ad.gather(logits, -1, index[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        logits = ad.clamp(self.logits, min=ad.finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = ad.arange(self._num_events, device=self._param.device)
        values = values.reshape((-1, *[1] * len(self._batch_shape)))
        return values.expand((-1, *self._batch_shape)) if expand else values


class _OverCategorical(Distribution):
    """What distributions of vectors over categories have in common."""

    arg_constraints = _VECTORS
    _categorical: Categorical

    @property
    def probs(self) -> Tensor:
        """The probabilities, which sum up to 1."""
        return self._categorical.probs

    @property
    def logits(self) -> Tensor:
        """Their logarithms."""
        return self._categorical.logits

    @property
    def _param(self) -> Tensor:
        return self._categorical._param

    @property
    def param_shape(self) -> Size:
        """The shape of the parameter that was given."""
        return self._categorical.param_shape

    def _expand_rest(self, new: Any, batch_shape: Size) -> None:
        new._categorical = self._categorical.expand(batch_shape)

    def _over(self, probs: Any, logits: Any, validate_args: bool | None) -> None:
        self._categorical = Categorical(probs, logits)
        Distribution.__init__(
            self,
            self._categorical.batch_shape,
            self._categorical.param_shape[-1:],
            validate_args,
        )


class OneHotCategorical(_OverCategorical):
    """One of several, as a vector of zeros with a one in its place."""

    support: Any = constraints.one_hot
    has_enumerate_support = True

    def __init__(
        self, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        self._over(probs, logits, validate_args)

    @property
    def mean(self) -> Tensor:
        return self.probs

    @property
    def mode(self) -> Tensor:
        return self._one_hot(self.probs.argmax(-1))

    @property
    def variance(self) -> Tensor:
        return self.probs * (1 - self.probs)

    def _one_hot(self, index: Tensor) -> Tensor:
        return F.one_hot(index, self._categorical._num_events).to(self.probs.dtype)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self._one_hot(self._categorical.sample(sample_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        return self._categorical.log_prob(self._checked(value).argmax(-1))

    def entropy(self) -> Tensor:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        n = self._categorical._num_events
        values = ad.eye(n, dtype=self._param.dtype, device=self._param.device)
        values = values.reshape((n, *[1] * len(self._batch_shape), n))
        return values.expand((n, *self._batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """The same, with a gradient that takes the sample for its probabilities.

    Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons", 2013.
    """

    has_rsample = True

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class Multinomial(_OverCategorical):
    """How often each of several came in ``total_count`` draws."""

    total_count: int

    def __init__(
        self,
        total_count: int = 1,
        probs: Any = None,
        logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._over(probs, logits, validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:  # type: ignore[override]
        return constraints.multinomial(self.total_count)

    def _expand_rest(self, new: Any, batch_shape: Size) -> None:
        super()._expand_rest(new, batch_shape)
        new.total_count = self.total_count

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        drawn = self._categorical.sample((self.total_count, *size_of(sample_shape)))
        drawn = ad.movedim(drawn, 0, -1)
        counts = ad.zeros(
            tuple(self._extended_shape(sample_shape)),
            dtype=self.probs.dtype,
            device=self.probs.device,
        )
        return ad.scatter_add(counts, -1, drawn, ad.ones_like(drawn, dtype=counts.dtype))

    def log_prob(self, value: Tensor) -> Tensor:
        logits, value = broadcast_all(self.logits, self._checked(value))
        logits = ad.where((value == 0) & (logits == -math.inf), 0.0, logits)
        ways = ad.lgamma(value.sum(-1) + 1) - ad.lgamma(value + 1).sum(-1)
        return ways + (logits * value).sum(-1)

    def entropy(self) -> Tensor:
        each = Binomial(self.total_count, probs=self.probs, validate_args=False)
        counts = each.enumerate_support(expand=False)[1:]
        weights = ad.lgamma(counts + 1)
        repeated = (each.log_prob(counts).exp() * weights).sum((0, -1))
        ways = math.lgamma(self.total_count + 1)
        return self.total_count * self._categorical.entropy() - ways + repeated
