"""_activations: the non-linear functions, with PyTorch's signatures."""

from __future__ import annotations

from typing import Any

from .. import sites
from ..errors import RangeError
from ..inplace import inplace_form
from ..looking import answered
from ..ops import activation as ops
from ..ops.arithmetic import plain
from ..ops.elementwise import tanh as _tanh
from ..ops.reduce import whole
from ..out import takes_out
from ..refusals import refusing
from ..tensor import Tensor

_silu_ = inplace_form(ops.silu.op)
_elu_ = inplace_form(ops.elu.op)
_leaky_relu_ = inplace_form(ops.leaky_relu.op)


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """``max(input, 0)`` (``torch.nn.functional.relu``)."""
    try:
        return _relu_(input) if inplace is not False and meant(inplace) else ops.relu(input)
    except Exception as error:
        return answered(error)


@refusing
def _relu_(input: Tensor) -> Tensor:
    return input.relu_()


def meant(inplace: Any) -> bool:
    """Whether a flag that is not simply False means True."""
    try:
        return bool(inplace)
    except (TypeError, ValueError, RuntimeError):
        kind = type(inplace).__name__
        raise TypeError(f"argument 'inplace' must be bool, not {kind}") from None


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """``input`` where positive, else ``input * negative_slope``."""
    try:
        function = _leaky_relu_ if inplace is not False and meant(inplace) else ops.leaky_relu
        return function(input, negative_slope=plain(negative_slope))
    except Exception as error:
        return answered(error)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where positive, else ``alpha * (exp(input) - 1)`` (arXiv:1511.07289)."""
    try:
        function = _elu_ if inplace is not False and meant(inplace) else ops.elu
        return function(input, alpha=plain(alpha))
    except Exception as error:
        return answered(error)


def gelu(input: Tensor, approximate: str = "none", *, out: Any = None) -> Tensor:
    """``input * Φ(input)``, Φ the normal distribution (arXiv:1606.08415).

    ``approximate="tanh"``: Φ by its usual approximation.
    """
    try:
        if not isinstance(approximate, str) or approximate not in ("none", "tanh"):
            raise RuntimeError(
                f"approximate argument must be either none or tanh, not {approximate!r}."
            )
        return ops.gelu(input, approximate=approximate, out=out)
    except Exception as error:
        return answered(error)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * sigmoid(input)``, also called swish (arXiv:1702.03118)."""
    try:
        return (_silu_ if inplace is not False and meant(inplace) else ops.silu)(input)
    except Exception as error:
        return answered(error)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return _tanh(input)


def sigmoid(input: Tensor) -> Tensor:
    """``1 / (1 + exp(-input))``."""
    return ops.sigmoid(input)


def logsigmoid(input: Tensor, *, out: Any = None) -> Tensor:
    """``log(sigmoid(input))``, exact also where the sigmoid is 0 in floating point."""
    try:
        return ops.logsigmoid(input, out=out)
    except Exception as error:
        return answered(error)


def softplus(
    input: Tensor, beta: float = 1.0, threshold: float = 20.0, *, out: Any = None
) -> Tensor:
    """``log(1 + exp(beta * input)) / beta``; ``input`` where ``beta * input > threshold``."""
    try:
        return ops.softplus(input, beta=plain(beta), threshold=plain(threshold), out=out)
    except Exception as error:
        return answered(error)


@refusing
def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """``exp(input)`` divided by its sum over ``dim`` (``torch.nn.functional.softmax``).

    >>> import anadrome as ad
    >>> ad.nn.functional.softmax(ad.zeros(4), dim=0)
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    if dtype is not None:
        input = input.to(dtype=dtype)
    return ops.softmax(input, dim=_dim("softmax", input, dim))


@refusing
def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """The logarithm of ``softmax``, computed without it."""
    if dtype is not None:
        input = input.to(dtype=dtype)
    return ops.log_softmax(input, dim=_dim("log_softmax", input, dim))


def _dim(name: str, input: Tensor, dim: int | None) -> int:
    ndim = input._data.ndim
    if dim is None:
        sites.warn(
            f"Implicit dimension choice for {name} has been deprecated. Change the call to "
            "include dim=X as an argument.",
        )
        return 0 if ndim in (0, 1, 3) else 1
    if dim.__class__ is not int:
        dim = whole(dim)
    limit = ndim or 1
    if not -limit <= dim < limit:
        raise RangeError(
            f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got "
            f"{dim})"
        )
    return dim


@takes_out
def _softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """``exp(input)`` divided by its sum over ``dim`` (``torch.softmax``)."""
    return softmax(input, whole(dim), dtype=dtype)


@takes_out
def _log_softmax(input: Tensor, dim: int, dtype: Any = None) -> Tensor:
    """The logarithm of ``softmax``, computed without it (``torch.log_softmax``)."""
    return log_softmax(input, whole(dim), dtype=dtype)


_softmax.__name__ = _softmax.__qualname__ = "softmax"
_log_softmax.__name__ = _log_softmax.__qualname__ = "log_softmax"
_softmax.__module__ = _log_softmax.__module__ = "anadrome"  # where pickle will look for them
Tensor.softmax = _softmax  # type: ignore[attr-defined]
Tensor.log_softmax = _log_softmax  # type: ignore[attr-defined]
