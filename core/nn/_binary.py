"""_binary: the losses of probabilities of yes and no (PyTorch: ``binary_cross_entropy``)."""

from __future__ import annotations

from ..composite import one
from ..errors import DtypeError, ShapeError
from ..op import FULL
from ..ops import binary as ops
from ..ops.activation import floating
from ..refusals import refusing
from ..tensor import Tensor
from ._losses import reduction_of, same_size


@refusing
@one()
def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """``-(target * log(input) + (1 - target) * log(1 - input))``, logarithms at least -100.

    ``input``: probabilities; raises RuntimeError for values outside 0 to 1, and ValueError if the
    sizes differ. ``weight`` is broadcast. PyTorch: ``torch.nn.functional.binary_cross_entropy``.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    same_size("binary_cross_entropy", input, target)
    if target.dtype is not input.dtype:
        raise DtypeError(
            f"Found dtype {target.dtype.name} but expected {input.dtype.name}: write "
            "target.to(input.dtype)"
        )
    return ops.bce(input, target, weight, reduction=reduction)


@refusing
@one(amp=FULL)
def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``binary_cross_entropy(sigmoid(input), target)``, without overflow.

    ``weight`` and ``pos_weight`` (of the positive part of the target) are broadcast.
    Raises ValueError if the sizes differ.
    PyTorch: ``torch.nn.functional.binary_cross_entropy_with_logits``.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if isinstance(target, Tensor) and input.shape != target.shape:
        hint = ""
        if input.numel() == target.numel():
            hint = f"; write target.reshape({tuple(input.shape)})"
        raise ShapeError(
            f"Target size ({target.shape!r}) must be the same as input size ({input.shape!r}){hint}"
        )
    floating("binary_cross_entropy_with_logits", input._data)
    if not target.dtype.is_floating_point:
        raise DtypeError(
            f"result type {input.dtype.name} can't be cast to the desired output type "
            f"{target.dtype.name}; write target.to(input.dtype)"
        )
    out = ops.bce_with_logits(input, target, weight, pos_weight, reduction=reduction)
    return out if input.dtype is target.dtype else out.to(target.dtype)
