"""_windows: the windows of images as the columns of a matrix, and back."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from ..ops.columns import col2im, im2col
from ..ops.convolve import out_size, size_of
from ..refusals import refusing
from ..tensor import Tensor
from ._spatial import ntuple


@refusing
def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The windows of images as columns (``torch.nn.functional.unfold``).

    (N, C, H, W) to (N, C · KH · KW, windows); (C, H, W) to (C · KH · KW, windows).

    >>> import anadrome as ad
    >>> ad.nn.functional.unfold(ad.ones(1, 2, 4, 4), 3).shape
    anadrome.Size([1, 18, 4])
    """
    x = input.unsqueeze(0) if input.ndim == 3 else input
    if x.ndim != 4 or 0 in x.shape[1:]:
        raise ShapeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    kernel, how = _windows(kernel_size, dilation, padding, stride)
    sizes = tuple(
        map(out_size, x.shape[2:], kernel, how["stride"], how["padding"], how["dilation"])
    )
    if min(sizes) < 1:
        raise ShapeError(
            f"Given input with spatial size {tuple(x.shape[2:])}, kernel_size={kernel}, "
            f"dilation={how['dilation']}, padding={how['padding']}, calculated shape of the array "
            f"of sliding blocks as {sizes}, but its components must be at least one."
        )
    out = im2col(x, kernel=kernel, **how)
    return out.squeeze(0) if input.ndim == 3 else out


@refusing
def fold(
    input: Tensor,
    output_size: Any,
    kernel_size: Any,
    dilation: Any = 1,
    padding: Any = 0,
    stride: Any = 1,
) -> Tensor:
    """Columns added up into images, the transpose of ``unfold`` (``torch.nn.functional.fold``).

    (N, C · KH · KW, windows) to (N, C, *output_size), or both without N.

    >>> import anadrome as ad
    >>> ad.nn.functional.fold(ad.ones(1, 2, 4), (2, 3), (1, 2))
    tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]])
    """
    x = input.unsqueeze(0) if input.ndim == 2 else input
    if x.ndim != 3 or 0 in x.shape[1:]:
        raise ShapeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and other "
            f"non-zero dimensions for input, but got: {list(input.shape)}"
        )
    size = ntuple(output_size, 2, "output_size")
    kernel, how = _windows(kernel_size, dilation, padding, stride)
    if x.shape[1] % size_of(kernel):
        raise ShapeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={x.shape[1]} and kernel_size={kernel}."
        )
    sizes = tuple(map(out_size, size, kernel, how["stride"], how["padding"], how["dilation"]))
    if min(sizes) < 1 or size_of(sizes) != x.shape[2]:
        raise ShapeError(
            f"Given output_size={size}, kernel_size={kernel}, dilation={how['dilation']}, "
            f"padding={how['padding']}, stride={how['stride']}, expected size of input's dimension "
            f"2 to match the calculated number of sliding blocks {sizes[0]} * {sizes[1]} = "
            f"{size_of(sizes)}, but got input.size(2)={x.shape[2]}."
        )
    shape = (x.shape[0], x.shape[1] // size_of(kernel), *size)
    out = col2im(x, shape=shape, kernel=kernel, **how)
    return out.squeeze(0) if input.ndim == 2 else out


def _windows(
    kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[Any, dict[str, Any]]:
    kernel = ntuple(kernel_size, 2, "kernel_size")
    how = {
        "dilation": ntuple(dilation, 2, "dilation"),
        "padding": ntuple(padding, 2, "padding"),
        "stride": ntuple(stride, 2, "stride"),
    }
    for name, values in (
        ("kernel", kernel),
        ("dilation", how["dilation"]),
        ("stride", how["stride"]),
    ):
        if min(values) <= 0:
            raise ShapeError(f"{name} should be greater than zero, but got {values}")
    if min(how["padding"]) < 0:
        raise ShapeError(f"padding should be non-negative, but got {how['padding']}")
    return kernel, how
