"""correlations: Cholesky factors of correlation matrices, and the way to them from real vectors."""

from __future__ import annotations

import math
from typing import Any

import anadrome as ad
from anadrome import Size, Tensor
from anadrome.nn import functional as F
from anadrome.special import multigammaln

from . import constraints
from .base import Distribution
from .beta import Beta
from .location import normal_like
from .transforms import Transform
from .values import broadcast_all, tril_matrix_to_vec, vec_to_tril_matrix


class CorrCholeskyTransform(Transform):
    """Real vectors of ``n (n - 1) / 2`` to lower triangles with rows of length one and a positive
    diagonal (``distributions.CorrCholeskyTransform``).

    The tangens hyperbolicus of an entry is its share of what the entries before it leave of the
    row's length.

    >>> import anadrome as ad
    >>> ad.distributions.CorrCholeskyTransform()(ad.zeros(1))
    tensor([[1., 0.],
            [0., 1.]])
    """

    domain = constraints.real_vector
    codomain = constraints.corr_cholesky
    bijective = True

    def _call(self, x: Tensor) -> Tensor:
        eps = ad.finfo(x.dtype).eps
        share = vec_to_tril_matrix(ad.tanh(x).clamp(-1 + eps, 1 - eps), diag=-1)
        left = (1 - share.square()).sqrt().cumprod(-1)  # after each entry
        before = F.pad(left[..., :-1], (1, 0), value=1.0)
        return (share + ad.eye(share.shape[-1], dtype=x.dtype, device=x.device)) * before

    def _inverse(self, y: Tensor) -> Tensor:
        left = F.pad(1 - y.square().cumsum(-1)[..., :-1], (1, 0), value=1.0)
        share = tril_matrix_to_vec(y, diag=-1) / tril_matrix_to_vec(left, diag=-1).sqrt()
        return (ad.log1p(share) - ad.log1p(-share)) / 2

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """Of the entries below the diagonal."""
        left = tril_matrix_to_vec(1 - y.square().cumsum(-1), diag=-2)
        slope = x + F.softplus(-2 * x) - math.log(2)
        return 0.5 * left.log().sum(-1) - 2 * slope.sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        if len(shape) < 1:
            raise ValueError("Too few dimensions on input")
        n = round((0.25 + 2 * shape[-1]) ** 0.5 + 0.5)
        if n * (n - 1) // 2 != shape[-1]:
            raise ValueError("Input is not a flattened lower-diagonal number")
        return (*shape[:-1], n, n)

    def inverse_shape(self, shape: Any) -> Any:
        if len(shape) < 2:
            raise ValueError("Too few dimensions on input")
        if shape[-2] != shape[-1]:
            raise ValueError("Input is not square")
        return (*shape[:-2], shape[-1] * (shape[-1] - 1) // 2)


class LKJCholesky(Distribution):
    """The Cholesky factors of correlation matrices of size ``dim``, whose density is a power of the
    determinant (``distributions.LKJCholesky``).

    ``concentration``: 1 is uniform over correlation matrices, more is nearer to the identity.
    Lewandowski, Kurowicka and Joe, "Generating random correlation matrices based on vines and
    extended onion method", 2009, section 3.2, by which values are drawn. (PyTorch's draws differ
    from its density for ``dim`` above 2.)

    >>> import anadrome as ad
    >>> d = ad.distributions.LKJCholesky(2, 1.0)
    >>> d.log_prob(ad.eye(2)).exp()
    tensor(0.5000)
    """

    arg_constraints = {"concentration": constraints.positive}
    support: Any = constraints.corr_cholesky

    def __init__(
        self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def _expand_rest(self, new: Any, batch_shape: Size) -> None:
        new.dim = self.dim

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with ad.no_grad():
            eta = self.concentration.expand(shape[:-2])[..., None]
            # How much of a row's length is left of the diagonal: of rows from the second on.
            k = ad.arange(self.dim - 1, dtype=eta.dtype, device=eta.device)
            beta = Beta((k + 1) / 2, eta + (self.dim - 2 - k) / 2, validate_args=False)
            share = F.pad(beta.sample(), (1, 0)).unsqueeze(-1)
            way = normal_like(shape, eta).tril(-1)
            length = way.norm(dim=-1, keepdim=True)
            out = share.sqrt() * way / ad.where(length == 0, 1.0, length)
            rest = (1 - out.square().sum(-1)).clamp(min=ad.finfo(out.dtype).tiny)
            return out + rest.sqrt().diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        value = self._checked(value)
        n, eta = self.dim, self.concentration
        rows = ad.arange(2, n + 1, device=eta.device)
        order = 2 * (eta - 1).unsqueeze(-1) + n - rows
        density = (order * value.diagonal(dim1=-2, dim2=-1)[..., 1:].log()).sum(-1)
        alpha = eta + (n - 1) / 2
        norm = multigammaln(alpha - 0.5, p=n - 1) - (n - 1) * ad.lgamma(alpha)
        return density - norm - (n - 1) / 2 * math.log(math.pi)
