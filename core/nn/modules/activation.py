"""activation: the non-linear functions as modules."""

from __future__ import annotations

from ...tensor import Tensor
from .. import functional as F
from .._later import later
from .module import Module

# PyTorch has these in its module of this name; ours are in two that are loaded when asked for.
_, __getattr__, __dir__ = later(
    __name__,
    piecewise="Hardshrink Hardsigmoid Hardswish Hardtanh PReLU RReLU ReLU6 Softshrink Tanhshrink "
    "Threshold",
    smooth="CELU GLU Mish SELU Softmax2d Softmin Softsign",
)


class ReLU(Module):
    """``max(input, 0)`` (PyTorch: ``torch.nn.ReLU``)."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.relu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """``input`` where positive, else ``input * negative_slope`` (``torch.nn.LeakyReLU``)."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class ELU(Module):
    """``input`` where positive, else ``alpha * (exp(input) - 1)`` (``torch.nn.ELU``)."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class GELU(Module):
    """``input * Φ(input)`` (PyTorch: ``torch.nn.GELU``); ``approximate``: "none" or "tanh"."""

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class SiLU(Module):
    """``input * sigmoid(input)`` (PyTorch: ``torch.nn.SiLU``)."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.silu(input, self.inplace)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Tanh(Module):
    """The hyperbolic tangent (PyTorch: ``torch.nn.Tanh``)."""

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.tanh(input)


class Sigmoid(Module):
    """``1 / (1 + exp(-input))`` (PyTorch: ``torch.nn.Sigmoid``)."""

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.sigmoid(input)


class LogSigmoid(Module):
    """``log(sigmoid(input))`` (PyTorch: ``torch.nn.LogSigmoid``)."""

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.logsigmoid(input)


class Softplus(Module):
    """``log(1 + exp(beta * input)) / beta`` (PyTorch: ``torch.nn.Softplus``)."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Softmax(Module):
    """``exp(input)`` divided by its sum over ``dim`` (PyTorch: ``torch.nn.Softmax``)."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.softmax(input, self.dim, _stacklevel=5)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """The logarithm of ``Softmax`` (PyTorch: ``torch.nn.LogSoftmax``)."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """The input's shape."""
        return F.log_softmax(input, self.dim, _stacklevel=5)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


# PyTorch has these in this module too.
_, __getattr__, __dir__ = later(
    __name__,
    multihead="MultiheadAttention",
    piecewise="Hardshrink Hardsigmoid Hardswish Hardtanh PReLU RReLU ReLU6 Softshrink Tanhshrink "
    "Threshold",
    smooth="CELU GLU Mish SELU Softmax2d Softmin Softsign",
)
