"""neighbours: the older normalisation by the channels around."""

from __future__ import annotations

from ...creation import zeros_like
from ...ops.joining import cat
from ...tensor import Tensor
from .. import functional as F
from .module import Module


class CrossMapLRN2d(Module):
    """``LocalResponseNorm`` as PyTorch's older code computes it (``torch.nn.CrossMapLRN2d``).

    ``(N, C, H, W)`` to the same. ``LocalResponseNorm`` is to be preferred: in the sums here the
    first channel stays where it is far away (a slip that PyTorch keeps), and an even ``size``
    counts one channel less. The gradient is that of these numbers; PyTorch's is of others.

    >>> import anadrome as ad
    >>> ad.nn.CrossMapLRN2d(3, alpha=3.0, beta=1.0)(ad.ones(1, 2, 1, 1)).flatten()
    tensor([0.3333, 0.3333])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        if input.ndim != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.ndim}D instead.")
        reach = (self.size - 1) // 2
        square = input.square()
        padded = F.pad(square, (0, 0, 0, 0, reach, reach))
        around = padded.unfold(1, 2 * reach + 1, 1).sum(-1)
        first = square[:, :1]
        kept = first.expand((-1, max(input.shape[1] - reach - 1, 0), -1, -1))
        around = around + cat([zeros_like(around[:, : reach + 1]), kept], 1)
        return input * (around * (self.alpha / self.size) + self.k) ** -self.beta

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
