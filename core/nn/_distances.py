"""_distances: how far apart, or how alike, vectors are; and a product of two."""

from __future__ import annotations

import math

from ..composite import one
from ..errors import DtypeError, RangeError, ShapeError
from ..op import WIDEST
from ..ops.condensed import pair_differences, pair_lengths
from ..ops.distances import distance
from ..ops.shape import broadcast_tensors
from ..refusals import refusing
from ..tensor import Tensor


@refusing
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle between vectors along ``dim`` (``torch.cosine_similarity``).

    The inputs are broadcast. ``eps``: the least length that is divided by.

    >>> import anadrome as ad
    >>> ad.nn.functional.cosine_similarity(ad.tensor([3.0, 4.0]), ad.tensor([4.0, 3.0]), dim=0)
    tensor(0.9600)
    """
    if not eps >= 0:
        raise ValueError(f"cosine_similarity: eps must be non-negative, got: {eps}")
    whole = [x for x in (x1, x2) if not (x.dtype.is_floating_point or x.dtype.is_complex)]
    if len(whole) == 2:
        raise DtypeError(
            "expected common dtype to be floating point, yet common dtype is "
            f"{x1.dtype.name}; write `x1.float()`"
        )
    if x1.dtype.is_complex or x2.dtype.is_complex:
        raise DtypeError(
            "expected common dtype to be floating point, yet common dtype is complex; take e.g. "
            "`anadrome.view_as_real(x).flatten(-2)`"
        )
    if whole:
        kind = x1.dtype if whole[0] is x2 else x2.dtype
        x1, x2 = x1.to(kind), x2.to(kind)
    if x1.shape != x2.shape:  # `dim` is one of the broadcast shape
        x1, x2 = broadcast_tensors(x1, x2)
    return (_unit(x1, dim, eps) * _unit(x2, dim, eps)).sum(dim)


def _unit(x: Tensor, dim: int, eps: float) -> Tensor:
    """Divided by its length, or by ``eps``, which is not differentiated, where that is larger."""
    length = x.norm(2, dim, keepdim=True)
    value = length.detach()
    return x / (length + (value.clamp_min(eps) - value))


@refusing
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The p-norm of ``x1 - x2 + eps`` along the last dimension (``torch.pairwise_distance``).

    The inputs are broadcast.
    """
    return (x1 - x2 + eps).norm(p, -1, keepdim=keepdim)


@refusing
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norms of the differences of all pairs of rows, (N, M) to (N * (N - 1) / 2,).

    PyTorch: ``torch.pdist``, the pairs in the order of ``torch.triu_indices``.
    """
    if input.ndim != 2:
        raise ShapeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if not input.dtype.is_floating_point:
        raise DtypeError(f"pdist only supports floating-point dtypes, not {input.dtype.name}")
    if not p >= 0:
        raise ShapeError("pdist only supports non-negative p values")
    if p == 2:
        return pair_lengths(input)
    return distance(pair_differences(input), p)


@refusing
@one(amp=WIDEST)
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``input1 @ weight[k] @ input2`` for each k, plus ``bias`` (``torch.nn.functional.bilinear``).

    ``input1``: (*, I), ``input2``: (*, J), ``weight``: (K, I, J), ``bias``: (K,); the result is
    (*, K).
    """
    one, two, table = tuple(input1.shape), tuple(input2.shape), tuple(weight.shape)
    if len(one) != len(two):
        raise ShapeError(
            f"bilinear(): input dimensions do not match: got {len(one)} and {len(two)}"
        )
    for d, (n, m) in enumerate(zip(one[:-1], two[:-1])):
        if n != m:
            raise ShapeError(
                f"bilinear(): input batch dimensions do not match at dim {d}: got {n} and {m}"
            )
    if len(table) != 3:
        raise ShapeError(f"bilinear(): weight must be (out, in1, in2), got {table}")
    for number, shape, wanted in ((1, one, table[1]), (2, two, table[2])):
        if not shape or shape[-1] != wanted:
            raise ShapeError(
                f"bilinear(): input{number} size does not match weight size: got "
                f"{shape[-1] if shape else 0} but expected {wanted}"
            )
    if bias is not None and tuple(bias.shape) != table[:1]:
        raise (ShapeError if bias.ndim else RangeError)(
            f"bilinear(): bias size does not match weight size: got {bias.numel()} but expected "
            f"{table[0]}"
        )
    for other in (input2, weight, bias):
        if other is not None and other.dtype is not input1.dtype:
            raise DtypeError(
                f"All tensors must have the same dtype, got input1: {input1.dtype.name}, input2: "
                f"{input2.dtype.name}, weight: {weight.dtype.name}"
                + ("" if bias is None else f", bias: {bias.dtype.name}")
            )
    lead = one[:-1]
    count = math.prod(lead)
    flat = weight.permute(1, 0, 2).reshape((table[1], table[0] * table[2]))
    mixed = (input1.reshape((count, table[1])) @ flat).reshape((count, *table[::2]))
    out = (mixed @ input2.reshape((count, table[2], 1))).reshape((*lead, table[0]))
    return out if bias is None else out + bias
