"""distances: between all pairs of rows."""

from __future__ import annotations

import math

from ..composite import one
from ..dtypes import finfo
from ..errors import DtypeError, UnsupportedError
from ..making import number
from ..op import FULL
from ..refusals import refusing
from ..tensor import Tensor
from .arithmetic import where
from .norms import norm2, norm_p

_MODES = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)
#: More rows than this, and PyTorch takes 2-norms by a matrix product, as we do.
_MANY = 25


@refusing
@one(amp=FULL)
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str = _MODES[0]) -> Tensor:
    """The p-norm distance of each row of ``x1`` from each of ``x2`` (PyTorch: ``torch.cdist``).

    ``x1``: (..., P, M). ``x2``: (..., R, M). Returns (..., P, R). The gradient is zero where the
    distance is. ``compute_mode``: whether the 2-norm is taken by a matrix product, which is faster
    and less exact; by default if there are more than 25 rows.

    >>> import anadrome as ad
    >>> ad.cdist(ad.tensor([[0.0, 0.0]]), ad.tensor([[3.0, 4.0], [0.0, 1.0]])).tolist()
    [[5.0, 1.0]]
    """
    for i, x in enumerate((x1, x2), 1):
        if not x.dtype.is_floating_point:
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, X{i} got: {x.dtype.name}"
            )
        if x.dtype.itemsize < 4:
            raise UnsupportedError(
                f'"cdist" not implemented for {x.dtype.name}; write e.g. `x.float()`'
            )
    if x1.dtype is not x2.dtype:
        raise DtypeError(
            f"expected scalar type {x1.dtype.name} but found {x2.dtype.name}; write x2.to(x1.dtype)"
        )
    for i, x in enumerate((x1, x2), 1):
        if x.ndim < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, X{i} got: {x.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    p = number(p, "cdist's p")
    if not p >= 0:
        raise RuntimeError(f"cdist only supports non-negative p values, not {p}")
    if p > finfo(x1.dtype).max:  # as in PyTorch, where it has the type of the values
        p = math.inf
    if compute_mode is None:
        compute_mode = _MODES[0]
    if compute_mode not in _MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode; {_MODES} are")
    many = x1.shape[-2] > _MANY or x2.shape[-2] > _MANY
    mode = _MODES.index(compute_mode)
    if p == 2 and (mode == 1 or (mode == 0 and many)):
        return _by_product(x1, x2)
    return distance(x1.unsqueeze(-2) - x2.unsqueeze(-3), p)


def distance(difference: Tensor, p: float) -> Tensor:
    """The p-norm along the last dimension, as ``cdist`` and ``pdist`` have it."""
    if difference.shape[-1] == 0:
        return difference.sum(-1)
    if p == 2:
        return norm2(difference, dim=-1)
    if p == 0:
        there = difference == difference
        counts = where(there, (difference != 0).to(difference.dtype), difference.detach())
        return where(there | ~there, counts, difference).sum(-1)  # whose gradient is zero
    if p == math.inf:
        return _largest(difference.abs())
    return norm_p(difference, p=float(p), dim=-1)


def _largest(size: Tensor) -> Tensor:
    """The largest along the last dimension; each of equal ones has the whole gradient."""
    top = size.detach().amax(-1, keepdim=True)
    total = where(size == top, size, 0.0).sum(-1)
    return total - (total.detach() - top.squeeze(-1))


def _by_product(x1: Tensor, x2: Tensor) -> Tensor:
    """``sqrt(a·a - 2 a·b + b·b)``, whose gradient at zero is zero."""
    own = (x1 * x1).sum(-1, keepdim=True)
    other = (x2 * x2).sum(-1, keepdim=True)
    square = (own + other.mT - 2 * (x1 @ x2.mT)).clamp(min=0)
    zero = square == 0
    return where(zero, 0.0, where(zero, 1.0, square).sqrt())
