"""continuous: a Bernoulli distribution's likelihood, as a density of values between 0 and 1."""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Tensor

from . import constraints
from .counts import _Coin
from .location import uniform_like
from .values import broadcast_all, clamp_probs, either


class ContinuousBernoulli(_Coin):
    """Values between 0 and 1 of a density that rises or falls exponentially, by the factor
    ``probs / (1 - probs)`` (``distributions.ContinuousBernoulli``).

    ``lims``: between them, where the formulas divide by nearly nothing, series are used. Paper:
    Loaiza-Ganem and Cunningham, "The continuous Bernoulli: fixing a pervasive error in variational
    autoencoders", 2019.

    >>> import anadrome as ad
    >>> ad.distributions.ContinuousBernoulli(probs=0.5).mean
    tensor(0.5000)
    """

    support: Any = constraints.unit_interval
    has_rsample = True

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        self._given = either(probs, logits)
        self._lims = float(lims[0]), float(lims[1])
        if probs is not None:
            (probs,) = broadcast_all(probs)
            if validate_args and not bool(constraints.unit_interval.check(probs).all()):
                raise ValueError("The parameter probs has invalid values")
            probs = clamp_probs(probs)
        self._take(validate_args, **{self._given: logits if probs is None else probs})

    def _expand_rest(self, new: Any, batch_shape: Any) -> None:
        super()._expand_rest(new, batch_shape)
        new._lims = self._lims

    def _either(self, formula: Any, series: Any) -> Tensor:
        """``formula`` of the probability and its logit, or ``series`` in its distance from 1/2."""
        p = self.probs
        far = (p <= self._lims[0]) | (p > self._lims[1])
        safe = ad.where(far, p, self._lims[0])
        return ad.where(far, formula(safe, safe.log() - ad.log1p(-safe)), series(p - 0.5))

    def _log_norm(self) -> Tensor:
        return self._either(
            lambda p, z: z.abs().log() - (2 * p - 1).abs().log(),
            lambda d: math.log(2) + d.square() * (4 / 3 + 104 / 45 * d.square()),
        )

    @property
    def mean(self) -> Tensor:
        return self._either(
            lambda p, z: p / (2 * p - 1) - 1 / z,
            lambda d: 0.5 + d * (1 / 3 + 16 / 45 * d.square()),
        )

    @property
    def variance(self) -> Tensor:
        return self._either(
            lambda p, z: 1 / z.square() - p * (1 - p) / (1 - 2 * p).square(),
            lambda d: 1 / 12 - d.square() * (1 / 15 - 128 / 945 * d.square()),
        )

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(uniform_like(self._extended_shape(sample_shape), self.probs))

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        p = self._clamped()
        return value * p.log() + (1 - value) * ad.log1p(-p) + self._log_norm()

    def _clamped(self) -> Tensor:
        return clamp_probs(self.probs)

    def cdf(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        out = self._either(
            lambda p, z: (p**value * (1 - p) ** (1 - value) + p - 1) / (2 * p - 1),
            lambda d: value + d * 0,
        )
        return ad.where(value <= 0, 0.0, ad.where(value >= 1, 1.0, out))

    def icdf(self, value: Tensor) -> Tensor:
        return self._either(
            lambda p, z: (ad.log1p(value * (2 * p - 1) - p) - ad.log1p(-p)) / z,
            lambda d: value + d * 0,
        )

    def entropy(self) -> Tensor:
        p = self._clamped()
        yes, no = p.log(), ad.log1p(-p)
        return self.mean * (no - yes) - self._log_norm() - no
