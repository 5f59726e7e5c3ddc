"""_smooth: the smooth activations beside the usual ones, with PyTorch's signatures."""

from __future__ import annotations

from collections.abc import Callable

from .. import modes
from ..creation import arange
from ..dtypes import finfo
from ..errors import ShapeError, UnsupportedError
from ..halves import by_steps
from ..inplace import assign, check_writable, inplace_form
from ..making import number
from ..ops import activation, piecewise
from ..ops.activation import floating
from ..ops.elementwise import log
from ..ops.piecewise import gated
from ..random import draw
from ..refusals import refusing
from ..tensor import Tensor, wrap
from ._activations import _dim, elu, leaky_relu, softmax

_mish_ = inplace_form(piecewise.mish.op)
_elu_ = inplace_form(activation.elu.op)

# Klambauer et al., "Self-normalizing neural networks": the fixed point of mean 0 and variance 1.
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_SCALE = 1.0507009873554804934193349852946


def in_place(name: str, function: Callable[[Tensor], Tensor], input: Tensor) -> Tensor:
    """Write ``function(input)`` into ``input``; what the graph saves are the values of before."""
    check_writable(input)
    source = input
    if modes.is_grad_enabled() and input.requires_grad:
        source = wrap(input._backend.asarray(input._data))
        source._edge = input._gradient_edge()
    return assign(input, function(source), name)


@refusing
def relu_(input: Tensor) -> Tensor:
    """In-place form of ``relu``."""
    return input.relu_()


@refusing
def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place form of ``elu``."""
    return elu(input, alpha, inplace=True)


@refusing
def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """In-place form of ``leaky_relu``."""
    return leaky_relu(input, negative_slope, inplace=True)


@refusing
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """``input`` where positive, else ``alpha * (exp(input / alpha) - 1)`` (arXiv:1704.07483).

    PyTorch: ``torch.nn.functional.celu``. Raises RuntimeError for an ``alpha`` of 0.
    """
    alpha = number(alpha, "celu's alpha")
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return (_elu_ if inplace else activation.elu)(input, alpha=alpha, input_scale=1.0 / alpha)


@refusing
def celu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """In-place form of ``celu``."""
    return celu(input, alpha, inplace=True)


@refusing
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """``elu`` scaled so that mean 0 and variance 1 are kept (arXiv:1706.02515).

    PyTorch: ``torch.nn.functional.selu``.
    """
    function = _elu_ if inplace else activation.elu
    return function(input, alpha=SELU_ALPHA, scale=SELU_SCALE)


@refusing
def selu_(input: Tensor) -> Tensor:
    """In-place form of ``selu``."""
    return selu(input, inplace=True)


@refusing
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """``input * tanh(softplus(input))`` (``torch.nn.functional.mish``; arXiv:1908.08681)."""
    return (_mish_ if inplace else piecewise.mish)(input)


@refusing
def softsign(input: Tensor) -> Tensor:
    """``input / (1 + |input|)`` (``torch.nn.functional.softsign``)."""
    return input / (input.abs() + 1)


@refusing
def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: object = None
) -> Tensor:
    """``softmax(-input)`` (``torch.nn.functional.softmin``)."""
    if dim is None:
        dim = _dim("softmin", input, dim)
    return softmax(-input, dim, dtype=dtype)


@refusing
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along ``dim`` times the sigmoid of the second (arXiv:1612.08083).

    PyTorch: ``torch.nn.functional.glu``. Raises RuntimeError if there is no half.

    >>> import anadrome as ad
    >>> ad.nn.functional.glu(ad.tensor([2.0, 0.0]))
    tensor([1.])
    """
    floating("glu", input)
    if input.ndim == 0:
        raise ShapeError("glu does not support scalars because halving size must be even")
    dim = _dim("glu", input, dim) % input.ndim
    size = input.shape[dim]
    if size % 2:
        raise ShapeError(f"Halving dimension must be even, but dimension {dim} is size {size}")
    lead = (slice(None),) * dim
    half = size // 2
    first, second = input[(*lead, slice(None, half))], input[(*lead, slice(half, None))]
    return gated(first, second) if by_steps(input) else first * second.sigmoid()


@refusing
def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """A draw from the categories that ``logits`` weigh, that gradients flow through.

    ``tau``: the lower, the nearer to one-hot. ``hard``: one-hot, with the gradient of the soft
    one. PyTorch: ``torch.nn.functional.gumbel_softmax``; arXiv:1611.01144, arXiv:1611.00712.
    """
    if not logits.dtype.is_floating_point:
        raise UnsupportedError(
            "Exponential distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {logits.dtype.name}; use `logits.float()`"
        )
    drawn = wrap(draw("uniform", tuple(logits.shape), logits.dtype, logits.device, None))
    tiny = finfo(logits.dtype).tiny
    noise = -log(-log(1.0 - drawn).clamp(max=-tiny))  # 1 - u is never 0, and may be 1
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    best = soft.detach().argmax(dim=dim, keepdim=True)
    if logits.ndim == 0:
        return soft
    line = arange(logits.shape[dim], device=logits.device)
    shape = [1] * logits.ndim
    shape[dim] = -1
    chosen = (best == line.reshape(tuple(shape))).to(soft.dtype)
    return chosen - soft.detach() + soft
