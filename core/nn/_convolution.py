"""_convolution: convolution, for one, two and three dimensions."""

from __future__ import annotations

from typing import Any

from .. import modes
from ..errors import DtypeError, ShapeError
from ..ops.convolve import conv, out_size
from ..ops.shape import pad_constant
from ..refusals import refusing
from ..tensor import Tensor
from ._spatial import by, ntuple


@refusing
def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation over one dimension (``torch.nn.functional.conv1d``).

    ``input``: (N, C, L) or (C, L), ``weight``: (out, C / groups, K), ``bias``: (out,).
    ``padding``: a number, "valid" (none) or "same" (the output is as long as the input).
    """
    return _convolution(1, input, weight, bias, stride, padding, dilation, groups)


@refusing
def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation over two dimensions (``torch.nn.functional.conv2d``).

    ``input``: (N, C, H, W) or (C, H, W), ``weight``: (out, C / groups, KH, KW), ``bias``: (out,).
    ``padding``: numbers, "valid" (none) or "same" (the output is as large as the input).
    """
    return _convolution(2, input, weight, bias, stride, padding, dilation, groups)


@refusing
def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Cross-correlation over three dimensions (``torch.nn.functional.conv3d``).

    ``input``: (N, C, D, H, W) or (C, D, H, W), ``weight``: (out, C / groups, KD, KH, KW).
    ``padding``: numbers, "valid" (none) or "same" (the output is as large as the input).
    """
    return _convolution(3, input, weight, bias, stride, padding, dilation, groups)


def _convolution(
    n: int, input: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any,
    groups: int,
) -> Tensor:  # fmt: skip
    input, whole = batched(n, "conv", input)
    stride = ntuple(stride, n, "stride")
    dilation = ntuple(dilation, n, "dilation")
    check(input, weight, bias, stride, dilation, groups)
    if isinstance(padding, str):
        input, padding = _named_padding(input, weight, stride, padding, dilation)
    else:
        padding = ntuple(padding, n, "padding")
    _check_convolution(input, weight, bias, stride, padding, dilation, groups)
    out = conv(
        input, weight, bias, stride=stride, padding=padding, dilation=dilation, groups=groups
    )
    return out if whole else out.squeeze(0)


def batched(n: int, what: str, input: Tensor) -> tuple[Tensor, bool]:
    ndim = input._data.ndim
    if ndim == n + 2:
        return input, True
    if ndim == n + 1:
        return input.unsqueeze(0), False
    raise ShapeError(
        f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {what}{n}d, but got input "
        f"of size: {list(input.shape)}"
    )


def _named_padding(
    input: Tensor, weight: Tensor, stride: Any, padding: str, dilation: Any
) -> tuple[Tensor, tuple[int, ...]]:
    if padding == "valid":
        return input, (0,) * len(stride)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: {padding!r}; write 'same', 'valid' or numbers")
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    totals = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:])]
    if any(t % 2 for t in totals):  # one more at the end, as PyTorch does
        sides = ((0, 0), (0, 0), *((0, t % 2) for t in totals))
        input = pad_constant(input, padding=sides)
    return input, tuple(t // 2 for t in totals)


def check(
    input: Tensor, weight: Tensor, bias: Any, stride: Any, dilation: Any, groups: int
) -> None:
    """What a convolution and a transposed one ask for alike."""
    x, w = input._data, weight._data
    for what, other in (("weight", weight), ("bias", bias)):
        if other is None or other._data.dtype == x.dtype or modes.current().modes:
            continue  # a mode may yet cast them
        raise DtypeError(
            f"Input type ({input.dtype}) and {what} type ({other.dtype}) should be the same; "
            f"write `input.to({other.dtype})`"
        )
    if groups <= 0:
        raise ShapeError("non-positive groups is not supported")
    if w.ndim != x.ndim:
        raise ShapeError(
            f"Expected {x.ndim}-dimensional weight for input {list(x.shape)}, but got weight of "
            f"size {list(w.shape)}"
        )
    if min(stride) <= 0:
        raise ShapeError("non-positive stride is not supported")
    if min(dilation) <= 0:
        raise ShapeError("dilation should be greater than zero")
    if w.shape[0] % groups or w.shape[0] < groups:
        raise ShapeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{list(w.shape)}] instead"
        )


def _check_convolution(
    input: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> None:
    x, w = input._data.shape, weight._data.shape
    if min(padding) < 0:
        raise ShapeError("negative padding is not supported; cut the input with slices")
    if x[1] != w[1] * groups:
        raise ShapeError(
            f"Given groups={groups}, weight of size {list(w)}, expected input{list(x)} to have "
            f"{w[1] * groups} channels, but got {x[1]} channels instead"
        )
    if bias is not None and bias._data.shape != (w[0],):
        raise ShapeError(
            f"Given weight of size {list(w)}, expected bias to be 1-dimensional with {w[0]} "
            f"elements, but got bias of size {list(bias.shape)} instead"
        )
    if min(map(out_size, x[2:], w[2:], stride, padding, dilation)) <= 0:
        padded = [n + 2 * p for n, p in zip(x[2:], padding)]
        kernel = [d * (k - 1) + 1 for d, k in zip(dilation, w[2:])]
        raise ShapeError(
            f"Calculated padded input size per channel: {by(padded)}. Kernel size: {by(kernel)}. "
            "Kernel size can't be greater than actual input size"
        )
