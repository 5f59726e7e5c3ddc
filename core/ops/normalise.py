"""normalise: batch and layer normalisation; one joint rule each, since the gradients share work."""

from __future__ import annotations

from typing import Any

from ..op import FULL, SAME, op
from ..samples import Arr, call
from .reduce import mean, sum, var

#: Over the last ``dims`` dimensions; ``weight`` and ``bias`` may be None.
layer_norm = op("layer_norm", lambda xp, x, weight, bias, *, dims, eps:
                    _layer_norm(xp, x, weight, bias, dims, eps),
                joint=lambda g, x, weight, bias, dims, eps, needs:
                    layer_norm_rule(g, x, weight, bias, dims, eps, needs),
                dtype=SAME, amp=FULL, method=False, node="NativeLayerNormBackward0",
                samples=call(Arr((3, 4)), Arr((4,)), Arr((4,)), dims=1, eps=1e-5)
                + call(Arr((2, 3, 4)), None, None, dims=2, eps=1e-5))  # fmt: skip
#: Training's: over all dimensions but the second.
batch_norm = op("batch_norm", lambda xp, x, weight, bias, *, eps:
                    _batch_norm(xp, x, weight, bias, eps),
                joint=lambda g, x, weight, bias, eps, needs:
                    _batch_norm_rule(g, x, weight, bias, eps, needs),
                dtype=SAME, method=False, node="NativeBatchNormBackward0",
                samples=call(Arr((4, 3)), Arr((3,)), Arr((3,)), eps=1e-5)
                + call(Arr((2, 3, 2, 2)), None, None, eps=1e-5))  # fmt: skip


def _standard(xp: Any, x: Any, axes: tuple[int, ...], eps: float) -> Any:
    centred = x - xp.mean(x, axis=axes, keepdims=True)
    return centred / xp.sqrt(xp.mean(centred * centred, axis=axes, keepdims=True) + eps)


def _layer_norm(xp: Any, x: Any, weight: Any, bias: Any, dims: int, eps: float) -> Any:
    out = _wide(xp, x, lambda w: _standard(xp, w, tuple(range(-dims, 0)), eps))
    if weight is not None:
        out = out * weight
    return out if bias is None else out + bias


def _wide(xp: Any, x: Any, function: Any) -> Any:
    """Statistics of half precision are taken in float32."""
    from ..dtypes import from_native

    kind = from_native[x.dtype]
    if kind.is_floating_point and kind.itemsize == 2:
        return xp.astype(function(xp.astype(x, xp.float32)), x.dtype)
    return function(x)


def _backward(g: Any, x: Any, axes: tuple[int, ...], eps: float) -> tuple[Any, Any]:
    """The standardised x, and the gradient of x for ``g`` of the standardised x."""
    centre = mean(x, dim=axes, keepdim=True)
    scale = (var(x, dim=axes, correction=0, keepdim=True) + eps) ** -0.5
    standard = (x - centre) * scale
    gx = (
        g - mean(g, dim=axes, keepdim=True) - standard * mean(g * standard, dim=axes, keepdim=True)
    ) * scale
    return standard, gx


def layer_norm_rule(
    g: Any, x: Any, weight: Any, bias: Any, dims: int, eps: float, needs: Any
) -> tuple[Any, Any, Any]:
    """The gradients of layer_norm's x, weight and bias."""
    axes = tuple(range(-dims, 0))
    standard, gx = _backward(g if weight is None else g * weight, x, axes, eps)
    lead = tuple(range(len(x.shape) - dims))
    return (
        gx if needs[0] else None,
        sum(g * standard, dim=lead) if needs[1] and lead else (g * standard if needs[1] else None),
        sum(g, dim=lead) if needs[2] and lead else g,
    )


def _per_channel(v: Any, x: Any) -> Any:
    from .shape import reshape

    return reshape(v, shape=(1, -1) + (1,) * (len(x.shape) - 2))


def _batch_norm(xp: Any, x: Any, weight: Any, bias: Any, eps: float) -> Any:
    axes = (0, *range(2, x.ndim))
    out = _wide(xp, x, lambda w: _standard(xp, w, axes, eps))
    shape = (1, -1) + (1,) * (x.ndim - 2)
    if weight is not None:
        out = out * xp.reshape(weight, shape)
    return out if bias is None else out + xp.reshape(bias, shape)


def _batch_norm_rule(g: Any, x: Any, weight: Any, bias: Any, eps: float, needs: Any) -> Any:
    axes = (0, *range(2, len(x.shape)))
    standard, gx = _backward(g if weight is None else g * _per_channel(weight, x), x, axes, eps)
    return (
        gx if needs[0] else None,
        sum(g * standard, dim=axes) if needs[1] else None,
        sum(g, dim=axes) if needs[2] else None,
    )
