"""multivariate: normal vectors."""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Size, Tensor

from . import constraints
from .base import Distribution
from .location import normal_like
from .values import lazy_property


class MultivariateNormal(Distribution):
    """Normal vectors, with mean ``loc`` (``distributions.MultivariateNormal``).

    One of ``covariance_matrix``, ``precision_matrix`` (its inverse) and ``scale_tril`` (its
    Cholesky factor, the quickest) must be given.

    >>> import anadrome as ad
    >>> m = ad.distributions.MultivariateNormal(ad.zeros(2), ad.eye(2))
    >>> m.log_prob(ad.zeros(2))
    tensor(-1.8379)
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support: Any = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        name, matrix = the_one_given(given, ValueError)
        if matrix.ndim < 2:
            raise ValueError(
                f"{name}{' matrix' if name == 'scale_tril' else ''} must be at least "
                "two-dimensional, with optional leading batch dimensions"
            )
        batch = tuple(ad.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1]))
        setattr(self, name, matrix.expand((*batch, -1, -1)))
        self.loc = loc.expand((*batch, -1))
        super().__init__(batch, self.loc.shape[-1:], validate_args)
        self._unbroadcasted_scale_tril = factor_of(name, matrix)

    def _expand_rest(self, new: Any, batch_shape: Size) -> None:
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril

    def _full(self, matrix: Tensor) -> Tensor:
        return matrix.expand((*self._batch_shape, *self._event_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of the covariance."""
        return self._full(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The expected products of the entries' distances from their means."""
        return self._full(
            self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.transpose(-2, -1)
        )

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """Its inverse."""
        eye = ad.eye(
            self._unbroadcasted_scale_tril.shape[-1], dtype=self.loc.dtype, device=self.loc.device
        )
        inverse = ad.linalg.solve_triangular(self._unbroadcasted_scale_tril, eye, upper=False)
        return self._full(inverse.transpose(-2, -1) @ inverse)

    @property
    def mean(self) -> Tensor:
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @property
    def variance(self) -> Tensor:
        rows = self._unbroadcasted_scale_tril.square().sum(-1)
        return rows.expand((*self._batch_shape, *self._event_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        eps = normal_like(self._extended_shape(sample_shape), self.loc)
        return self.loc + _batch_mv(self._unbroadcasted_scale_tril, eps)

    def log_prob(self, value: Tensor) -> Tensor:
        difference = self._checked(value) - self.loc
        distance = _batch_mahalanobis(self._unbroadcasted_scale_tril, difference)
        size = self._event_shape[0] * math.log(2 * math.pi)
        return -0.5 * (size + distance) - self._half_log_det()

    def _half_log_det(self) -> Tensor:
        return ad.diagonal(self._unbroadcasted_scale_tril, dim1=-2, dim2=-1).log().sum(-1)

    def entropy(self) -> Tensor:
        size = 0.5 * self._event_shape[0] * (1.0 + math.log(2 * math.pi))
        entropy = size + self._half_log_det()
        return entropy.expand(self._batch_shape) if self._batch_shape else entropy


def _batch_mv(bmat: Tensor, bvec: Tensor) -> Tensor:
    """Matrices (..., m, n) times vectors (..., n): (..., m) (PyTorch's name)."""
    return (bmat @ bvec.unsqueeze(-1)).squeeze(-1)


def _batch_mahalanobis(bL: Tensor, bx: Tensor) -> Tensor:
    """Squared lengths of L⁻¹x, for factors (..., n, n) and vectors (..., n) (PyTorch's name)."""
    factor = bL.expand((*bx.shape[:-1], -1, -1))
    z = ad.linalg.solve_triangular(factor, bx.unsqueeze(-1), upper=False)
    return z.squeeze(-1).square().sum(-1)


def the_one_given(matrices: dict[str, Tensor | None], error: type[Exception]) -> tuple[str, Tensor]:
    """The name and value of the only matrix of the three that is there."""
    chosen = [(name, matrix) for name, matrix in matrices.items() if matrix is not None]
    if len(chosen) != 1:
        raise error(
            "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified."
        )
    return chosen[0]


def factor_of(name: str, matrix: Tensor) -> Tensor:
    """The Cholesky factor of the covariance, of whichever of the three was given."""
    if name == "scale_tril":
        return matrix
    if name == "covariance_matrix":
        return ad.linalg.cholesky(matrix)
    return _precision_to_scale_tril(matrix)


def _precision_to_scale_tril(P: Tensor) -> Tensor:
    """The Cholesky factor of the inverse, by one of the reversed matrix (PyTorch's name)."""
    reversed_factor = ad.linalg.cholesky(ad.flip(P, (-2, -1)))
    upper = ad.flip(reversed_factor, (-2, -1)).transpose(-2, -1)
    eye = ad.eye(P.shape[-1], dtype=P.dtype, device=P.device)
    return ad.linalg.solve_triangular(upper, eye, upper=False)
