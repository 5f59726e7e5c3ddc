"""_likelihoods: how improbable the targets are under what was predicted, as distributions."""

from __future__ import annotations

import math
from typing import Any

from .. import sites
from ..composite import one
from ..creation import ones_like
from ..dtypes import is_number
from ..errors import DtypeError
from ..op import FULL
from ..ops.arithmetic import where
from ..ops.elementwise import exp, log
from ..refusals import refusing
from ..tensor import Tensor
from ._losses import reduced, reduction_of


@refusing
@one(amp=FULL)
def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """``target * (log(target) - input)``, the divergence of ``input`` from ``target`` (``kl_div``).

    ``input``: log-probabilities; ``target``: probabilities, or with ``log_target`` their
    logarithms. "batchmean" divides the sum by the batch size, which is the divergence's definition;
    "mean" divides by the number of values.

    >>> import anadrome as ad
    >>> half = ad.tensor([[0.5, 0.5]])
    >>> ad.nn.functional.kl_div(half.log(), half, reduction="batchmean")
    tensor(0.)
    """
    if input.dtype.is_complex or target.dtype.is_complex:
        raise DtypeError("kl_div: Complex inputs not supported.")
    by_batch = reduction == "batchmean"
    older = size_average is not None or reduce is not None
    if older or not by_batch:
        reduction = reduction_of(size_average, reduce, reduction)
    if reduction == "mean":
        sites.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next major "
            "release.",
        )
    for x in (input, target):
        if not (x.dtype.is_floating_point or x.dtype.is_complex):
            raise DtypeError(
                f"kl_div: Integral inputs not supported. Got {x.dtype.name}; write `.float()`"
            )
    if log_target:
        values = exp(target) * (target - input)
    else:
        positive = where(target == 0, 1.0, target)  # 0 * log(0) is 0
        values = target * log(positive) - target * input
    # Beside the older arguments PyTorch divides a second time.
    out = values.sum() if by_batch and not older else reduced(values, reduction)
    return out / input.shape[0] if by_batch and input.ndim else out


@refusing
@one(amp=FULL)
def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``exp(input) - target * input``: counts under Poisson distributions (``poisson_nll_loss``).

    ``log_input=False``: ``input`` is the mean itself, ``eps`` is added to it in the logarithm.
    ``full``: with Stirling's approximation of the term that depends on the target alone.

    >>> import anadrome as ad
    >>> ad.nn.functional.poisson_nll_loss(ad.zeros(2), ad.tensor([1.0, 4.0]))
    tensor(1.)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if not is_number(eps):
        raise TypeError(
            f"poisson_nll_loss(): argument 'eps' must be float, not {type(eps).__name__}"
        )
    values = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        large = target > 1
        safe = where(large, target, 1.0)
        stirling = safe * log(safe) - safe + 0.5 * log(safe * (2 * math.pi))
        values = values + where(large, stirling, 0.0)
    return reduced(values, reduction)


@refusing
def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Any,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """``(log(var) + (input - target)² / var) / 2``: targets under normal distributions.

    ``var``: of the input's shape, or of its shape without the last dimension or with one of length
    1, or a number; at least ``eps``. ``full``: with the constant. PyTorch: ``gaussian_nll_loss``.
    Raises ValueError for a negative variance.
    """
    if isinstance(var, Tensor):
        negative = bool((var < 0).any())
    else:
        negative = var < 0
        var = ones_like(input) * var
    if negative:
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        unequal = [n for m, n in zip(input.shape, var.shape) if m != n]
        if tuple(input.shape[:-1]) == tuple(var.shape):
            var = var.unsqueeze(-1)
        elif input.ndim != var.ndim or sum(unequal) != 1:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid; write 'mean', 'sum' or 'none'")
    value = var.detach()
    var = var + where(value < eps, eps - value, 0.0)  # the bound is not differentiated
    values = (log(var) + (input - target) ** 2 / var) * 0.5
    if full:
        values = values + 0.5 * math.log(2 * math.pi)
    return reduced(values, reduction)
