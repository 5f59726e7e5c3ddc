"""groups: group normalisation as one op, for backends that have a kernel of it.

Each sample's channels fall into groups, and each group is standardised (Wu & He, arXiv:1803.08494):
with its mean m and inverse deviation r, ``(x - m) * r * weight + bias``, the last two by channel.
Elsewhere it is made of ``layer_norm``, a product and a sum. Only r is kept besides x.
"""

from __future__ import annotations

from typing import Any

from ..op import FULL, MISSING, op
from ..samples import Arr, call
from .activation import floating
from .normalise import layer_norm_rule
from .reduce import mean, sum
from .shape import reshape

# fmt: off
group_norm = op("group_norm", lambda xp, x, weight, bias, *, groups, eps:
                    _forward(xp, x, weight, bias, groups, eps),
                joint=lambda g, x, weight, scale, groups, needs:
                    _rule(g, x, weight, scale, groups, needs),
                outputs=("out", "scale"), amp=FULL, method=False, node="NativeGroupNormBackward0",
                refuses=("complex",),
                samples=call(Arr((2, 4, 3)), Arr((4,)), Arr((4,)), groups=2, eps=1e-5)
                + call(Arr((1, 4, 2, 3)), Arr((4,)), Arr((4,)), groups=1, eps=1e-5))
#: All three gradients. Over Tensors the rule above is made of ops that have further derivatives; so
#: this one needs none.
group_norm_backward = op("group_norm_backward", lambda xp, grad, x, scale, weight, *, groups:
                             _gradients(grad, None, x, weight, scale, groups, (True,) * 3),
                         grad=MISSING, x=MISSING, scale=MISSING, weight=MISSING,
                         outputs=("of_x", "of_weight", "of_bias"), method=False, samples=[])
# fmt: on


def _forward(xp: Any, x: Any, weight: Any, bias: Any, groups: int, eps: float) -> Any:
    rows = xp.reshape(floating("group_norm", x), (x.shape[0], groups, -1))
    centred = rows - xp.mean(rows, axis=-1, keepdims=True)
    scale = 1.0 / xp.sqrt(xp.mean(centred * centred, axis=-1, keepdims=True) + eps)
    along = _along(x)
    normal = xp.reshape(centred * scale, x.shape)
    return normal * xp.reshape(weight, along) + xp.reshape(bias, along), scale


def _rule(g: Any, x: Any, weight: Any, scale: Any, groups: int, needs: Any) -> Any:
    of_out, of_scale = g
    if of_scale is None and of_out is not None and not hasattr(of_out, "_data"):
        return group_norm_backward(of_out, x, scale, weight, groups=groups)
    return _gradients(of_out, of_scale, x, weight, scale, groups, needs)


def _gradients(
    of_out: Any, of_scale: Any, x: Any, weight: Any, scale: Any, groups: int, needs: Any
) -> tuple[Any, Any, Any]:
    shape = tuple(x.shape)
    rows = reshape(x, shape=(shape[0], groups, -1))
    inner = of_weight = of_bias = None
    if of_out is not None:
        inner = reshape(of_out * reshape(weight, shape=_along(x)), shape=tuple(rows.shape))
        channels = (0, *range(2, len(shape)))
        normal = (rows - mean(rows, dim=(-1,), keepdim=True)) * scale
        of_weight = sum(of_out * reshape(normal, shape=shape), dim=channels)
        of_bias = sum(of_out, dim=channels)
    of_x = layer_norm_rule((inner, of_scale), rows, None, scale, 1, (needs[0], False, False))[0]
    return of_x if of_x is None else reshape(of_x, shape=shape), of_weight, of_bias


def _along(x: Any) -> tuple[int, ...]:
    """The shape of a vector by channel, beside x."""
    return (-1,) + (1,) * (len(x.shape) - 2)
