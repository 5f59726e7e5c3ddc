"""conv: convolutions and their transposes."""

from __future__ import annotations

import math
from typing import Any

from ... import creation
from ...tensor import Tensor
from .. import functional as F
from .. import init
from .._later import later
from .._spatial import ntuple
from ..parameter import Parameter
from .module import Module

_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    dims: int
    transposed = False
    output_padding: tuple[int, ...]
    padding: Any
    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        n = self.dims
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = ntuple(kernel_size, n, "kernel_size")
        self.stride = ntuple(stride, n, "stride")
        self.padding = padding if isinstance(padding, str) else ntuple(padding, n, "padding")
        self.dilation = ntuple(dilation, n, "dilation")
        self.groups = groups
        self.padding_mode = padding_mode
        self.output_padding = (0,) * n
        self._check()
        made = {"device": device, "dtype": dtype}
        lead = (out_channels, in_channels // groups)
        if self.transposed:
            lead = (in_channels, out_channels // groups)
        self.weight = Parameter(creation.empty((*lead, *self.kernel_size), **made))
        if bias:
            self.bias = Parameter(creation.empty(out_channels, **made))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _check(self) -> None:
        if self.groups <= 0:
            raise ValueError("groups must be a positive integer")
        if self.in_channels % self.groups:
            raise ValueError("in_channels must be divisible by groups")
        if self.out_channels % self.groups:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {self.padding!r}, should be one of 'same', 'valid'"
                )
            if self.padding == "same" and any(s != 1 for s in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if self.padding_mode not in _MODES:
            raise ValueError(
                f"padding_mode must be one of {_MODES}, but got padding_mode='{self.padding_mode}'"
            )

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in:
                init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    @property
    def _reversed_padding_repeated_twice(self) -> list[int]:
        """The padding as ``F.pad`` takes it: the last dimension first, both sides."""
        sides: list[int] = []
        for i in reversed(range(self.dims)):
            if self.padding == "same":
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                sides += [total // 2, total - total // 2]
            elif self.padding == "valid":
                sides += [0, 0]
            else:
                sides += [self.padding[i], self.padding[i]]  # type: ignore[list-item]
        return sides

    def forward(self, input: Tensor) -> Tensor:
        """See the class."""
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Programs that change the weight in each forward call this."""
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            padding = (0,) * self.dims
        function = (F.conv1d, F.conv2d, F.conv3d)[self.dims - 1]
        return function(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
        text += f"stride={self.stride}"
        if self.padding != (0,) * len(self.padding):
            text += f", padding={self.padding}"
        if self.dilation != (1,) * len(self.dilation):
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * len(self.output_padding):
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class Conv1d(_ConvNd):
    """Cross-correlation over one dimension (PyTorch: ``torch.nn.Conv1d``).

    (N, in_channels, L) to (N, out_channels, L'). ``padding``: a number, "same" or "valid".
    """

    dims = 1


class Conv2d(_ConvNd):
    """Cross-correlation over two dimensions (PyTorch: ``torch.nn.Conv2d``).

    (N, in_channels, H, W) to (N, out_channels, H', W'). ``padding``: numbers, "same" or "valid".

    >>> import anadrome as ad
    >>> ad.nn.Conv2d(3, 8, kernel_size=3, padding=1)(ad.ones(2, 3, 6, 6)).shape
    anadrome.Size([2, 8, 6, 6])
    """

    dims = 2


class Conv3d(_ConvNd):
    """Cross-correlation over three dimensions (PyTorch: ``torch.nn.Conv3d``).

    (N, in_channels, D, H, W) to (N, out_channels, D', H', W'). ``padding``: numbers, "same" or
    "valid".
    """

    dims = 3


class _ConvTransposeNd(_ConvNd):
    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip
        self.output_padding = ntuple(output_padding, self.dims, "output_padding")

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """See the class; ``output_size``: where the input's size leaves it open."""
        extra = self.output_padding
        if output_size is not None:
            extra = self._output_padding(input, tuple(output_size))
        function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[self.dims - 1]
        return function(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups,
            self.dilation,
        )  # fmt: skip

    def _output_padding(self, input: Tensor, wanted: tuple[int, ...]) -> tuple[int, ...]:
        n = self.dims
        others = input.ndim - n
        if len(wanted) not in (n, n + others):
            raise ValueError(
                f"ConvTranspose{n}D: for {input.ndim}D input, output_size must have {n} or "
                f"{n + others} elements (got {len(wanted)})"
            )
        wanted = wanted[-n:]
        least = [
            (m - 1) * s - 2 * p + d * (k - 1) + 1
            for m, s, p, d, k in zip(
                input.shape[others:], self.stride, self.padding, self.dilation, self.kernel_size
            )
        ]
        most = [m + s - 1 for m, s in zip(least, self.stride)]
        if any(not a <= m <= b for m, a, b in zip(wanted, least, most)):
            raise ValueError(
                f"requested an output size of {list(wanted)}, but valid sizes range from {least} "
                f"to {most} (for an input of {input.shape[others:]})"
            )
        return tuple(m - a for m, a in zip(wanted, least))


class ConvTranspose1d(_ConvTransposeNd):
    """The transpose of a convolution over one dimension (``torch.nn.ConvTranspose1d``).

    (N, in_channels, L) to (N, out_channels, L').
    """

    dims = 1


class ConvTranspose2d(_ConvTransposeNd):
    """The transpose of a convolution over two dimensions (``torch.nn.ConvTranspose2d``).

    (N, in_channels, H, W) to (N, out_channels, H', W').

    >>> import anadrome as ad
    >>> ad.nn.ConvTranspose2d(8, 3, kernel_size=4, stride=2, padding=1)(ad.ones(2, 8, 6, 6)).shape
    anadrome.Size([2, 3, 12, 12])
    """

    dims = 2


class ConvTranspose3d(_ConvTransposeNd):
    """The transpose of a convolution over three dimensions (``torch.nn.ConvTranspose3d``).

    (N, in_channels, D, H, W) to (N, out_channels, D', H', W').
    """

    dims = 3


# PyTorch has these in this module too.
_, __getattr__, __dir__ = later(
    __name__,
    lazy="LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d "
    "LazyConvTranspose3d",
)
