"""_ctc: connectionist temporal classification, over batch and target at once.

Graves et al., "Connectionist temporal classification", ICML 2006, equations 5 to 8: the forward
variables over the target with blanks around its labels, one step in time after the other.
"""

from __future__ import annotations

from typing import Any

from ..composite import one
from ..creation import arange, tensor
from ..errors import DtypeError, RangeError, ShapeError, UnsupportedError
from ..modes import no_grad
from ..ops.alignments import NEVER, ctc_paths
from ..ops.arithmetic import logaddexp, where
from ..ops.elementwise import exp
from ..ops.joining import cat
from ..refusals import refusing
from ..tensor import Tensor
from ._losses import reduced, reduction_of


@refusing
@one()
def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """``-log`` of the probability of all alignments that read as the target (``ctc_loss``).

    ``log_probs``: (T, N, C) or (T, C), of ``log_softmax``. ``targets``: class numbers (N, S), or
    all of them in one row. ``input_lengths``, ``target_lengths``: (N,), or () for one sample.
    ``blank``: the class between labels. "mean" divides each loss by its target's length first.
    ``zero_infinity``: targets that do not fit count nothing. As in PyTorch, the gradient is that
    with respect to the scores before ``log_softmax``.
    PyTorch: ``torch.nn.functional.ctc_loss``; paper: doi 10.1145/1143844.1143891.

    >>> import anadrome as ad
    >>> even = ad.full((3, 1, 2), 0.5).log()
    >>> ad.nn.functional.ctc_loss(even, ad.tensor([[1]]), [3], [1])
    tensor(0.2877)
    """
    reduction = reduction_of(None, None, reduction)
    if not log_probs.dtype.is_floating_point:
        raise UnsupportedError(
            f'"ctc_loss" not implemented for {log_probs.dtype.name!r}; it takes log-probabilities'
        )
    single = log_probs.ndim == 2
    if single:
        log_probs = log_probs.unsqueeze(1)
    if log_probs.ndim != 3:
        raise ShapeError(
            f"ctc_loss: log_probs must be (T, N, C) or (T, C), not {tuple(log_probs.shape)}"
        )
    if not 1 <= targets.ndim <= 2:
        raise ShapeError(
            "ctc_loss: Expected 1 to 2 dimensions, but got "
            f"{targets.ndim}-dimensional tensor for argument 'targets'"
        )
    length, count, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RangeError(f"blank must be in label range, 0 to {classes - 1}, not {blank}")
    steps = _lengths("input_lengths", input_lengths, count)
    labels = _lengths("target_lengths", target_lengths, count)
    if steps and max(steps) > length:
        raise ShapeError(
            f"Expected input_lengths to have value at most {length}, but got value {max(steps)} "
            "(while checking arguments for ctc_loss)"
        )
    with no_grad():
        sizes = tensor(labels, device=log_probs.device)
        table = _padded(targets, labels, sizes, count)
        ends = tensor(steps, device=log_probs.device)
    losses = _losses(log_probs, table, ends, sizes, blank, zero_infinity)
    if single:
        losses = losses.reshape(())
    if reduction == "mean":
        losses = losses / sizes.clamp(min=1).to(losses.dtype).reshape(losses.shape)
    return reduced(losses, reduction)


def _lengths(name: str, given: Any, count: int) -> list[int]:
    if isinstance(given, Tensor):
        if given.dtype.is_floating_point or given.dtype.is_complex:
            raise DtypeError(f"{name} must be integral, not {given.dtype.name}")
        given = given.reshape(-1).tolist()
    elif isinstance(given, int):
        given = [given]
    if len(given) != count:
        raise ShapeError(f"{name} must be of size batch_size, {count}, not {len(given)}")
    out = [int(n) for n in given]
    if out and min(out) < 0:
        raise ShapeError(f"{name} must be non-negative, got {min(out)}")
    return out


def _padded(targets: Tensor, labels: list[int], sizes: Tensor, count: int) -> Tensor:
    """The targets as int64 (N, S), zero behind their lengths."""
    if targets.dtype.is_floating_point:
        raise DtypeError(f"targets must be integers, not {targets.dtype.name}; use `.long()`")
    longest = max(labels, default=0)
    line = arange(longest, device=targets.device)
    inside = line < sizes.unsqueeze(1)
    if targets.ndim == 2:
        if targets.shape[0] != count or targets.shape[1] < longest:
            raise ShapeError(
                f"Expected tensor to have size at least {longest} at dimension 1, but got size "
                f"{list(targets.shape)} for argument #2 'targets' (while checking arguments for "
                "ctc_loss)"
            )
        rows = targets[:, :longest].long()
    else:
        if targets.numel() != sum(labels):
            raise ShapeError(
                f"Expected tensor to have {sum(labels)} values, the sum of target_lengths, but got "
                f"{targets.numel()} for argument #2 'targets' (while checking arguments for "
                "ctc_loss)"
            )
        starts = sizes.cumsum(0) - sizes
        places = (starts.unsqueeze(1) + line).clamp(max=max(sum(labels) - 1, 0))
        flat = targets.reshape(-1).long()
        rows = flat[places] if longest and flat.numel() else places
    return where(inside, rows, 0)


def _losses(
    log_probs: Tensor, table: Tensor, ends: Tensor, sizes: Tensor, blank: int, zero_infinity: bool
) -> Tensor:
    length, count, _ = log_probs.shape
    width = 2 * table.shape[1] + 1
    with no_grad():
        extended = table.new_zeros((count, width)) + blank
        extended[:, 1::2] = table
        # Over a blank between two unequal labels: from two places before.
        impassable = log_probs.detach().new_zeros((count, width)) + NEVER
        skips = impassable.clone()
        skips[:, 3::2] = where(table[:, 1:] != table[:, :-1], 0.0, skips[:, 3::2])
        places = arange(width, device=table.device)
        begins = (places < 1) | ((places == 1) & (sizes.unsqueeze(1) > 0))
        start = impassable.masked_fill(begins, 0.0)
        silent = impassable.masked_fill(places == 0, 0.0)
        times = arange(length, device=table.device).unsqueeze(1)
        within = times < ends
        ended = (ends - 1).clamp(min=0).reshape((1, count, 1)).expand((1, count, width))
    alpha = silent
    if length:
        steps = log_probs.clamp(min=NEVER)
        steps = steps.gather(2, extended.unsqueeze(0).expand((length, count, width)))
        steps = where(within.unsqueeze(2), steps, 0.0)  # beyond a sample's end is anything
        paths = ctc_paths(cat([steps[:1] + start, steps[1:]]), skips)
        alpha = where((ends > 0).unsqueeze(1), paths.gather(0, ended).squeeze(0), silent)
    last = (sizes * 2).unsqueeze(1)
    whole = alpha.gather(1, last)
    label = alpha.gather(1, (last - 1).clamp(min=0))
    total = logaddexp(whole, where(last > 0, label, NEVER)).squeeze(1)
    impossible = total.detach() < NEVER / 10
    losses = where(impossible, 0.0 if zero_infinity else float("inf"), -total)
    # The gradient of the scores behind `log_probs`, as PyTorch's: probabilities less posteriors.
    mass = exp(log_probs.masked_fill(~within.unsqueeze(2), float("-inf"))).sum((0, 2))
    rest = mass - mass.detach()
    return losses + (where(impossible, 0.0, rest) if zero_infinity else rest)
