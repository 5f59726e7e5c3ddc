"""_losses: what is minimised, with PyTorch's signatures.

A target whose shape would broadcast against the input's is an error here. PyTorch only warns (for
some losses), and the number that comes out is a loss between all pairs.
"""

from __future__ import annotations

from typing import Any

from .. import sites
from ..composite import one
from ..errors import DtypeError, NoDerivativeError, ShapeError
from ..halves import by_steps
from ..modes import current, is_grad_enabled
from ..ops import losses as ops
from ..ops.activation import log_softmax
from ..ops.arithmetic import where
from ..ops.reduce import whole
from ..refusals import refusing
from ..tensor import Tensor

_REDUCTIONS = ("mean", "sum", "none")


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction meant, also by PyTorch's two old arguments."""
    if size_average is not None or reduce is not None:
        reduction = by_older_arguments(size_average, reduce)
    return known_reduction(reduction)


def by_older_arguments(size_average: bool | None, reduce: bool | None, warns: bool = True) -> str:
    """The reduction that the two old arguments mean; None is as true."""
    mean = size_average is None or size_average
    reduction = ("mean" if mean else "sum") if reduce is None or reduce else "none"
    if warns:
        sites.warn(
            "size_average and reduce args will be deprecated, please use "
            f"reduction='{reduction}' instead.",
        )
    return reduction


def known_reduction(reduction: str) -> str:
    """The reduction itself, where there is one of that name."""
    if reduction not in _REDUCTIONS:
        raise ValueError(
            f"{reduction} is not a valid value for reduction; write 'mean', 'sum' or 'none'"
        )
    return reduction


def same_size(name: str, input: Tensor, target: Any, verb: str = "") -> None:
    """The error for sizes that differ, with the call that was probably meant."""
    a, b = tuple(input.shape), tuple(target.shape)
    if a == b:
        return
    meant = ""
    if [n for n in a if n != 1] == [n for n in b if n != 1]:
        meant = f"; write {name}(input, target.reshape({a})), or squeeze the input to {b}"
    elif len(a) != len(b) or any(n != m and 1 in (n, m) for n, m in zip(a, b)):
        meant = "; if broadcasting is meant, write it: target.expand_as(input)"
    raise ShapeError(
        f"Using a target size ({target.shape!r}) that is different to the input size "
        f"({input.shape!r}). This will likely lead to incorrect results due to broadcasting. "
        f"Please ensure they have the same size.{meant}"
    )


def reduced(values: Tensor, reduction: str, weight: Tensor | None = None) -> Tensor:
    """The values, their sum, or their mean (over the weights, if there are any)."""
    if reduction == "none":
        return values
    total = values.sum()
    if reduction == "sum":
        return total
    return values.mean() if weight is None else total / weight.sum()


def _as_written(value: Tensor, like: Tensor) -> Tensor:
    """``value`` in another's type, if a result of both could be written there."""
    if value.dtype.category > like.dtype.category:
        raise DtypeError(
            f"result type {value.dtype.name} can't be cast to the desired output type "
            f"{like.dtype.name}; write input.to(target.dtype)"
        )
    return value.to(like.dtype)


def _weights_fit(weight: Tensor, input: Tensor) -> None:
    if weight.shape != input.shape:
        raise ShapeError(
            f"Weights and input must have the same size. Got {tuple(weight.shape)} and "
            f"{tuple(input.shape)}"
        )


# -- regression ---------------------------------------------------------------------------------
@refusing
def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``(input - target) ** 2``, by default its mean (``torch.nn.functional.mse_loss``).

    Raises RuntimeError if the sizes differ (PyTorch warns, and broadcasts).

    >>> import anadrome as ad
    >>> ad.nn.functional.mse_loss(ad.tensor([1.0, 2.0]), ad.tensor([1.0, 4.0]))
    tensor(2.)
    """
    if size_average is not None or reduce is not None or reduction not in _REDUCTIONS:
        reduction = reduction_of(size_average, reduce, reduction)
    if not isinstance(target, Tensor) or input._data.shape != target._data.shape:
        same_size("mse_loss", input, target)
    if weight is None:
        return ops.mse(input, target, reduction=reduction)
    _weights_fit(weight, input)
    return reduced(ops.mse(input, target, reduction="none") * weight, reduction, weight)


@refusing
def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """``|input - target|``, by default its mean (``torch.nn.functional.l1_loss``).

    Raises RuntimeError if the sizes differ (PyTorch warns, and broadcasts).
    """
    reduction = reduction_of(size_average, reduce, reduction)
    same_size("l1_loss", input, target)
    if weight is None:
        return ops.l1(input, target, reduction=reduction)
    _weights_fit(weight, input)
    return reduced(ops.l1(input, target, reduction="none") * weight, reduction, weight)


@refusing
def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Quadratic where the error is below ``beta``, linear above (``smooth_l1_loss``).

    Raises RuntimeError if the sizes differ (PyTorch warns, and broadcasts).
    """
    reduction = reduction_of(size_average, reduce, reduction)
    same_size("smooth_l1_loss", input, target)
    if not beta >= 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return ops.l1(input, target, reduction=reduction)
    return ops.smooth_l1(input, target, beta=float(beta), reduction=reduction)


@refusing
def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """``delta`` times ``smooth_l1_loss`` with ``beta=delta`` (``huber_loss``).

    Raises RuntimeError if the sizes differ (PyTorch warns, and broadcasts).
    """
    reduction = reduction_of(None, None, reduction)
    same_size("huber_loss", input, target)
    if not delta > 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    delta = float(delta)
    if input.dtype is not target.dtype:
        target = _as_written(target, input)
    if weight is None:
        return ops.huber(input, target, delta=delta, reduction=reduction)
    _weights_fit(weight, input)
    return reduced(ops.huber(input, target, delta=delta, reduction="none") * weight, reduction)


# -- classes ------------------------------------------------------------------------------------
@refusing
@one("cross_entropy_loss")
def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """``-log(softmax(input)[target])`` (``torch.nn.functional.cross_entropy``).

    ``input``: scores (N, C, *) or (C,), not probabilities. ``target``: class numbers (N, *) or (),
    or class probabilities in the shape of the input. ``weight``: one for each class; the mean is
    then over the weights. ``ignore_index``: a class number that does not count.
    ``label_smoothing``: how much of each target is spread over all classes (arXiv:1512.00567).

    >>> import anadrome as ad
    >>> ad.nn.functional.cross_entropy(ad.zeros(2, 4), ad.tensor([0, 3]))
    tensor(1.3863)
    """
    if size_average is not None or reduce is not None or reduction not in _REDUCTIONS:
        reduction = reduction_of(size_average, reduce, reduction)
    x, t = input._data.shape, target._data.shape
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    if len(x) == 1 and t == (1,) and x != t:
        target, t = target.reshape(()), ()
    if x == t:
        if ignore_index >= 0:
            raise RuntimeError(
                "ignore_index is not supported for floating point target; give those rows a "
                "weight of 0"
            )
        return _soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    _check_classes("cross_entropy", input, target, weight)
    if ignore_index.__class__ is not int:
        ignore_index = whole(ignore_index, "ignore_index")
    if len(x) == 1:
        out = cross_entropy(
            input.unsqueeze(0), target.unsqueeze(0), weight, ignore_index=ignore_index,
            reduction=reduction, label_smoothing=label_smoothing,
        )  # fmt: skip
        return out.squeeze(0) if reduction == "none" else out
    if label_smoothing == 0.0:
        if x and by_steps(input):
            rows = log_softmax(input, dim=1)  # rounded in between, as PyTorch's
            return ops.nll(rows, target, weight, reduction=reduction, ignore_index=ignore_index)
        return ops.cross_entropy(
            input, target, weight, ignore_index=ignore_index, reduction=reduction
        )[0]
    return _smoothed(input, target, weight, ignore_index, reduction, label_smoothing)


def _smoothed(
    input: Tensor, target: Tensor, weight: Any, ignore_index: int, reduction: str, share: float
) -> Tensor:
    log_probs = log_softmax(input, dim=1)
    settings: dict[str, Any] = {"ignore_index": ignore_index}
    exact = ops.nll(log_probs, target, weight, reduction=reduction, **settings)
    rows = log_probs if weight is None else log_probs * _along_classes(weight, input)
    spread = where(target == ignore_index, 0.0, -rows.sum(1))
    if reduction != "none":
        spread = spread.sum()
    if reduction == "mean":  # over the weights of the targets, as in `exact`
        ones = input.detach() * 0.0 + 1.0
        spread = spread / -ops.nll(ones, target, weight, reduction="sum", **settings)
    return exact * (1.0 - share) + spread * (share / input.shape[1])


def _soft_cross_entropy(
    input: Tensor, target: Tensor, weight: Any, reduction: str, smoothing: float
) -> Tensor:
    """Against probabilities."""
    kind = target.dtype
    if not kind.is_floating_point:
        raise DtypeError(
            "Expected floating point type for target with class probabilities, got "
            f"{kind.name}: the target has the shape of the input {tuple(input.shape)}, so it is "
            "taken for probabilities; class numbers have no class dimension"
        )
    classes = 1 if input.ndim > 1 else 0
    count = input.shape[classes]
    if weight is not None:
        _class_weights(weight, count)
    if smoothing > 0.0:
        target = target * (1.0 - smoothing) + smoothing / count
    terms = log_softmax(input, dim=classes) * target
    if weight is not None:
        terms = terms * _along_classes(weight, input)
    if reduction == "none":
        return -terms.sum(classes)
    total = -terms.sum()
    return total / (input.numel() // count) if reduction == "mean" else total


def _along_classes(weight: Tensor, input: Tensor) -> Tensor:
    return weight if input.ndim == 1 else weight.reshape((1, -1) + (1,) * (input.ndim - 2))


def _class_weights(weight: Tensor, count: int) -> None:
    if weight._data.shape != (count,):
        raise ShapeError(
            f"weight tensor should be defined either for all {count} classes or no classes but got "
            f"weight tensor of shape: {list(weight.shape)}"
        )


def _check_classes(name: str, input: Tensor, target: Tensor, weight: Any) -> None:
    """Class numbers: an integer dtype, and the input's shape without the class dimension."""
    x, t = tuple(input._data.shape), tuple(target._data.shape)
    if not x:
        raise ShapeError("Expected 1 or more dimensions (got 0)")
    kind = target.dtype
    matched = len(x) < 2 or (t and t[0] == x[0])  # PyTorch looks at this before the type
    if matched and kind.name not in ("int64", "uint8"):
        raise DtypeError(
            f"expected target dtype to be Long or Byte, but got {kind.name}: class numbers are "
            f"integers of shape {x[:1] + x[2:] if len(x) > 1 else ()} (use `target.long()`)"
            + (
                f"; probabilities have the shape of the input, {x}"
                if name == "cross_entropy"
                else ""
            )
        )
    expected = x[:1] + x[2:] if len(x) > 1 else ()
    if t != expected:
        hint = ""
        if len(t) == len(x) > 1 and t[1] == 1 and t[:1] + t[2:] == expected:
            hint = "; write target.squeeze(1)"
        if len(x) > 1 and (not t or t[0] != x[0]):
            raise ShapeError(
                f"Expected input batch_size ({x[0]}) to match target batch_size "
                f"({t[0] if t else 0}): the input is {x}, the target {t}"
            )
        if len(x) == 1:
            raise ShapeError(
                f"For 1D input, 1D target must have size 1, but got target size: {t[0]}"
                if len(t) == 1
                else f"For 1D input, the target is one class number, not of shape {t}"
            )
        if len(x) <= 2:
            raise ShapeError(
                "0D or 1D target tensor expected, multi-target not supported: the input is "
                f"{x}, the target {t}, and it should be {expected}{hint}"
            )
        raise ShapeError(
            f"Expected target size {list(expected)}, got {list(t)}: the input is {x}{hint}"
        )
    if weight is not None:
        _class_weights(weight, x[1] if len(x) > 1 else x[0])
        if weight.dtype is not input.dtype and not current().modes:
            raise DtypeError(
                f"expected scalar type {input.dtype.name} but found {weight.dtype.name}: write "
                "weight.to(input.dtype)"
            )
        if weight.requires_grad and is_grad_enabled():
            raise NoDerivativeError(
                "the derivative for 'weight' is not implemented: class weights are constants; use "
                "`weight.detach()`"
            )


@refusing
def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``-input[target]`` for log-probabilities (``torch.nn.functional.nll_loss``).

    ``input``: (N, C, *) or (C,); ``target``: class numbers (N, *) or (); the rest as in
    ``cross_entropy``.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if input.ndim == 1 and target._data.shape == (1,):
        target = target.reshape(())
    _check_classes("nll_loss", input, target, weight)
    if ignore_index.__class__ is not int:
        ignore_index = whole(ignore_index, "ignore_index")
    single = input.ndim == 1
    if single:
        input, target = input.unsqueeze(0), target.unsqueeze(0)
    out = ops.nll(input, target, weight, ignore_index=ignore_index, reduction=reduction)
    return out.squeeze(0) if single and reduction == "none" else out
