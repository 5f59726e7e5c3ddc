"""wishart: random covariances."""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Size, Tensor, sites
from anadrome.special import multigammaln

from . import constraints
from .family import ExponentialFamily
from .location import normal_like
from .multivariate import factor_of, the_one_given
from .sampling import standard_gamma
from .values import lazy_property, plain, size_of

#: Draws after which a singular one is given out all the same.
_TRIES = 10


class Wishart(ExponentialFamily):
    """Sums of ``df`` squares of normal vectors, ``x @ x.mT`` (``distributions.Wishart``).

    ``df``: more than n - 1, also a fraction. One of ``covariance_matrix`` of the vectors, its
    inverse ``precision_matrix`` and its Cholesky factor ``scale_tril`` must be given, (..., n, n).
    Draws are by Bartlett's decomposition.

    >>> import anadrome as ad
    >>> ad.distributions.Wishart(3.0, covariance_matrix=ad.eye(2)).mean
    tensor([[3., 0.],
            [0., 3.]])
    """

    support: Any = constraints.positive_definite
    has_rsample = True
    _mean_carrier_measure = 0

    @property
    def arg_constraints(self) -> Any:  # type: ignore[override]
        """The constraint of ``df`` depends on the size."""
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self._event_shape[-1] - 1),
        }

    def __init__(
        self,
        df: Any,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        given = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        name, matrix = the_one_given(given, AssertionError)
        if matrix.ndim < 2:
            raise ValueError(
                "scale_tril must be at least two-dimensional, with optional leading batch "
                "dimensions"
            )
        if not isinstance(df, Tensor):
            df = ad.tensor(float(df), dtype=matrix.dtype, device=matrix.device)
        batch = tuple(ad.broadcast_shapes(matrix.shape[:-2], df.shape))
        n = matrix.shape[-1]
        if bool((df <= n - 1).any()):
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        if bool((df < n).any()):
            sites.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 "
                "< df < ndim.",
            )
        self.df = df.expand(batch)
        setattr(self, name, matrix.expand((*batch, -1, -1)))
        super().__init__(batch, matrix.shape[-2:], validate_args)
        self._unbroadcasted_scale_tril = factor_of(name, matrix)

    def _expand_rest(self, new: Any, batch_shape: Size) -> None:
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril
        new._event_shape = self._event_shape

    def _full(self, matrix: Tensor) -> Tensor:
        return matrix.expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of the covariance."""
        return self._full(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """That of the vectors."""
        return self._full(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """Its inverse."""
        eye = ad.eye(
            self._unbroadcasted_scale_tril.shape[-1],
            dtype=self._unbroadcasted_scale_tril.dtype,
            device=self.df.device,
        )
        inverse = ad.linalg.solve_triangular(self._unbroadcasted_scale_tril, eye, upper=False)
        return self._full(inverse.mT @ inverse)

    @property
    def mean(self) -> Tensor:
        return self.df[..., None, None] * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        factor = self.df - self._event_shape[-1] - 1
        factor = ad.where(factor > 0, factor, math.nan)
        return factor[..., None, None] * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        V = self.covariance_matrix
        d = V.diagonal(dim1=-2, dim2=-1)
        return self.df[..., None, None] * (V.square() + d[..., None] * d[..., None, :])

    def rsample(self, sample_shape: Any = (), max_try_correction: int | None = None) -> Tensor:
        shape = (*size_of(sample_shape), *self._batch_shape)
        out = self._drawn(shape)
        for _ in range(_TRIES if max_try_correction is None else max_try_correction):
            singular = ~constraints.positive_definite.check(out.detach())
            if not bool(singular.any()):
                return out
            out = ad.where(singular[..., None, None], self._drawn(shape), out)
        return out

    def _drawn(self, shape: Any) -> Tensor:
        n = self._event_shape[-1]
        fewer = ad.arange(n, dtype=self._unbroadcasted_scale_tril.dtype, device=self.df.device)
        degrees = self.df[..., None] - fewer
        squares = 2 * standard_gamma((degrees * 0.5).expand(plain((*shape, n))))
        normal = normal_like((*shape, n, n), self._unbroadcasted_scale_tril).tril(-1)
        factor = self._unbroadcasted_scale_tril @ (normal + squares.sqrt().diag_embed())
        return factor @ factor.mT

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        nu, n = self.df, self._event_shape[-1]
        factor = self._unbroadcasted_scale_tril.expand((*value.shape[:-2], *self._event_shape))
        trace = value.cholesky_solve(factor)
        trace = trace.diagonal(dim1=-2, dim2=-1).sum(-1)
        return (
            (nu - n - 1) / 2 * ad.linalg.slogdet(value)[1]
            - trace / 2
            - nu * self._half_log_det()
            - multigammaln(nu / 2, p=n)
        )

    def _half_log_det(self) -> Tensor:
        """Of twice the covariance."""
        n = self._event_shape[-1]
        return (
            self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)
            + n * math.log(2) / 2
        )

    def entropy(self) -> Tensor:
        nu, n = self.df, self._event_shape[-1]
        slope = sum(ad.digamma((nu - k) / 2) for k in range(n))
        return (
            (n + 1) * self._half_log_det()
            + multigammaln(nu / 2, p=n)
            - (nu - n - 1) / 2 * slope
            + nu * n / 2
        )

    @property
    def _natural_params(self) -> tuple[Tensor, Tensor]:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        x, y = natural_params
        n = self._event_shape[-1]
        half = y + (n + 1) / 2
        return half * (n * math.log(2) - ad.linalg.slogdet(-2 * x)[1]) + multigammaln(half, p=n)
