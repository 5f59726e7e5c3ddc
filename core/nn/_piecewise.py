"""_piecewise: activations made of straight pieces, with PyTorch's signatures."""

from __future__ import annotations

import math

from .. import modes
from ..composite import one
from ..creation import full_like
from ..errors import DtypeError, ShapeError
from ..inplace import inplace_form
from ..making import number
from ..op import HALF
from ..ops import piecewise as ops
from ..ops.activation import floating
from ..out import takes_out
from ..random import draw
from ..refusals import refusing
from ..tensor import Tensor, wrap
from ._activations import leaky_relu
from ._smooth import in_place

_hardtanh_ = inplace_form(ops.hardtanh.op)
_hardsigmoid_ = inplace_form(ops.hardsigmoid.op)
_hardswish_ = inplace_form(ops.hardswish.op)
_threshold_ = inplace_form(ops.threshold.op)


@refusing
def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """``input`` held between ``min_val`` and ``max_val`` (``torch.nn.functional.hardtanh``).

    The gradient is zero at both ends. Raises ValueError if ``min_val`` is above ``max_val``.

    >>> import anadrome as ad
    >>> ad.nn.functional.hardtanh(ad.tensor([-3.0, 0.5, 3.0]))
    tensor([-1.0000,  0.5000,  1.0000])
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    min_val, max_val = number(min_val, "min_val"), number(max_val, "max_val")
    return (_hardtanh_ if inplace else ops.hardtanh)(input, min_val=min_val, max_val=max_val)


@refusing
def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """In-place form of ``hardtanh``."""
    return hardtanh(input, min_val, max_val, inplace=True)


@refusing
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """``min(max(input, 0), 6)`` (``torch.nn.functional.relu6``; arXiv:1704.04861)."""
    return (_hardtanh_ if inplace else ops.hardtanh)(input, min_val=0.0, max_val=6.0)


@refusing
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """``relu6(input + 3) / 6``, a sigmoid of straight pieces (arXiv:1905.02244)."""
    return (_hardsigmoid_ if inplace else ops.hardsigmoid)(input)


@refusing
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * hardsigmoid(input)`` (arXiv:1905.02244)."""
    return (_hardswish_ if inplace else ops.hardswish)(input)


@takes_out
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input``, and zero where it is within ``lambd`` of zero (``torch.hardshrink``)."""
    return ops.hardshrink(input, lambd=float(lambd))


@takes_out
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """``input`` moved toward zero by ``lambd``, and zero where it is nearer than that.

    Raises RuntimeError for a negative ``lambd``. PyTorch: ``torch.nn.functional.softshrink``.
    """
    if not 0.0 <= lambd < math.inf:
        raise RuntimeError(
            f"lambda must be in range [0, inf) for input dtype {input.dtype.name}, but found "
            f"{lambd:g}"
        )
    return ops.softshrink(input, lambd=float(lambd))


@refusing
def tanhshrink(input: Tensor) -> Tensor:
    """``input - tanh(input)`` (``torch.nn.functional.tanhshrink``)."""
    return input - input.tanh()


@takes_out
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """``input`` where it is above ``threshold``, else ``value`` (``torch.threshold``).

    >>> import anadrome as ad
    >>> ad.nn.functional.threshold(ad.tensor([1.0, 2.0]), 1.5, 0.0)
    tensor([0., 2.])
    """
    threshold, value = number(threshold, "threshold"), number(value, "value")
    return (_threshold_ if inplace else ops.threshold)(input, threshold=threshold, value=value)


@refusing
def threshold_(input: Tensor, threshold: float, value: float) -> Tensor:
    """In-place form of ``threshold``."""
    return _threshold_(input, threshold=threshold, value=value)


@refusing
@one(amp=HALF)
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``input`` where positive, else ``weight * input`` (``torch.prelu``; arXiv:1502.01852).

    ``weight``: of one element, or one for each channel (dimension 1 of the input).
    Raises RuntimeError for another number, and for two floating types.
    """
    if weight.dtype is not input.dtype:
        raise DtypeError(
            f"prelu: Type promoting not supported. Got {input.dtype.name} and {weight.dtype.name}; "
            f"use `weight.to(input.dtype)`"
        )
    floating("prelu", input)
    if weight.ndim > 1:
        raise ShapeError(
            f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.ndim}"
        )
    if weight.numel() != 1:
        if input.ndim == 0:
            raise ShapeError("Not allow zero-dim input tensor.")
        channels = input.shape[1] if input.ndim > 1 else 1
        if channels != weight.numel():
            raise ShapeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.numel()} and channel size = {channels}."
            )
    if weight.ndim < 2:
        ones = max(input.ndim - 2, 0)
        shape = (-1,) if input.ndim < 2 else (1, -1, *(1,) * ones)
        weight = weight.reshape(shape if input.ndim else ())
    return ops.prelu(input, weight)


@refusing
def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """``leaky_relu`` with a slope for each value, uniform in [lower, upper) while ``training``.

    Otherwise with the mean slope. PyTorch: ``torch.nn.functional.rrelu``; arXiv:1505.00853.
    """
    lower, upper = number(lower, "rrelu's lower"), number(upper, "rrelu's upper")
    for name, bound in (("lower", lower), ("upper", upper)):
        if not math.isfinite(bound):
            raise RuntimeError(f"rrelu: {name} bound must be finite, got {bound}")
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not training or lower == upper:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    floating("rrelu", input)
    drawn = wrap(draw("uniform", tuple(input.shape), input.dtype, input.device, None))
    with modes.no_grad():
        slopes = (drawn * (upper - lower) + lower).where(input <= 0, full_like(input, 1.0))
    return in_place("rrelu_", lambda x: x * slopes, input) if inplace else input * slopes


@refusing
def rrelu_(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False
) -> Tensor:
    """In-place form of ``rrelu``."""
    return rrelu(input, lower, upper, training, inplace=True)


Tensor.hardshrink = hardshrink  # type: ignore[attr-defined]
