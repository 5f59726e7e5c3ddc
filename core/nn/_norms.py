"""_norms: normalisation by group, by sample and channel, by root mean square, by neighbours."""

from __future__ import annotations

from typing import Any

from ..composite import one
from ..dtypes import finfo, float32
from ..errors import ShapeError
from ..halves import by_steps, wide
from ..modes import no_grad
from ..op import FULL
from ..ops import groups, normalise
from ..ops.activation import floating
from ..refusals import refusing
from ..tensor import Tensor
from . import functional as F
from ._layers import batch_norm, fits, mixed


@refusing
@one(amp=FULL)
def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Mean 0 and variance 1 for each sample and group of channels (``torch.group_norm``).

    ``input``: (N, C, *); ``weight`` and ``bias``: (C,). Paper: arXiv:1803.08494.
    Raises RuntimeError if the channels are no multiple of the groups.

    >>> import anadrome as ad
    >>> ad.nn.functional.group_norm(ad.tensor([[1.0, 3.0, 0.0, 8.0]]), 2)
    tensor([[-1.0000,  1.0000, -1.0000,  1.0000]])
    """
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise ShapeError(
            f"Expected at least 2 dimensions for input tensor but received {len(shape)}"
        )
    if num_groups <= 0:
        raise ShapeError(f"Expected num groups to be greater than 0, got {num_groups}")
    channels = shape[1]
    _several_values((shape[0] * channels // num_groups, num_groups, *shape[2:]), input)
    if channels % num_groups:
        raise ShapeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {list(shape)} and num_groups={num_groups}"
        )
    for name, value in (("weight", weight), ("bias", bias)):
        if value is not None and tuple(value.shape) != (channels,):
            raise ShapeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, "
                f"but got {name} of shape {list(value.shape)} and input of shape {list(shape)}"
            )
    floating("group_norm", input._data)
    both = mixed(input, weight, bias)
    if _at_once(input, weight, bias):
        return groups.group_norm(input, weight, bias, groups=num_groups, eps=eps)[0]
    if input.numel():
        rows = input.reshape((shape[0], num_groups, -1))
        if by_steps(input) and (weight is not None or bias is not None):  # rounded at the end
            rows, weight, bias = wide(rows), wide(weight), wide(bias)
            both = True
        out = normalise.layer_norm(rows, None, None, dims=1, eps=eps)[0].reshape(shape)
    else:
        out = input * 1.0
    out = _affine(out, weight, bias)
    return out.to(input.dtype) if both else out


def _at_once(input: Tensor, weight: Tensor | None, bias: Tensor | None) -> bool:
    """Whether the backend has a kernel of the whole, for all of one type."""
    if weight is None or bias is None or "group_norm" not in input._backend.kernels:
        return False
    kind = input.dtype
    return weight.dtype is kind and bias.dtype is kind and not by_steps(input) and input.numel() > 0


def _affine(out: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """Times ``weight``, plus ``bias``, along dimension 1."""
    along = (-1,) + (1,) * (out.ndim - 2)
    if weight is not None:
        out = out * weight.reshape(along)
    return out if bias is None else out + bias.reshape(along)


def _several_values(size: Any, input: Tensor) -> None:
    count = size[0]
    for n in size[2:]:
        count *= n
    if count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size "
            f"{type(input.shape)(size)!r}"
        )


@refusing
def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Mean 0 and variance 1 for each sample and channel (``torch.nn.functional.instance_norm``).

    ``input``: (N, C, *). ``use_input_stats``: with its own statistics, toward whose mean over the
    samples the running ones take a step of ``momentum``; otherwise with the running ones.
    Paper: arXiv:1607.08022.
    """
    shape = tuple(input.shape)
    if use_input_stats:
        count = 1
        for n in shape[2:]:
            count *= n
        if count == 1:
            raise ValueError(
                "Expected more than 1 spatial element when training, got input size "
                f"{input.shape!r}"
            )
    elif running_mean is None or running_var is None:
        raise RuntimeError(
            "Expected running_mean and running_var to be defined when use_input_stats is false"
        )
    samples, channels = shape[:2]
    flat = input.reshape((1, samples * channels, *shape[2:]))
    kept = running_mean, running_var
    if running_mean is not None and running_var is not None:  # of the type of what they go with
        kind = input.dtype if weight is None else weight.dtype
        running_mean, running_var = running_mean.to(kind), running_var.to(kind)
    given = (running_mean, running_var, weight, bias)
    for name, value in zip(("running_mean", "running_var", "weight", "bias"), given):
        if value is not None and tuple(value.shape) != (channels,):
            raise ShapeError(
                f"{name} should contain {channels} elements not {value.numel()}: one for each "
                f"channel (dimension 1) of the input {shape}"
            )
    both = mixed(input, *given)
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    if running_mean is None and running_var is None and _at_once(input, weight, bias):
        return groups.group_norm(input, weight, bias, groups=channels, eps=eps)[0]
    with no_grad():
        mean, var = (None if v is None else v.repeat(samples) for v in (running_mean, running_var))
    if by_steps(input) and not both:  # as one, which is rounded once
        weight, bias = (None if v is None else v.repeat(samples) for v in (weight, bias))
        out = batch_norm(flat, mean, var, weight, bias, True, momentum, eps)
        weight = bias = None
    else:
        out = batch_norm(flat, mean, var, None, None, True, momentum, eps)
    with no_grad():
        for running, now in zip(kept, (mean, var)):
            if running is not None and now is not None:
                running.copy_(now.reshape((samples, channels)).mean(0))
    out = _affine(out.reshape(shape), weight, bias)
    return out.to(input.dtype) if both else out


@refusing
@one(amp=FULL)
def rms_norm(
    input: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Divided by the root of the mean square over the last dimensions, times ``weight``.

    ``normalized_shape``: the lengths of those dimensions. ``eps``: by default the machine epsilon
    of the input, of half precision that of float32. PyTorch: ``torch.nn.functional.rms_norm``;
    paper: arXiv:1910.07467.

    >>> import anadrome as ad
    >>> ad.nn.functional.rms_norm(ad.tensor([3.0, 4.0, 0.0, 0.0]), [4])
    tensor([1.2000, 1.6000, 0.0000, 0.0000])
    """
    wanted = tuple(normalized_shape)
    fits("rms_norm", input, wanted, weight=weight)
    floating("rms_norm", input._data)
    if eps is None:
        eps = finfo(float32 if input.dtype.itemsize == 2 else input.dtype).eps
    out = normalise.rms_norm(input, weight, dims=len(wanted), eps=float(eps))[0]
    return out if weight is None or weight.dtype is input.dtype else out.to(input.dtype)


@refusing
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divided by ``(k + alpha * mean of the squares of size channels around) ** beta``.

    ``input``: (N, C, *) with at least one dimension more. PyTorch:
    ``torch.nn.functional.local_response_norm``; paper: Krizhevsky et al., NIPS 2012.
    """
    shape = tuple(input.shape)
    if len(shape) < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality input (got {len(shape)} dimensions)"
        )
    if not input.numel():
        return input
    squares = input * input
    before, after = size // 2, (size - 1) // 2
    if len(shape) == 3:
        rows = squares.reshape((shape[0], 1, shape[1], -1))
        around = F.avg_pool2d(F.pad(rows, (0, 0, before, after)), (size, 1), stride=1)
    else:
        rows = squares.reshape((shape[0], 1, *shape[1:3], -1))
        around = F.avg_pool3d(F.pad(rows, (0, 0, 0, 0, before, after)), (size, 1, 1), stride=1)
    around = around.reshape(shape)
    return input / (around * alpha + k) ** beta
