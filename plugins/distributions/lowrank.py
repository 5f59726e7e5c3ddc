"""lowrank: normal vectors whose covariance is a few directions and a diagonal."""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Size, Tensor

from . import constraints
from .base import Distribution
from .location import normal_like
from .values import lazy_property


class LowRankMultivariateNormal(Distribution):
    """Normal vectors of covariance ``cov_factor @ cov_factor.mT + diag(cov_diag)``
    (``distributions.LowRankMultivariateNormal``).

    ``loc``: (..., n). ``cov_factor``: (..., n, rank). ``cov_diag``: (..., n), positive.

    >>> import anadrome as ad
    >>> D = ad.distributions
    >>> D.LowRankMultivariateNormal(ad.zeros(2), ad.ones(2, 1), ad.ones(2)).covariance_matrix
    tensor([[2., 1.],
            [1., 2.]])
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support: Any = constraints.real_vector
    has_rsample = True

    def __init__(
        self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        if cov_factor.ndim < 2 or cov_factor.shape[-2] != loc.shape[-1]:
            raise ValueError(
                f"cov_factor must be a batch of matrices with shape {loc.shape[-1]} x m"
            )
        if cov_diag.ndim < 1 or cov_diag.shape[-1] != loc.shape[-1]:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {loc.shape[-1]}")
        batch = tuple(
            ad.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        )
        self.loc = loc.expand((*batch, -1))
        self.cov_factor = cov_factor.expand((*batch, -1, -1))
        self.cov_diag = cov_diag.expand((*batch, -1))
        super().__init__(batch, loc.shape[-1:], validate_args)

    def _expand_rest(self, new: Any, batch_shape: Size) -> None:
        new.loc = self.loc.expand((*batch_shape, -1))
        new.cov_factor = self.cov_factor.expand((*batch_shape, -1, -1))
        new.cov_diag = self.cov_diag.expand((*batch_shape, -1))

    @lazy_property
    def _capacitance_tril(self) -> Tensor:
        """The Cholesky factor of ``I + W.mT @ inv(D) @ W``, as small as the rank."""
        scaled = self.cov_factor.mT / self.cov_diag.unsqueeze(-2)
        inner = scaled @ self.cov_factor
        eye = ad.eye(inner.shape[-1], dtype=inner.dtype, device=inner.device)
        return ad.linalg.cholesky(inner + eye)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        return self.cov_factor.square().sum(-1) + self.cov_diag

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The expected products of the entries' distances from their means."""
        return self.cov_factor @ self.cov_factor.mT + self.cov_diag.diag_embed()

    @lazy_property
    def scale_tril(self) -> Tensor:
        """Its Cholesky factor."""
        return ad.linalg.cholesky(self.covariance_matrix)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """Its inverse."""
        scaled = self.cov_factor.mT / self.cov_diag.unsqueeze(-2)
        a = ad.linalg.solve_triangular(self._capacitance_tril, scaled, upper=False)
        return self.cov_diag.reciprocal().diag_embed() - a.mT @ a

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        few = normal_like((*shape[:-1], self.cov_factor.shape[-1]), self.loc)
        each = normal_like(shape, self.loc)
        along = (self.cov_factor @ few.unsqueeze(-1)).squeeze(-1)
        return self.loc + along + self.cov_diag.sqrt() * each

    def log_prob(self, value: Tensor) -> Tensor:
        difference = self._checked(value) - self.loc
        scaled = self.cov_factor.mT / self.cov_diag.unsqueeze(-2)
        inner = scaled @ difference.unsqueeze(-1)
        factor = self._capacitance_tril.expand((*inner.shape[:-2], -1, -1))
        taken = ad.linalg.solve_triangular(factor, inner, upper=False).squeeze(-1)
        distance = (difference.square() / self.cov_diag).sum(-1) - taken.square().sum(-1)
        size = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (size + self._log_det() + distance)

    def _log_det(self) -> Tensor:
        diagonal = self._capacitance_tril.diagonal(dim1=-2, dim2=-1)
        return 2 * diagonal.log().sum(-1) + self.cov_diag.log().sum(-1)

    def entropy(self) -> Tensor:
        size = self._event_shape[0] * (1.0 + math.log(2 * math.pi))
        entropy = 0.5 * (size + self._log_det())
        return entropy.expand(self._batch_shape) if self._batch_shape else entropy
