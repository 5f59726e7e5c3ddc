"""pooled: pools of a given output size, norms of windows, and what undoes a pool."""

from __future__ import annotations

from typing import Any

from ...tensor import Tensor
from .. import functional as F
from .._spatial import ntuple
from .module import Module


class _AdaptiveAvgPoolNd(Module):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class _AdaptiveMaxPoolNd(Module):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The mean of each of ``output_size`` equal parts (PyTorch: ``torch.nn.AdaptiveAvgPool1d``)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) to (N, C, *output_size)."""
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """The mean of each of ``output_size`` equal parts (PyTorch: ``torch.nn.AdaptiveAvgPool2d``)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, *output_size)."""
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """The mean of each of ``output_size`` equal parts (PyTorch: ``torch.nn.AdaptiveAvgPool3d``)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) to (N, C, *output_size)."""
        return F.adaptive_avg_pool3d(input, self.output_size)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The largest of each of ``output_size`` equal parts (``torch.nn.AdaptiveMaxPool1d``)."""

    def forward(self, input: Tensor) -> Any:
        """(N, C, L) to (N, C, *output_size)."""
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The largest of each of ``output_size`` equal parts (``torch.nn.AdaptiveMaxPool2d``)."""

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) to (N, C, *output_size)."""
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The largest of each of ``output_size`` equal parts (``torch.nn.AdaptiveMaxPool3d``)."""

    def forward(self, input: Tensor) -> Any:
        """(N, C, D, H, W) to (N, C, *output_size)."""
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _MaxUnpoolNd(Module):
    dims: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = ntuple(kernel_size, self.dims, "kernel_size")
        self.stride = ntuple(kernel_size if stride is None else stride, self.dims, "stride")
        self.padding = ntuple(padding, self.dims, "padding")

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Values back where ``MaxPool1d`` found them (PyTorch: ``torch.nn.MaxUnpool1d``)."""

    dims = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """Both (N, C, L), to (N, C, L')."""
        return F.max_unpool1d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool2d(_MaxUnpoolNd):
    """Values back where ``MaxPool2d`` found them (PyTorch: ``torch.nn.MaxUnpool2d``)."""

    dims = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """Both (N, C, H, W), to (N, C, H', W')."""
        return F.max_unpool2d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class MaxUnpool3d(_MaxUnpoolNd):
    """Values back where ``MaxPool3d`` found them (PyTorch: ``torch.nn.MaxUnpool3d``)."""

    dims = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """Both (N, C, D, H, W), to (N, C, D', H', W')."""
        return F.max_unpool3d(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )


class _LPPoolNd(Module):
    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """The ``norm_type``-norm of each window (PyTorch: ``torch.nn.LPPool1d``)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, L) to (N, C, L')."""
        return F.lp_pool1d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool2d(_LPPoolNd):
    """The ``norm_type``-norm of each window (PyTorch: ``torch.nn.LPPool2d``)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to (N, C, H', W')."""
        return F.lp_pool2d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class LPPool3d(_LPPoolNd):
    """The ``norm_type``-norm of each window (PyTorch: ``torch.nn.LPPool3d``)."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, D, H, W) to (N, C, D', H', W')."""
        return F.lp_pool3d(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )


class _FractionalMaxPool(Module):
    dims: int

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if (output_size is None) == (output_ratio is None):
            raise ValueError(
                f"{name} requires specifying either an output size, or a pooling ratio"
                if output_size is None
                else "only one of output_size and output_ratio may be specified"
            )
        n = self.dims
        self.kernel_size = ntuple(kernel_size, n, "kernel_size")
        if not all(k > 0 for k in self.kernel_size):
            raise ValueError(f"kernel_size must be greater than 0, but got {kernel_size}")
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else ntuple(output_size, n, "output_size")
        self.output_ratio = None
        if output_ratio is not None:
            one = isinstance(output_ratio, float)
            self.output_ratio = (output_ratio,) * n if one else tuple(output_ratio)
            if len(self.output_ratio) != n:
                raise ValueError(f"output_ratio is a number, or {n} of them, not {output_ratio}")
            if not all(0 < r < 1 for r in self.output_ratio):
                raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")


class FractionalMaxPool2d(_FractionalMaxPool):
    """The largest of windows at random places (PyTorch: ``torch.nn.FractionalMaxPool2d``)."""

    dims = 2

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) to (N, C, H', W')."""
        return F.fractional_max_pool2d(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            _random_samples=self._random_samples,
        )  # fmt: skip


class FractionalMaxPool3d(_FractionalMaxPool):
    """The largest of windows at random places (PyTorch: ``torch.nn.FractionalMaxPool3d``)."""

    dims = 3

    def forward(self, input: Tensor) -> Any:
        """(N, C, D, H, W) to (N, C, D', H', W')."""
        return F.fractional_max_pool3d(
            input, self.kernel_size, self.output_size, self.output_ratio, self.return_indices,
            _random_samples=self._random_samples,
        )  # fmt: skip
