"""structured: transforms of vectors, matrices and whole shapes (``distributions.transforms``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.nn import functional as F

from . import constraints
from .transforms import Transform
from .values import sum_rightmost


class IndependentTransform(Transform):
    """Another transform, whose last ``reinterpreted_batch_ndims`` dimensions make one value."""

    def __init__(
        self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0
    ) -> None:
        super().__init__(cache_size)
        self.base_transform = base_transform
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims
        self.bijective = base_transform.bijective

    @property
    def domain(self) -> Any:  # type: ignore[override]
        domain = self.base_transform.domain
        return constraints.independent(domain, self.reinterpreted_batch_ndims)

    @property
    def codomain(self) -> Any:  # type: ignore[override]
        codomain = self.base_transform.codomain
        return constraints.independent(codomain, self.reinterpreted_batch_ndims)

    @property
    def sign(self) -> Any:
        return self.base_transform.sign

    def _call(self, x: Tensor) -> Tensor:
        if x.ndim < self.domain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform(x)

    def _inverse(self, y: Tensor) -> Tensor:
        if y.ndim < self.codomain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform.inv(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        stretch = self.base_transform.log_abs_det_jacobian(x, y)
        return sum_rightmost(stretch, self.reinterpreted_batch_ndims)

    def forward_shape(self, shape: Any) -> Any:
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self.base_transform.inverse_shape(shape)

    def __repr__(self) -> str:
        return f"IndependentTransform({self.base_transform!r}, {self.reinterpreted_batch_ndims})"


class ReshapeTransform(Transform):
    """The last dimensions, of ``in_shape``, as ``out_shape``, which has as many elements."""

    bijective = True

    def __init__(self, in_shape: Any, out_shape: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.in_shape, self.out_shape = ad.Size(in_shape), ad.Size(out_shape)
        if math.prod(self.in_shape) != math.prod(self.out_shape):
            raise ValueError("in_shape, out_shape have different numbers of elements")

    @property
    def domain(self) -> Any:  # type: ignore[override]
        return constraints.independent(constraints.real, len(self.in_shape))

    @property
    def codomain(self) -> Any:  # type: ignore[override]
        return constraints.independent(constraints.real, len(self.out_shape))

    def _call(self, x: Tensor) -> Tensor:
        return x.reshape(self.forward_shape(x.shape))

    def _inverse(self, y: Tensor) -> Tensor:
        return y.reshape(self.inverse_shape(y.shape))

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return x.new_zeros(x.shape[: x.ndim - len(self.in_shape)])

    def forward_shape(self, shape: Any) -> Any:
        return _replaced(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Any) -> Any:
        return _replaced(shape, self.out_shape, self.in_shape)


def _replaced(shape: Any, old: Any, new: Any) -> tuple[int, ...]:
    cut = len(shape) - len(old)
    if cut < 0:
        raise ValueError("Too few dimensions on input")
    if tuple(shape[cut:]) != tuple(old):
        raise ValueError(f"Shape mismatch: expected {tuple(old)} but got {tuple(shape[cut:])}")
    return (*shape[:cut], *new)


class SoftmaxTransform(Transform):
    """Vectors to shares of one; the logarithm leads back to one of the vectors."""

    domain: Any = constraints.real_vector
    codomain: Any = constraints.simplex

    _told_by = ()

    def _call(self, x: Tensor) -> Tensor:
        return x.softmax(-1)

    def _inverse(self, y: Tensor) -> Tensor:
        return y.log()


class StickBreakingTransform(Transform):
    """Vectors to shares of one more entry: each takes its part of what those before it left.

    >>> import anadrome as ad
    >>> ad.distributions.StickBreakingTransform()(ad.zeros(2))
    tensor([0.3333, 0.3333, 0.3333])
    """

    domain: Any = constraints.real_vector
    codomain: Any = constraints.simplex
    bijective = True

    _told_by = ()

    def _call(self, x: Tensor) -> Tensor:
        part = _kept_off(ad.sigmoid(x - _left_over(x).log()))
        left = (1 - part).cumprod(-1)
        return F.pad(part, [0, 1], value=1.0) * F.pad(left, [1, 0], value=1.0)

    def _inverse(self, y: Tensor) -> Tensor:
        head = y[..., :-1]
        rest = (1 - head.cumsum(-1)).clamp(min=ad.finfo(y.dtype).tiny)
        return head.log() - rest.log() + _left_over(head).log()

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        x = x - _left_over(x).log()
        return (-x + F.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        return (*shape[:-1], shape[-1] + 1)

    def inverse_shape(self, shape: Any) -> Any:
        return (*shape[:-1], shape[-1] - 1)


def _left_over(x: Tensor) -> Tensor:
    """How many entries are still to come, at each place."""
    n = x.shape[-1]
    return ad.arange(n, 0, -1, dtype=x.dtype, device=x.device)


def _kept_off(share: Tensor) -> Tensor:
    """Off 0 and 1."""
    info = ad.finfo(share.dtype)
    return share.clamp(info.tiny, 1.0 - info.eps)


class LowerCholeskyTransform(Transform):
    """Any matrix to a lower triangular one with a positive diagonal."""

    domain: Any = constraints.independent(constraints.real, 2)
    codomain: Any = constraints.lower_cholesky

    _told_by = ()

    def _call(self, x: Tensor) -> Tensor:
        return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()

    def _inverse(self, y: Tensor) -> Tensor:
        return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


class PositiveDefiniteTransform(Transform):
    """Any matrix to a positive definite one."""

    domain: Any = constraints.independent(constraints.real, 2)
    codomain: Any = constraints.positive_definite

    _told_by = ()

    def _call(self, x: Tensor) -> Tensor:
        factor = LowerCholeskyTransform()(x)
        return factor @ factor.mT

    def _inverse(self, y: Tensor) -> Tensor:
        return LowerCholeskyTransform().inv(ad.linalg.cholesky(y))


class _Several(Transform):
    """A transform for each part along a dimension."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.transforms = list(tseq)
        self.dim = dim
        self.bijective = all(t.bijective for t in self.transforms)
        events = [max(t.domain.event_dim, t.codomain.event_dim) for t in self.transforms]
        self.event_dim = max(events, default=0)
        self.domain = _of_reals(self.event_dim)
        self.codomain = _of_reals(self.event_dim)

    def _parts(self, x: Tensor) -> list[Tensor]:
        raise NotImplementedError

    def _joined(self, parts: list[Tensor]) -> Tensor:
        raise NotImplementedError

    def _call(self, x: Tensor) -> Tensor:
        return self._joined([t(part) for t, part in zip(self.transforms, self._parts(x))])

    def _inverse(self, y: Tensor) -> Tensor:
        return self._joined([t.inv(part) for t, part in zip(self.transforms, self._parts(y))])

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        stretches = [
            sum_rightmost(t.log_abs_det_jacobian(a, b), self.event_dim - t.domain.event_dim)
            for t, a, b in zip(self.transforms, self._parts(x), self._parts(y))
        ]
        return self._joined(stretches)


def _of_reals(dims: int) -> Any:
    return constraints.independent(constraints.real, dims) if dims else constraints.real


class CatTransform(_Several):
    """Transforms of parts of ``lengths`` along ``dim``."""

    def __init__(
        self, tseq: Sequence[Transform], dim: int = 0, lengths: Any = None, cache_size: int = 0
    ) -> None:
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise ValueError("CatTransform takes a length for each of its transforms")

    def _parts(self, x: Tensor) -> list[Tensor]:
        return list(x.split(self.lengths, self.dim))

    def _joined(self, parts: list[Tensor]) -> Tensor:
        return ad.cat(parts, self.dim)


class StackTransform(_Several):
    """A transform for each index of ``dim``."""

    def _parts(self, x: Tensor) -> list[Tensor]:
        if x.shape[self.dim] != len(self.transforms):
            raise ValueError(
                f"StackTransform has {len(self.transforms)} transforms for {x.shape[self.dim]} "
                f"parts along dimension {self.dim}"
            )
        return list(x.unbind(self.dim))

    def _joined(self, parts: list[Tensor]) -> Tensor:
        return ad.stack(parts, self.dim)


class CumulativeDistributionTransform(Transform):
    """A distribution's values to how probable smaller ones are."""

    bijective = True
    codomain: Any = constraints.unit_interval
    sign = 1

    def __init__(self, distribution: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        if not hasattr(distribution, "icdf"):
            raise TypeError(
                "CumulativeDistributionTransform takes a distribution, not "
                f"{type(distribution).__name__}"
            )
        self.distribution = distribution

    @property
    def domain(self) -> Any:  # type: ignore[override]
        return self.distribution.support

    def _call(self, x: Tensor) -> Tensor:
        return self.distribution.cdf(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return self.distribution.log_prob(x)
