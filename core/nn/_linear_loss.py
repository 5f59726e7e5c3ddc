"""_linear_loss: the cross-entropy of a linear layer's result, in one function."""

from __future__ import annotations

from typing import Any

from ..composite import one
from ..dtypes import int64
from ..halves import is_half
from ..refusals import refusing
from ..sites import warn
from ..tensor import Tensor
from . import functional as F


@refusing
def linear_cross_entropy(
    input: Tensor,
    linear_weight: Tensor,
    target: Tensor,
    *,
    linear_bias: Tensor | None = None,
    weight: Tensor | None = None,
    reduction: str = "mean",
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
    options: Any = None,
) -> Tensor:
    """``cross_entropy(linear(input, linear_weight, linear_bias), target)`` (PyTorch's name).

    ``input``: (N, features) or (features,); ``linear_weight``: (C, features), or (C, d1, ..., dK,
    features) for a loss over K further dimensions. The other arguments are those of
    ``cross_entropy``; ``ignore_index=None`` is -100. ``options``, by which PyTorch saves memory,
    are accepted; with them autocast changes nothing. Raises RuntimeError for shapes that do not go
    together.

    >>> import anadrome as ad
    >>> x, w = ad.ones(2, 3), ad.zeros(4, 3)
    >>> ad.nn.functional.linear_cross_entropy(x, w, ad.tensor([0, 1]))
    tensor(1.3863)
    """
    _check_shapes(input, linear_weight, linear_bias)
    classes, *more, features = linear_weight.shape
    if ignore_index is not None and target.shape == (*input.shape[:-1], classes, *more):
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    if options is not None:
        plain = reduction in ("mean", "sum", "none") and label_smoothing == 0.0
        if plain and not more and target.dtype is int64:
            given = -100 if ignore_index is None else ignore_index
            return _as_given(input, linear_weight, target, linear_bias, weight, reduction, given)
        warn(
            "linear_cross_entropy: `options` are ignored; they need reduction in {'mean', 'sum', "
            "'none'}, label_smoothing == 0, a target of int64 and a weight that is a matrix"
        )
    flat = linear_weight.reshape((-1, features)) if more else linear_weight
    bias = linear_bias.reshape((-1,)) if linear_bias is not None and more else linear_bias
    logits = F.linear(input, flat, bias)
    if more:
        logits = logits.reshape((*input.shape[:-1], classes, *more))
    return F.cross_entropy(
        logits, target, weight, ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction, label_smoothing=label_smoothing,
    )  # fmt: skip


@refusing
@one("_linear_cross_entropy_batch_chunked")
def _as_given(
    input: Tensor, linear_weight: Tensor, target: Tensor, bias: Tensor | None,
    weight: Tensor | None, reduction: str, ignore_index: int,
) -> Tensor:  # fmt: skip
    """In the type of the input, within autocast too."""
    if is_half(input._data.dtype):
        linear_weight = linear_weight.to(input.dtype)
        bias = bias if bias is None else bias.to(input.dtype)
    return F.cross_entropy(
        F.linear(input, linear_weight, bias), target, weight, ignore_index=ignore_index,
        reduction=reduction,
    )  # fmt: skip


def _check_shapes(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if input.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if weight.ndim < 2:
        raise RuntimeError(
            f"expected linear_weight with dimensionality at least 2, got {weight.ndim}"
        )
    if input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and {weight.shape[-1]}, respectively"
        )
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise RuntimeError(
            f"expected linear_bias shape {tuple(weight.shape[:-1])}, got {tuple(bias.shape)}"
        )
    if weight.ndim > 2 and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires "
            f"batched input, (N, {input.shape[-1]}), got shape {tuple(input.shape)}"
        )
