"""_margins: losses that are zero once right and wrong are far enough apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..composite import one
from ..creation import arange
from ..errors import ArgumentError, DtypeError, RangeError, ShapeError
from ..modes import no_grad
from ..op import FULL
from ..ops.activation import floating, logsigmoid, relu, softplus
from ..ops.arithmetic import minimum, where
from ..ops.elementwise import sqrt
from ..placement import at
from ..refusals import refusing
from ..tensor import Tensor
from ._distances import pairwise_distance
from ._losses import reduced, reduction_of, same_size


@refusing
@one(amp=FULL)
def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``input`` where the target is 1, ``max(0, margin - input)`` where it is -1.

    ``input``: distances. PyTorch: ``torch.nn.functional.hinge_embedding_loss``.

    >>> import anadrome as ad
    >>> apart, pair = ad.tensor([0.5, 0.25]), ad.tensor([1, -1])
    >>> ad.nn.functional.hinge_embedding_loss(apart, pair, reduction="none")
    tensor([0.5000, 0.7500])
    """
    if not isinstance(target, Tensor):
        raise ArgumentError(
            f"hinge_embedding_loss(): argument 'target' must be Tensor, not {type(target).__name__}"
        )
    reduction = reduction_of(size_average, reduce, reduction)
    apart = where(target != 1, (margin - input).clamp(min=0), 0)
    return reduced(apart + where(target != -1, input, 0), reduction)


@refusing
@one(amp=FULL)
def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, -target * (input1 - input2) + margin)`` (``margin_ranking_loss``).

    ``target``: 1 where ``input1`` should be the larger one, -1 where ``input2`` should.

    >>> import anadrome as ad
    >>> better, worse = ad.tensor([2.0]), ad.tensor([1.5])
    >>> ad.nn.functional.margin_ranking_loss(better, worse, ad.tensor([1]), margin=1.0)
    tensor(0.5000)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ShapeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.shape!r}, input2: {input2.shape!r}, target: {target.shape!r} "
        )
    return reduced((-target * (input1 - input2) + float(margin)).clamp(min=0), reduction)


@refusing
@one(amp=FULL)
def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``log(1 + exp(-target * input))`` for targets of 1 and -1 (``soft_margin_loss``)."""
    reduction = reduction_of(size_average, reduce, reduction)
    floating("soft_margin_loss", input._data)
    pairs = zip(reversed(target.shape), reversed(input.shape))
    if target.ndim > input.ndim or not all(t in (1, n) for t, n in pairs):
        raise ShapeError(
            f"soft_margin_loss: a target of shape {list(target.shape)} does not broadcast to the "
            f"input's {list(input.shape)}"
        )
    away = -input * target
    each = away.exp().log1p() if away.dtype.is_complex else softplus(away, threshold=float("inf"))
    return reduced(each, reduction)


@refusing
def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Binary cross-entropy of each class's score, averaged over the classes.

    ``input``: scores (*, C); ``target``: 0 or 1. PyTorch: ``multilabel_soft_margin_loss``.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    same_size("multilabel_soft_margin_loss", input, target)
    values = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        values = values * weight
    return reduced(values.sum(-1) / input.shape[-1], reduction)


@refusing
@one(amp=FULL)
def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, margin - input[target] + input[i]) ** p`` over the other classes i, divided by C.

    ``input``: scores (N, C) or (C,); ``target``: class numbers (N,) or (). ``weight``: one for
    each class. PyTorch: ``torch.nn.functional.multi_margin_loss``.

    >>> import anadrome as ad
    >>> ad.nn.functional.multi_margin_loss(ad.tensor([[1.0, 0.5]]), ad.tensor([0]))
    tensor(0.2500)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    shape = tuple(input.shape)
    if len(shape) > 2 or 0 in shape[1:] or (len(shape) == 1 and not shape[0]):
        raise ShapeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(shape)}"
        )
    rows = input if len(shape) == 2 else input.reshape((1, -1))
    count, classes = rows.shape
    if target.ndim > 1 or target.numel() != count:
        raise ShapeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input "
            f"samples (batch size). Expected target size [{count}], but got {list(target.shape)}. "
            f"Input has shape {list(shape)}."
        )
    _numbers(target)
    if weight is not None and weight.numel() != classes:
        raise ShapeError(
            f"inconsistent weight size, expected {classes} but got {list(weight.shape)}"
        )
    _in_range(target, 0, classes, "target out of range")
    chosen = target.reshape((-1, 1))
    values = relu(rows - rows.gather(1, chosen) + margin)
    if p == 2:
        values = values * values
    if weight is not None:
        values = values * weight[chosen]
    with no_grad():
        others = arange(classes, device=input.device) != chosen
    values = where(others, values, 0.0).sum(1) / classes
    return reduced(values.reshape(tuple(target.shape)), reduction)


@refusing
@one(amp=FULL)
def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, 1 - input[j] + input[i])`` over targets j and other classes i, divided by C.

    ``input``: scores (N, C) or (C,); ``target``: class numbers of the same shape, those before the
    first -1 count. PyTorch: ``torch.nn.functional.multilabel_margin_loss``.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    shape = tuple(input.shape)
    if len(shape) > 2 or 0 in shape[1:]:
        raise ShapeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(shape)}"
        )
    if tuple(target.shape) != shape:
        raise ShapeError(
            f"inconsistent target size: {list(target.shape)} for input of size: {list(shape)}"
        )
    _numbers(target)
    rows = input if len(shape) == 2 else input.reshape((1, -1))
    classes = rows.shape[1]
    _in_range(target, -1, classes, "argument #2 'target' is out of range")
    with no_grad():
        numbers = target.reshape(rows.shape).long()
        counts = (numbers < 0).long().cumsum(1) == 0
        safe = numbers.clamp(min=0)
        lines = arange(classes, device=input.device)
        wanted = ((safe.unsqueeze(2) == lines) & counts.unsqueeze(2)).any(1)
        pairs = counts.unsqueeze(2) & ~wanted.unsqueeze(1)
    values = relu(rows.unsqueeze(1) - rows.gather(1, safe).unsqueeze(2) + 1.0)
    values = where(pairs, values, 0.0).sum((1, 2)) / classes
    return reduced(values.reshape(()) if len(shape) < 2 else values, reduction)


def _numbers(target: Tensor) -> None:
    if target.dtype.name != "int64":
        raise DtypeError(
            f"expected scalar type Long but found {target.dtype.name}; use `target.long()`"
        )


def _in_range(target: Tensor, low: int, high: int, text: str) -> None:
    data = target._data
    with at(data):
        target._backend.require(
            (data >= low) & (data < high),
            lambda: RangeError(f"{text}: class numbers are {low} to {high - 1}"),
        )


@refusing
@one(amp=FULL)
def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``1 - cos`` where the target is 1, ``max(0, cos - margin)`` where it is -1.

    ``input1`` and ``input2``: (N, D) with a target (N,), or (D,) with a target ().
    PyTorch: ``torch.nn.functional.cosine_embedding_loss``.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if target.ndim > 1:
        raise ShapeError("0D or 1D target tensor expected, multi-target not supported")
    if not input1.ndim == input2.ndim == target.ndim + 1:
        raise ShapeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found "
            f"inputs with sizes {list(input1.shape)} and {list(input2.shape)}."
        )
    lengths = ((input1 * input1).sum(-1) + 1e-12) * ((input2 * input2).sum(-1) + 1e-12)
    cosine = (input1 * input2).sum(-1) / sqrt(lengths)
    alike = where(target == 1, 1.0 - cosine, 0.0)
    return reduced(alike + where(target == -1, (cosine - margin).clamp(min=0), 0.0), reduction)


@refusing
@one(amp=FULL)
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``max(0, margin + d(anchor, positive) - d(anchor, negative))`` (``triplet_margin_loss``).

    ``d``: the p-norm of the difference along the last dimension. ``swap``: with the smaller of
    d(anchor, negative) and d(positive, negative). Paper: Balntas et al., BMVC 2016.

    >>> import anadrome as ad
    >>> here, near, far = ad.zeros(1, 2), ad.ones(1, 2), ad.full((1, 2), 3.0)
    >>> ad.nn.functional.triplet_margin_loss(here, near, far, margin=3.0)
    tensor(0.1716)
    """

    def distance(a: Tensor, b: Tensor) -> Tensor:
        return pairwise_distance(a, b, p, eps)

    reduction = reduction_of(size_average, reduce, reduction)
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


@refusing
def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """``triplet_margin_loss`` with any distance (``triplet_margin_with_distance_loss``)."""
    reduction = reduction_of(None, None, reduction)
    distance = distance_function or pairwise_distance
    return _triplet(anchor, positive, negative, distance, margin, swap, reduction)


def _triplet(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    distance: Callable[..., Tensor],
    margin: float,
    swap: bool,
    reduction: str,
) -> Any:
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ShapeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs"
        )
    apart = distance(anchor, negative)
    if swap:
        apart = minimum(apart, distance(positive, negative))
    return reduced((distance(anchor, positive) - apart + margin).clamp(min=0), reduction)
