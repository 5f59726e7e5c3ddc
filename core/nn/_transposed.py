"""_transposed: the transposes of convolutions, for one, two and three dimensions."""

from __future__ import annotations

from typing import Any

from ..composite import one
from ..errors import ShapeError
from ..op import HALF
from ..ops.convolve import conv_input
from ..ops.shape import pad_constant
from ..refusals import refusing
from ..tensor import Tensor
from ._convolution import batched, check
from ._spatial import by, ntuple


@refusing
@one(amp=HALF)
def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose of a convolution over one dimension (``conv_transpose1d``).

    ``input``: (N, C, L) or (C, L), ``weight``: (C, out / groups, K), ``bias``: (out,). The output
    is (L - 1) * stride - 2 * padding + dilation * (K - 1) + output_padding + 1 long.
    """
    return _transposed(
        1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )  # fmt: skip


@refusing
@one(amp=HALF)
def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose of a convolution over two dimensions (``conv_transpose2d``).

    ``input``: (N, C, H, W) or (C, H, W), ``weight``: (C, out / groups, KH, KW), ``bias``: (out,).
    An output dimension is (n - 1) * stride - 2 * padding + dilation * (K - 1) + output_padding + 1.
    """
    return _transposed(
        2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )  # fmt: skip


@refusing
@one(amp=HALF)
def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """The transpose of a convolution over three dimensions (``conv_transpose3d``).

    ``input``: (N, C, D, H, W) or (C, D, H, W), ``weight``: (C, out / groups, KD, KH, KW).
    """
    return _transposed(
        3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )  # fmt: skip


def _transposed(
    n: int, input: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any,
    output_padding: Any, groups: int, dilation: Any,
) -> Tensor:  # fmt: skip
    input, batch = batched(n, "conv_transpose", input)
    stride = ntuple(stride, n, "stride")
    padding = ntuple(padding, n, "padding")
    dilation = ntuple(dilation, n, "dilation")
    extra = ntuple(output_padding, n, "output_padding")
    check(input, weight, bias, stride, dilation, groups)
    _check_transposed(input, weight, bias, stride, padding, dilation, extra, groups)
    x, w = input._data.shape, weight._data.shape
    how = {"stride": stride, "dilation": dilation, "groups": groups}
    whole = [(m - 1) * s + d * (k - 1) + 1 for m, s, d, k in zip(x[2:], stride, dilation, w[2:])]
    sizes = [m - 2 * p + e for m, p, e in zip(whole, padding, extra)]
    if min(sizes) <= 0:
        raise ShapeError(
            f"Given input size per channel: {by(x[2:])}. Calculated output size per channel: "
            f"{by(sizes)}. Output size is too small"
        )
    lead = (x[0], w[1] * groups)
    if all(e < s for e, s in zip(extra, stride)):
        out = conv_input(input, weight, bias, shape=(*lead, *sizes), padding=padding, **how)
    else:  # longer than any input of a convolution with this output is
        out = conv_input(input, weight, shape=(*lead, *whole), padding=(0,) * n, **how)
        sides = [(-p, e - p) for p, e in zip(padding, extra)]
        out = pad_constant(out, padding=((0, 0), (0, 0), *sides))
        if bias is not None:
            out = out + bias.reshape(-1, *(1,) * n)
    return out if batch else out.squeeze(0)


def _check_transposed(
    input: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, extra: Any,
    groups: int,
) -> None:  # fmt: skip
    x, w = input._data.shape, weight._data.shape
    if min(padding) < 0:
        raise ShapeError("negative padding is not supported; pad the output instead")
    if min(extra) < 0:
        raise ShapeError("negative output_padding is not supported")
    if x[1] != w[0]:
        raise ShapeError(
            f"Given transposed=1, weight of size {list(w)}, expected input{list(x)} to have {w[0]} "
            f"channels, but got {x[1]} channels instead"
        )
    if bias is not None and bias._data.shape != (w[1] * groups,):
        raise ShapeError(
            f"Given transposed=1, weight of size {list(w)}, expected bias to be 1-dimensional with "
            f"{w[1] * groups} elements, but got bias of size {list(bias.shape)} instead"
        )
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation)):
        raise ShapeError(
            "output padding must be smaller than either stride or dilation, but got "
            f"output_padding={extra}, stride={stride} and dilation={dilation}"
        )
