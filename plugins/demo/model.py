"""The two models: a small residual convolutional network, and a residual MLP for tables."""

from __future__ import annotations

import anadrome as ad
from anadrome import nn

from .data import CLASSIFICATION, Split


class Residual(nn.Module):
    """`x + body(x)`: the sum gives the gradient a path around the body, whatever the body does.

    With `checkpointed`, the body's intermediate values are not kept for the backward pass but
    computed again when it comes to them: memory for time. The gradients stay the same bit for
    bit. (A BatchNorm in the body then sees each batch twice, so its running averages move a little
    faster towards the batch's; PyTorch does the same.)
    """

    def __init__(self, body: nn.Module, checkpointed: bool) -> None:
        super().__init__()
        self.body = body
        self.checkpointed = checkpointed

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        if self.checkpointed and self.training:
            return x + ad.utils.checkpoint.checkpoint(self.body, x, use_reentrant=False)
        return x + self.body(x)


def conv_unit(inputs: int, outputs: int) -> list[nn.Module]:
    """3 × 3 convolution, normalised; no bias, since the normalisation would subtract it again."""
    return [
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class DigitNet(nn.Module):
    """Scans (rows, 1, 8, 8) to scores (rows, 10): 8 × 8 pixels, then 4 × 4, then one each."""

    def __init__(self, width: int = 16, dropout: float = 0.2, checkpointed: bool = False) -> None:
        super().__init__()
        wide = 2 * width
        self.stem = nn.Sequential(*conv_unit(1, width), nn.ReLU())
        self.fine = self.block(width, checkpointed)
        self.widen = nn.Sequential(nn.MaxPool2d(2), *conv_unit(width, wide), nn.ReLU())
        self.coarse = self.block(wide, checkpointed)
        self.head = nn.Sequential(
            nn.AvgPool2d(4),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(wide, 10),
        )

    @staticmethod
    def block(width: int, checkpointed: bool) -> nn.Module:
        """Two convolutions around which the input is added, then the nonlinearity."""
        body = nn.Sequential(*conv_unit(width, width), nn.ReLU(), *conv_unit(width, width))
        return nn.Sequential(Residual(body, checkpointed), nn.ReLU())

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        x = self.fine(self.stem(x))
        x = self.coarse(self.widen(x))
        return self.head(x)


class TableNet(nn.Module):
    """Standardised columns (rows, inputs) to scores, or to one standardised number."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        width: int = 64,
        dropout: float = 0.2,
        checkpointed: bool = False,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(inputs, width), nn.GELU())
        self.first = self.block(width, dropout, checkpointed)
        self.second = self.block(width, dropout, checkpointed)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, outputs))

    @staticmethod
    def block(width: int, dropout: float, checkpointed: bool) -> nn.Module:
        """A normalised two-layer body around which its input is added."""
        body = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(width, width),
        )
        return Residual(body, checkpointed)

    def forward(self, x: ad.Tensor) -> ad.Tensor:
        return self.head(self.second(self.first(self.stem(x))))


def build(split: Split, checkpointed: bool) -> nn.Module:
    """A fresh model for the data, with random weights."""
    if split.train_x.ndim == 4:
        return DigitNet(checkpointed=checkpointed)
    return TableNet(split.train_x.shape[1], split.outputs, checkpointed=checkpointed)


def criterion(split: Split) -> nn.Module:
    """The loss that fits the kind of target."""
    return nn.CrossEntropyLoss() if split.kind == CLASSIFICATION else nn.MSELoss()
