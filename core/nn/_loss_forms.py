"""_loss_forms: losses in the form that PyTorch gives them outside ``nn.functional``.

There the reduction is a number: 0 for none, 1 for the mean, 2 for the sum. Left out it is 0, as in
PyTorch, whose signatures say the mean.
"""

from __future__ import annotations

from typing import Any

from ..ops.shape import broadcast_shapes
from ..refusals import refusing
from ..tensor import Tensor
from . import functional as F

_REDUCTIONS = ("none", "mean", "sum")


def _reduction(name: str, number: Any) -> str:
    if not isinstance(number, int) or number not in (0, 1, 2):
        raise ValueError(
            f"{name}(): reduction is 0 (none), 1 (mean) or 2 (sum), not {number!r}; "
            f"nn.functional.{name} takes the words"
        )
    return _REDUCTIONS[number]


@refusing
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = 0,
) -> Tensor:
    """``nn.functional.binary_cross_entropy_with_logits``."""
    how = _reduction("binary_cross_entropy_with_logits", reduction)
    if input.shape != target.shape == broadcast_shapes(input.shape, target.shape):
        input = input.expand(target.shape)  # which the form with words refuses
    return F.binary_cross_entropy_with_logits(
        input, target, weight, reduction=how, pos_weight=pos_weight
    )


@refusing
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """``nn.functional.cosine_embedding_loss``."""
    how = _reduction("cosine_embedding_loss", reduction)
    return F.cosine_embedding_loss(input1, input2, target, margin, reduction=how)


@refusing
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 0,
    zero_infinity: bool = False,
) -> Tensor:
    """``nn.functional.ctc_loss``."""
    how = _reduction("ctc_loss", reduction)
    return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, how, zero_infinity)


@refusing
def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 0
) -> Tensor:
    """``nn.functional.hinge_embedding_loss``."""
    how = _reduction("hinge_embedding_loss", reduction)
    return F.hinge_embedding_loss(input, target, margin, reduction=how)


@refusing
def kl_div(
    input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False
) -> Tensor:
    """``nn.functional.kl_div``."""
    how = _reduction("kl_div", reduction)
    if how == "mean":  # of which the other form warns
        return F.kl_div(input, target, reduction="none", log_target=log_target).mean()
    return F.kl_div(input, target, reduction=how, log_target=log_target)


@refusing
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """``nn.functional.margin_ranking_loss``."""
    how = _reduction("margin_ranking_loss", reduction)
    return F.margin_ranking_loss(input1, input2, target, margin, reduction=how)


@refusing
def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """``nn.functional.poisson_nll_loss``."""
    how = _reduction("poisson_nll_loss", reduction)
    return F.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=how)


@refusing
def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = 0,
) -> Tensor:
    """``nn.functional.triplet_margin_loss``."""
    how = _reduction("triplet_margin_loss", reduction)
    return F.triplet_margin_loss(anchor, positive, negative, margin, p, eps, swap, reduction=how)


@refusing
def constant_pad_nd(input: Tensor, pad: Any, value: float = 0) -> Tensor:
    """``nn.functional.pad`` with a constant."""
    return F.pad(input, pad, "constant", value)


@refusing
def adaptive_max_pool1d(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """``nn.functional.adaptive_max_pool1d`` and the indices."""
    return F.adaptive_max_pool1d(input, output_size, True)


@refusing
def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """``nn.functional.max_pool1d`` and the indices."""
    stride = kernel_size if isinstance(stride, (tuple, list)) and not stride else stride
    return F.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode, True)
