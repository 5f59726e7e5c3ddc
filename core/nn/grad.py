"""grad: the gradients of convolutions as functions of their own (``torch.nn.grad``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd import grad
from ..border import enclose_functions
from ..modes import enable_grad, is_grad_enabled
from ..tensor import Tensor
from .functional import conv1d, conv2d, conv3d


def _gradient(
    convolve: Callable[..., Tensor],
    input: Tensor,
    weight: Tensor,
    of: int,
    g: Tensor,
    geometry: tuple[Any, ...],
) -> Tensor:
    """The gradient of one operand, whose values do not matter: a convolution is linear in it."""
    further = is_grad_enabled() and (g.requires_grad or (input, weight)[1 - of].requires_grad)
    stride, padding, dilation, groups = geometry
    with enable_grad():
        wanted = (input, weight)[of].detach().requires_grad_()
        pair = (wanted, weight) if of == 0 else (input, wanted)
        out = convolve(*pair, None, stride, padding, dilation, groups)
        (found,) = grad(out, wanted, g, create_graph=further)
    return found


def _of_input(convolve: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def gradient(
        input_size: Sequence[int],
        weight: Tensor,
        grad_output: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        blank = grad_output.new_zeros(tuple(input_size))  # type: ignore[attr-defined]
        geometry = stride, padding, dilation, groups
        return _gradient(convolve, blank, weight, 0, grad_output, geometry)

    return _named(gradient, convolve, "input")


def _of_weight(convolve: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def gradient(
        input: Tensor,
        weight_size: Sequence[int],
        grad_output: Tensor,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        blank = grad_output.new_zeros(tuple(weight_size))  # type: ignore[attr-defined]
        geometry = stride, padding, dilation, groups
        return _gradient(convolve, input, blank, 1, grad_output, geometry)

    return _named(gradient, convolve, "weight")


def _named(function: Any, convolve: Any, of: str) -> Any:
    function.__name__ = function.__qualname__ = f"{convolve.__name__}_{of}"
    function.__doc__ = (
        f"The gradient of ``{convolve.__name__}`` for its {of}, of the size given, where that of "
        f"its result is ``grad_output`` (``torch.nn.grad.{function.__name__}``)."
    )
    return function


conv1d_input, conv2d_input, conv3d_input = (_of_input(f) for f in (conv1d, conv2d, conv3d))
conv1d_weight, conv2d_weight, conv3d_weight = (_of_weight(f) for f in (conv1d, conv2d, conv3d))

enclose_functions(globals())
