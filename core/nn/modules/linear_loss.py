"""linear_loss: the cross-entropy of a linear layer's result, as one module."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from ...border import enclose
from ...dtypes import bfloat16, float16, float32, float64
from ...tensor import Tensor
from .. import functional as F
from .linear import Linear
from .loss import _WeightedLoss

_POLICIES = ("auto", "accurate", "balanced", "compact")


@enclose
@dataclasses.dataclass(frozen=True)
class LinearCrossEntropyOptions:
    """How PyTorch would cut the batch to save memory (``torch.nn.LinearCrossEntropyOptions``).

    Accepted, checked and kept: here the result and its gradients are those of the whole batch at
    once, so any backward is possible. Raises ValueError for a word that PyTorch does not know.

    >>> import anadrome as ad
    >>> ad.nn.LinearCrossEntropyOptions(batch_chunk_size=64).chunking_method
    'auto'
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.acc_policy not in _POLICIES:
            raise ValueError(
                f"invalid acc_policy: {self.acc_policy!r}; it is one of {', '.join(_POLICIES)}"
            )
        method = self.chunking_method
        if method not in (None, "auto"):
            name, colon, factor = str(method).partition(":")
            if name != "aspect_ratio" or (colon and not (factor.isdigit() and int(factor))):
                raise ValueError(
                    f"invalid chunking_method: {method!r}; write None, 'auto', 'aspect_ratio' or "
                    "'aspect_ratio:2'"
                )
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        if self.acc_dtype not in (None, float16, bfloat16, float32, float64):
            raise ValueError(
                "acc_dtype must be one of None, float16, bfloat16, float32, float64, got "
                f"{self.acc_dtype!r}"
            )


class LinearCrossEntropyLoss(_WeightedLoss):
    """A ``Linear`` layer and ``CrossEntropyLoss`` (``torch.nn.LinearCrossEntropyLoss``).

    ``in_features``: width of the input. ``num_classes``: C. ``out_features``: the K further
    dimensions of the loss. The other arguments are those of ``functional.linear_cross_entropy``.
    Raises RuntimeError for a ``weight`` of another length than C.

    >>> import anadrome as ad
    >>> loss = ad.nn.LinearCrossEntropyLoss(3, 4)
    >>> loss(ad.zeros(2, 3), ad.tensor([0, 3]))
    tensor(1.3863, grad_fn=<NllLossBackward0>)
    """

    def __init__(
        self,
        in_features: int,
        num_classes: int,
        *,
        out_features: tuple[int, ...] = (),
        bias: bool = False,
        device: Any = None,
        dtype: Any = None,
        reduction: str = "mean",
        weight: Tensor | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        options: LinearCrossEntropyOptions | None = None,
    ) -> None:
        if weight is not None and tuple(weight.shape) != (num_classes,):
            raise RuntimeError(
                f"expected weight shape to be {(num_classes,)}, got {tuple(weight.shape)}"
            )
        if not 0 <= label_smoothing <= 1:
            raise RuntimeError(
                f"expected label_smoothing to be in range [0, 1], got {label_smoothing}"
            )
        super().__init__(weight, reduction=reduction)
        self.num_classes = num_classes
        self.out_features = out_features
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing
        width = math.prod(out_features, start=num_classes)
        self.linear = Linear(in_features, width, bias=bias, device=device, dtype=dtype)
        self.options = options

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """(N, in_features) and targets as of ``CrossEntropyLoss``, (N, C, *out_features)."""
        shape = (self.num_classes, *self.out_features)
        weight, bias = self.linear.weight, self.linear.bias
        return F.linear_cross_entropy(
            input,
            weight.reshape((*shape, self.linear.in_features)),
            target,
            linear_bias=None if bias is None else bias.reshape(shape),
            weight=self.weight,
            reduction=self.reduction,
            ignore_index=self.ignore_index,
            label_smoothing=self.label_smoothing,
            options=self.options,
        )

    def extra_repr(self) -> str:
        return (
            f"in_features={self.linear.in_features}, num_classes={self.num_classes}, "
            f"out_features={self.out_features}, bias={self.linear.bias is not None}, "
            f"reduction={self.reduction}, ignore_index={self.ignore_index}, "
            f"label_smoothing={self.label_smoothing}, options={self.options}"
        )
