"""padding: layers that add values around their input."""

from __future__ import annotations

from typing import Any

from ...tensor import Tensor
from .. import functional as F
from .._spatial import ntuple
from .module import Module


class _Pad(Module):
    """``padding``: one number for all sides, or two a dimension, the last dimension first."""

    dims: int
    mode: str

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = ntuple(padding, 2 * self.dims, "padding")

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, *) or (C, *) to the same with longer dimensions."""
        if self.mode == "circular" and input.ndim not in (self.dims + 1, self.dims + 2):
            raise ValueError(
                f"expected {self.dims + 1}D or {self.dims + 2}D input (got {input.ndim}D input)"
            )
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPadNd(_Pad):
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """(*) to the same with longer dimensions."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class CircularPad1d(_Pad):
    """The values of the other end around one dimension (PyTorch: ``torch.nn.CircularPad1d``)."""

    dims = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """The values of the other end around two dimensions (PyTorch: ``torch.nn.CircularPad2d``)."""

    dims = 2
    mode = "circular"


class CircularPad3d(_Pad):
    """The values of the other end around three dimensions (PyTorch: ``torch.nn.CircularPad3d``)."""

    dims = 3
    mode = "circular"


class ConstantPad1d(_ConstantPadNd):
    """``value`` around one dimension (PyTorch: ``torch.nn.ConstantPad1d``)."""

    dims = 1


class ConstantPad2d(_ConstantPadNd):
    """``value`` around two dimensions (PyTorch: ``torch.nn.ConstantPad2d``)."""

    dims = 2


class ConstantPad3d(_ConstantPadNd):
    """``value`` around three dimensions (PyTorch: ``torch.nn.ConstantPad3d``)."""

    dims = 3


class ReflectionPad1d(_Pad):
    """The input mirrored around one dimension (PyTorch: ``torch.nn.ReflectionPad1d``)."""

    dims = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """The input mirrored around two dimensions (PyTorch: ``torch.nn.ReflectionPad2d``)."""

    dims = 2
    mode = "reflect"


class ReflectionPad3d(_Pad):
    """The input mirrored around three dimensions (PyTorch: ``torch.nn.ReflectionPad3d``)."""

    dims = 3
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """The border's values around one dimension (PyTorch: ``torch.nn.ReplicationPad1d``)."""

    dims = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """The border's values around two dimensions (PyTorch: ``torch.nn.ReplicationPad2d``)."""

    dims = 2
    mode = "replicate"


class ReplicationPad3d(_Pad):
    """The border's values around three dimensions (PyTorch: ``torch.nn.ReplicationPad3d``)."""

    dims = 3
    mode = "replicate"


class ZeroPad1d(ConstantPad1d):
    """Zeros around one dimension (PyTorch: ``torch.nn.ZeroPad1d``)."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad2d(ConstantPad2d):
    """Zeros around two dimensions (PyTorch: ``torch.nn.ZeroPad2d``)."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad3d(ConstantPad3d):
    """Zeros around three dimensions (PyTorch: ``torch.nn.ZeroPad3d``)."""

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"
