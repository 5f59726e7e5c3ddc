"""_bags: rows of a table, brought together bag by bag."""

from __future__ import annotations

from typing import Any

from .. import sites
from ..creation import arange
from ..errors import DtypeError, ShapeError
from ..modes import no_grad
from ..ops.slices import index_add
from ..refusals import refusing
from ..tensor import Tensor
from ._layers import embedding, shorten, table_indices


@refusing
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of the rows that each bag names (``embedding_bag``).

    ``input``: integers (B, N), a bag a row; or (N,), where the bags begin at ``offsets`` (B,).
    ``weight``: (n, d); the result is (B, d), zero for an empty bag. ``per_sample_weights``: as
    ``input``, for sums. ``include_last_offset``: the last offset is where the last bag ends.
    ``padding_idx``: a row that does not count. The rest is as in ``embedding``.
    PyTorch: ``torch.nn.functional.embedding_bag``.

    >>> import anadrome as ad
    >>> table = ad.tensor([[1.0], [2.0], [4.0]])
    >>> ad.nn.functional.embedding_bag(ad.tensor([[0, 2], [1, 1]]), table, mode="sum")
    tensor([[5.],
            [4.]])
    """
    if weight.dtype.name == "int64" and input.is_floating_point():
        sites.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage "
            "`embedding_bag(weight, input, ...)` is deprecated, and should now be "
            "`embedding_bag(input, weight, ...)`.",
        )
        weight, input = input, weight
    _check(input, weight, offsets, mode, per_sample_weights, scale_grad_by_freq, sparse)
    if max_norm is not None:
        shorten(weight, input, max_norm, norm_type)
    table_indices("embedding_bag", input)
    flat = input.reshape(-1)
    if padding_idx is not None:
        n = weight.shape[0]
        if not -n <= padding_idx < n:
            raise RuntimeError(
                f"padding_idx must be within the number of embeddings, -{n} through {n - 1}, but "
                f"got {padding_idx}"
            )
        padding_idx %= weight.shape[0]
    with no_grad():
        if offsets is None:
            width = input.shape[1]
            starts = arange(input.shape[0], device=input.device) * width
        else:
            starts = _starts(offsets, flat.numel(), include_last_offset)
        counts = None if padding_idx is None else flat != padding_idx
    if mode == "max":
        return _largest(flat, weight, starts, counts)
    rows = embedding(flat, weight, padding_idx, scale_grad_by_freq=scale_grad_by_freq)
    if counts is not None:
        rows = rows * counts.to(rows.dtype).unsqueeze(1)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1).unsqueeze(1)
    with no_grad():
        bags = _bag_of(starts, flat.numel())
    count = starts.numel()
    out = index_add(rows.detach().new_zeros((count, weight.shape[1])), 0, bags, rows)
    if mode == "sum":
        return out
    with no_grad():
        each = rows.detach().new_ones((flat.numel(),))
        if counts is not None:
            each = counts.to(rows.dtype)
        sizes = index_add(each.new_zeros((count,)), 0, bags, each).clamp(min=1).unsqueeze(1)
    return out / sizes


def _bag_of(starts: Tensor, size: int) -> Tensor:
    """The bag of each position: how many bags have begun there, less one."""
    marks = index_add(starts.new_zeros((size + 1,)), 0, starts, starts.new_ones(starts.shape))
    return marks[:size].cumsum(0) - 1


def _largest(flat: Tensor, weight: Tensor, starts: Tensor, counts: Any) -> Tensor:
    """The maximum of each bag; its first place gets the gradient."""
    size, bags = flat.numel(), starts.numel()
    with no_grad():
        ends = starts.new_zeros((bags,)) + size
        if bags:
            ends[:-1] = starts[1:]
        # Without values all that can be told is the shape, which is that of empty bags.
        longest = int((ends - starts).max()) if bags and not flat.is_meta else 0
    if not longest:
        return weight.sum() * 0 + weight.detach().new_zeros((bags, weight.shape[1]))
    with no_grad():
        places = starts.unsqueeze(1) + arange(longest, device=flat.device)
        there = places < ends.unsqueeze(1)
        places = places.clamp(max=size - 1)
        if counts is not None:
            there = there & counts[places]
        empty = ~there.any(1, keepdim=True)
    rows = embedding(flat[places], weight).masked_fill(~there.unsqueeze(2), value=float("-inf"))
    return rows.max(1)[0].masked_fill(empty, value=0.0)


def _starts(offsets: Tensor, size: int, include_last: bool) -> Tensor:
    """Where each bag begins, as int64."""
    places = [] if offsets.is_meta else offsets.tolist()
    if include_last and not offsets.numel():
        raise ShapeError("include_last_offset: number of offsets should be at least 1")
    if places and places[0] != 0:
        raise ShapeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {places[0]}"
        )
    if places and places[-1] > size:
        raise ShapeError(
            f"offsets[-1] can not be greater than input's length({size}) but got offsets[-1] of "
            f"{places[-1]}"
        )
    return (offsets[:-1] if include_last else offsets).long()


def _check(
    input: Tensor, weight: Tensor, offsets: Any, mode: str, weights: Any, scaled: bool, sparse: bool
) -> None:
    if weights is not None and input.shape != weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({tuple(weights.shape)}) is not None, then it "
            f"must have the same shape as the input ({tuple(input.shape)})"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if input.ndim == 2 and offsets is not None:
        raise ValueError(
            "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of "
            f"fixed length sequences. However, found offsets of type {type(offsets)}"
        )
    if input.ndim == 1 and offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if input.ndim == 1 and offsets.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    if input.ndim not in (1, 2):
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}"
        )
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scaled:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            f"for mode='sum' (got mode='{mode}'). Please open a feature request on GitHub."
        )
    if weights is not None and weights.dtype is not weight.dtype:
        raise DtypeError(
            "Expected tensor for argument #1 'weight' to have the same type as tensor for argument "
            f"#2 'per_sample_weights'; but type {weight.dtype.name} does not equal "
            f"{weights.dtype.name} (while checking arguments for embedding_bag)"
        )
