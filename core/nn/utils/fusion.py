"""fusion: a batch norm in evaluation made part of the layer before it (``nn.utils.fusion``)."""

from __future__ import annotations

import copy
from typing import Any

from ... import modes
from ...border import enclose_functions
from ...tensor import Tensor
from ..parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A convolution that does what ``conv`` and then ``bn`` do; both in evaluation mode.

    ``transpose``: a transposed one. PyTorch: ``torch.nn.utils.fuse_conv_bn_eval``.
    """
    fuse: Any = fuse_conv_bn_weights
    return _fused(conv, bn, lambda *given: fuse(*given, transpose))


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A linear layer that does what ``linear`` and then ``bn`` do; both in evaluation mode."""
    if bn.num_features not in (1, linear.out_features):
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, got "
            f"linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    return _fused(linear, bn, fuse_linear_bn_weights)


def _fused(layer: Any, bn: Any, combine: Any) -> Any:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    out = copy.deepcopy(layer)
    out.weight, out.bias = combine(
        out.weight, out.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return out


def fuse_conv_bn_weights(
    conv_w: Tensor,
    conv_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """The weight and bias of the fused convolution."""
    shape = [1, -1] if transpose else [-1, 1]
    return _weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b,
                    (*shape, *[1] * (conv_w.ndim - 2)))  # fmt: skip


def fuse_linear_bn_weights(
    linear_w: Tensor,
    linear_b: Tensor | None,
    bn_rm: Tensor,
    bn_rv: Tensor,
    bn_eps: float,
    bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:
    """The weight and bias of the fused linear layer."""
    return _weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, (-1, 1))


def _weights(
    w: Tensor, b: Any, mean: Tensor, var: Tensor, eps: float, scale: Any, shift: Any, shape: Any
) -> tuple[Parameter, Parameter]:
    trained = w.requires_grad, b.requires_grad if b is not None else False
    with modes.no_grad():
        factor = (var + eps).rsqrt()
        if scale is not None:
            factor = factor * scale
        bias = ((0.0 if b is None else b) - mean) * factor
        if shift is not None:
            bias = bias + shift
        weight = w * factor.reshape(shape)
        return (
            Parameter(weight.to(w.dtype), trained[0]),
            Parameter(bias.to(w.dtype if b is None else b.dtype), trained[1]),
        )


enclose_functions(globals())
