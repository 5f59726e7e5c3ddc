"""dropout: values left out at random while training."""

from __future__ import annotations

from ...tensor import Tensor
from .. import functional as F
from .module import Module


class _DropoutNd(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Each value zero with probability ``p`` while training (PyTorch: ``torch.nn.Dropout``).

    The others are divided by ``1 - p``; in evaluation mode nothing happens. Paper:
    arXiv:1207.0580.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """Whole channels of (N, C, L) left out while training (PyTorch: ``torch.nn.Dropout1d``)."""

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """Whole channels of (N, C, H, W) left out while training (``torch.nn.Dropout2d``)."""

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """Whole channels of (N, C, D, H, W) left out while training (``torch.nn.Dropout3d``)."""

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps mean and variance, beside ``SELU`` (``torch.nn.AlphaDropout``).

    Paper: arXiv:1706.02515.
    """

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """``AlphaDropout`` of whole channels (PyTorch: ``torch.nn.FeatureAlphaDropout``)."""

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.feature_alpha_dropout(input, self.p, self.training)
