"""normalise: batch and layer normalisation.

Both are ``x`` standardised (mean 0, variance 1) over some axes, times weight, plus bias. The one
gradient that takes work is that of the standardising. With the standardised values h, the inverse
deviation r, and means over those axes (Ioffe & Szegedy, arXiv:1502.03167; Ba et al., 1607.06450):

    gx = r * (g - mean(g) - h * mean(g * h))

That is the op ``standardise_backward``. It is made of products and means, so it can be
differentiated again. The forwards hand out r (or the variance) as a further output. Batch norm
hands out h too, which is saved, not x; layer norm saves x, and makes h of it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..halves import is_half, wide
from ..op import FLOAT, FULL, KEEP, op
from ..samples import Arr, call
from ..tensor import Tensor
from .activation import floating
from .convert import to_dtype
from .reduce import count_of, mean, sum
from .shape import expand, reshape

# fmt: off
#: Over the last ``dims`` dimensions; ``weight`` and ``bias`` may be None.
layer_norm = op("layer_norm", lambda xp, x, weight=None, bias=None, *, dims, eps:
                    _layer_norm(xp, x, weight, bias, dims, eps),
                joint=lambda g, x, weight, scale, dims, needs:
                    layer_norm_rule(g, x, weight, scale, dims, needs),
                outputs=("out", "scale"), amp=FULL, method=False,
                node="NativeLayerNormBackward0",
                refuses=("complex",),
                samples=call(Arr((3, 4)), Arr((4,)), Arr((4,)), dims=1, eps=1e-5)
                + call(Arr((2, 3, 4)), None, None, dims=2, eps=1e-5))
#: All three gradients of ``layer_norm`` with a weight, from one pass over the rows.
layer_norm_backward = op("layer_norm_backward", lambda xp, grad, x, scale, weight, *, dims:
                             _layer_norm_back(xp, grad, x, scale, weight, dims),
                         joint=lambda g, grad, x, scale, weight, dims, needs:
                             _layer_norm_back_rule(g, grad, x, scale, weight, dims, needs),
                         outputs=("of_x", "of_weight", "of_bias"), dtype=FLOAT, method=False,
                         samples=call(Arr((3, 4)), Arr((3, 4)), Arr((3, 1), 0.5, 2), Arr((4,)),
                                      dims=1)
                         + call(Arr((2, 3)), Arr((2, 3)), Arr((1, 1), 0.5, 2), Arr((2, 3)),
                                dims=2))
#: Training's: over all dimensions but the second. ``var`` is the biased one.
batch_norm = op("batch_norm", lambda xp, x, weight=None, bias=None, *, eps:
                    _batch_norm(xp, x, weight, bias, eps),
                joint=lambda g, weight, normal, var, eps, needs:
                    _batch_norm_rule(g, weight, normal, var, eps, needs),
                outputs=("out", "normal", "mean", "var"), method=False,
                node="NativeBatchNormBackward0",
                refuses=("complex",),
                samples=call(Arr((4, 3)), Arr((3,)), Arr((3,)), eps=1e-5)
                + call(Arr((2, 3, 2, 2)), None, None, eps=1e-5))
#: Evaluation's: with statistics that are given, so each channel is only scaled and shifted.
batch_norm_eval = op("batch_norm_eval", lambda xp, x, mean, var, weight=None, bias=None, *, eps:
                         _batch_norm_eval(xp, x, mean, var, weight, bias, eps),
                     joint=lambda g, x, mean, var, weight, eps, needs:
                         _batch_norm_eval_rule(g, x, mean, var, weight, eps, needs),
                     dtype=FLOAT, method=False, node="NativeBatchNormBackward0", at_once=True,
                     shown=lambda edges: (0, *range(3, len(edges))),
                     samples=call(Arr((4, 3)), Arr((3,)), Arr((3,), 0.5, 2), Arr((3,)), Arr((3,)),
                                  eps=1e-5)
                     + call(Arr((2, 3, 2, 2)), Arr((3,)), Arr((3,), 0.5, 2), None, None,
                            eps=1e-5))
#: The running statistics take a step of ``momentum`` toward those of the batch.
batch_norm_track = op("batch_norm_track",
                      lambda xp, running_mean, running_var, mean, var, *, momentum, correction:
                          _track(xp, running_mean, running_var, mean, var, momentum, correction),
                      mutates=("running_mean", "running_var"), dtype=KEEP,
                      method=False)
#: Divided by the root of the mean square over the last ``dims`` dimensions.
rms_norm = op("rms_norm", lambda xp, x, weight=None, *, dims, eps:
                  _rms_norm(xp, x, weight, dims, eps),
              joint=lambda g, x, weight, scale, dims, needs:
                  _rms_norm_rule(g, x, weight, scale, dims, needs),
              outputs=("out", "scale"), dtype=FLOAT, amp=FULL, method=False,
              node="FusedRmsNormBackward0", at_once=True,
              samples=call(Arr((3, 4)), Arr((4,)), dims=1, eps=1e-5)
              + call(Arr((2, 3, 4)), None, dims=2, eps=1e-5))
#: Both gradients of ``rms_norm`` with a weight, from one pass over the rows.
rms_norm_backward = op("rms_norm_backward", lambda xp, grad, x, scale, weight, *, dims:
                           _rms_norm_back(xp, grad, x, scale, weight, dims),
                       joint=lambda g, grad, x, scale, weight, dims:
                           _rms_norm_back_rule(g, grad, x, scale, weight, dims),
                       outputs=("of_x", "of_weight"), dtype=FLOAT, method=False,
                       samples=call(Arr((3, 4)), Arr((3, 4)), Arr((3, 1), 0.5, 2), Arr((4,)),
                                    dims=1)
                       + call(Arr((2, 3)), Arr((2, 3)), Arr((1, 1), 0.5, 2), Arr((2, 3)), dims=2))
standardise_backward = op("standardise_backward", lambda xp, grad, normal, scale, *, axes:
                              _standardise_back(xp, grad, normal, scale, axes),
                          grad=lambda g, normal, scale, axes:
                              standardise_backward(g, normal, scale, axes=axes),
                          normal=lambda g, grad, normal, scale, axes:
                              _normal_rule(g, grad, normal, scale, axes),
                          scale=lambda g, grad, normal, scale, axes: sum(
                              g * standardise_backward(grad, normal, scale, axes=axes) / scale,
                              dim=axes, keepdim=True),
                          dtype=FLOAT, method=False,
                          samples=call(Arr((3, 4)), Arr((3, 4)), Arr((3, 1), 0.5, 2),
                                       axes=(-1,)))
# fmt: on


def _standard(xp: Any, x: Any, axes: tuple[int, ...]) -> tuple[Any, Any, Any]:
    """x less its mean, the mean, the variance."""
    centre = xp.mean(x, axis=axes, keepdims=True)
    centred = x - centre
    return centred, centre, xp.mean(centred * centred, axis=axes, keepdims=True)


def _layer_norm(xp: Any, x: Any, weight: Any, bias: Any, dims: int, eps: float) -> Any:
    centred, _, var = _standard(xp, floating("layer_norm", x), tuple(range(-dims, 0)))
    scale = 1.0 / xp.sqrt(var + eps)
    normal = centred * scale
    out = normal if weight is None else normal * weight
    return out if bias is None else out + bias, scale


def _standardised(x: Any, scale: Any, axes: tuple[int, ...]) -> Any:
    """What the forward made of x, which is kept instead: it is there already."""
    return (x - mean(x, dim=axes, keepdim=True)) * scale


def layer_norm_rule(
    g: Any, x: Any, weight: Any, scale: Any, dims: int, needs: Any
) -> tuple[Any, Any, Any]:
    axes = tuple(range(-dims, 0))
    of_out, of_scale = g
    if x.__class__ is Tensor and is_half(x._data.dtype):
        # PyTorch keeps the mean and the deviation in half precision; all else is one kernel.
        centre = wide(mean(x, dim=axes, keepdim=True))
        of_out, weight, scale = wide(of_out), wide(weight), wide(scale)
        normal = (wide(x) - centre) * scale
    elif weight is not None and needs[0] and of_scale is None:
        return layer_norm_backward(of_out, x, scale, weight, dims=dims)
    else:
        normal = _standardised(x, scale, axes)
    gx = None
    if needs[0]:
        gx = _through(_inner(of_out, None, weight), normal, scale, axes)
        if of_scale is not None:
            rest = normal * scale * scale * of_scale * (-1.0 / max(count_of(normal.shape, axes), 1))
            gx = rest if gx is None else gx + rest
    lead = tuple(range(len(normal.shape) - dims))
    return (
        gx,
        _summed(of_out * normal, lead) if needs[1] and of_out is not None else None,
        _summed(of_out, lead) if needs[2] and of_out is not None else None,
    )


def _layer_norm_back(
    xp: Any, grad: Any, x: Any, scale: Any, weight: Any, dims: int
) -> tuple[Any, Any, Any]:
    lead, axes = tuple(range(x.ndim - dims)), tuple(range(-dims, 0))
    normal = (x - xp.mean(x, axis=axes, keepdims=True)) * scale
    of_x = _standardise_back(xp, grad * weight, normal, scale, axes)
    return of_x, xp.sum(grad * normal, axis=lead), xp.sum(grad, axis=lead)


def _layer_norm_back_rule(
    g: Any, grad: Any, x: Any, scale: Any, weight: Any, dims: int, needs: Any
) -> tuple[Any, Any, Any, Any]:
    axes = tuple(range(-dims, 0))
    of_x, of_weight, of_bias = g
    ggrad = gnormal = gscale = gweight = gx = None
    normal = _standardised(x, scale, axes)
    if of_x is not None:
        through = standardise_backward(of_x, normal, scale, axes=axes)  # it is its own adjoint
        ggrad, gweight = through * weight, _summed(through * grad, _lead(normal, dims))
        inner = grad * weight
        gnormal = _normal_rule(of_x, inner, normal, scale, axes)
        if needs[2]:
            back = standardise_backward(inner, normal, scale, axes=axes)
            gscale = sum(of_x * back / scale, dim=axes, keepdim=True)
    if of_weight is not None:
        ggrad, gnormal = _plus(ggrad, normal * of_weight), _plus(gnormal, grad * of_weight)
    if of_bias is not None:
        ggrad = _plus(ggrad, expand(of_bias, shape=tuple(grad.shape)))
    if gnormal is not None:
        scaled = gnormal * scale
        gx = scaled - mean(scaled, dim=axes, keepdim=True)
        if needs[2]:
            gscale = _plus(gscale, sum(gnormal * normal, dim=axes, keepdim=True) / scale)
    return ggrad, gx, gscale, gweight


def _plus(total: Any, more: Any) -> Any:
    return more if total is None else total + more


def _lead(x: Any, dims: int) -> tuple[int, ...]:
    return tuple(range(len(x.shape) - dims))


def _inner(of_out: Any, of_normal: Any, weight: Any) -> Any:
    """The gradient of the standardised values."""
    if of_out is None:
        return of_normal
    g = of_out if weight is None else of_out * weight
    return g if of_normal is None else g + of_normal


def _through(g: Any, normal: Any, scale: Any, axes: tuple[int, ...]) -> Any:
    return None if g is None else standardise_backward(g, normal, scale, axes=axes)


def _summed(g: Any, axes: tuple[int, ...]) -> Any:
    return sum(g, dim=axes) if axes else g


def _standardise_back(xp: Any, grad: Any, normal: Any, scale: Any, axes: tuple[int, ...]) -> Any:
    along = xp.mean(grad * normal, axis=axes, keepdims=True)
    out = grad - xp.mean(grad, axis=axes, keepdims=True)
    out -= normal * along
    out *= scale
    return out


def _normal_rule(g: Any, grad: Any, normal: Any, scale: Any, axes: tuple[int, ...]) -> Any:
    scaled = g * scale
    return -(
        scaled * mean(grad * normal, dim=axes, keepdim=True)
        + grad * mean(scaled * normal, dim=axes, keepdim=True)
    )


def _rms_norm(xp: Any, x: Any, weight: Any, dims: int, eps: float) -> tuple[Any, Any]:
    scale = 1.0 / xp.sqrt(xp.mean(x * x, axis=tuple(range(-dims, 0)), keepdims=True) + eps)
    out = x * scale
    return out if weight is None else out * weight, scale


def _rms_norm_rule(g: Any, x: Any, weight: Any, scale: Any, dims: int, needs: Any) -> Any:
    axes = tuple(range(-dims, 0))
    of_out, of_scale = g
    if weight is not None and needs[0] and of_scale is None:
        return rms_norm_backward(of_out, x, scale, weight, dims=dims)
    gx = None
    if needs[0]:
        # d scale / d x = -scale ** 3 * x / count
        along = None if of_scale is None else of_scale * (1.0 / max(count_of(x.shape, axes), 1))
        if of_out is not None:
            inner = of_out if weight is None else of_out * weight
            mixed = mean(inner * x, dim=axes, keepdim=True)
            along = mixed if along is None else along + mixed
        gx = x * (scale * scale * scale * along) * -1.0
        if of_out is not None:
            gx = gx + inner * scale
    gw = None
    if needs[1] and of_out is not None:
        gw = _summed(of_out * (x * scale), tuple(range(len(x.shape) - dims)))
    return gx, gw


def _rms_norm_back(xp: Any, grad: Any, x: Any, scale: Any, weight: Any, dims: int) -> Any:
    inner = grad * weight
    along = xp.mean(inner * x, axis=tuple(range(-dims, 0)), keepdims=True)
    of_x = inner * scale - x * (scale * scale * scale * along)
    return of_x, xp.sum(grad * (x * scale), axis=tuple(range(x.ndim - dims)))


def _rms_norm_back_rule(g: Any, grad: Any, x: Any, scale: Any, weight: Any, dims: int) -> Any:
    axes, lead = tuple(range(-dims, 0)), _lead(x, dims)
    of_x, of_weight = g
    ggrad = gx = gscale = gweight = None
    if of_x is not None:
        cube = scale * scale * scale
        inner = grad * weight
        along = mean(inner * x, dim=axes, keepdim=True)
        across = mean(of_x * x, dim=axes, keepdim=True) * cube
        through = of_x * scale - x * across
        ggrad, gweight = through * weight, _summed(through * grad, lead)
        gx = -(of_x * (cube * along) + inner * across)
        count = float(count_of(x.shape, axes))
        gscale = sum(of_x * inner, dim=axes, keepdim=True) - across * along * (3.0 * count) / scale
    if of_weight is not None:
        scaled = of_weight * scale
        ggrad, gx = _plus(ggrad, x * scaled), _plus(gx, grad * scaled)
        gscale = _plus(gscale, sum(of_weight * grad * x, dim=axes, keepdim=True))
    return ggrad, gx, gscale, gweight


# -- batches ------------------------------------------------------------------------------------
def _channels(ndim: int) -> tuple[int, ...]:
    """The shape that puts a vector along dimension 1."""
    return (1, -1) + (1,) * (ndim - 2)


def _over_channels(function: Callable[..., Any], v: Any, ndim: int) -> Any:
    return None if v is None else function(v, shape=_channels(ndim))


def _batch_norm(xp: Any, x: Any, weight: Any, bias: Any, eps: float) -> Any:
    axes = (0, *range(2, x.ndim))
    centred, centre, var = _standard(xp, floating("batch_norm", x), axes)
    normal = centred / xp.sqrt(var + eps)
    out = normal if weight is None else normal * xp.reshape(weight, _channels(x.ndim))
    if bias is not None:
        out = out + xp.reshape(bias, _channels(x.ndim))
    out = xp.asarray(out, copy=True) if out is normal else out
    return out, normal, xp.reshape(centre, (-1,)), xp.reshape(var, (-1,))


def _batch_norm_rule(g: Any, weight: Any, normal: Any, var: Any, eps: float, needs: Any) -> Any:
    ndim = len(normal.shape)
    axes = (0, *range(2, ndim))
    of_out, of_normal, of_mean, of_var = g
    gx = None
    narrow = getattr(of_out, "dtype", normal.dtype)
    rounds = of_out.__class__ is Tensor and narrow is not normal.dtype
    if rounds:  # all but the deviation in float32, as the standardised values are
        of_out, weight = wide(of_out), wide(weight)
    if needs[0]:
        scale = (reshape(var, shape=_channels(ndim)) + eps) ** -0.5
        if rounds:
            scale = wide(to_dtype(scale, dtype=narrow))
        inner = _inner(of_out, of_normal, _over_channels(reshape, weight, ndim))
        gx = _through(inner, normal, scale, axes)
        share = 1.0 / max(count_of(normal.shape, axes), 1)
        if of_mean is not None:
            rest = expand(_over_channels(reshape, of_mean * share, ndim), shape=normal.shape)
            gx = rest if gx is None else gx + rest
        if of_var is not None:
            rest = _over_channels(reshape, of_var * (2.0 * share), ndim) * normal / scale
            gx = rest if gx is None else gx + rest
    return (
        gx,
        sum(of_out * normal, dim=axes) if needs[1] and of_out is not None else None,
        sum(of_out, dim=axes) if needs[2] and of_out is not None else None,
    )


def _batch_norm_eval(
    xp: Any, x: Any, mean: Any, var: Any, weight: Any, bias: Any, eps: float
) -> Any:
    scale = 1.0 / xp.sqrt(var + eps)
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale
    if bias is not None:
        shift = shift + bias
    shape = _channels(x.ndim)
    return x * xp.reshape(scale, shape) + xp.reshape(shift, shape)


def _batch_norm_eval_rule(
    g: Any, x: Any, mean: Any, var: Any, weight: Any, eps: float, needs: Any
) -> Any:
    ndim = len(x.shape)
    axes = (0, *range(2, ndim))
    scale = (reshape(var, shape=_channels(ndim)) + eps) ** -0.5
    inner = g if weight is None else g * reshape(weight, shape=_channels(ndim))
    centred = x - reshape(mean, shape=_channels(ndim))
    gx = inner * scale if needs[0] or needs[1] else None
    return (
        gx if needs[0] else None,
        -sum(gx, dim=axes) if needs[1] else None,
        sum(inner * centred * (scale * scale * scale) * -0.5, dim=axes) if needs[2] else None,
        sum(g * centred * scale, dim=axes) if needs[3] else None,
        sum(g, dim=axes) if needs[4] else None,
    )


def _track(
    xp: Any, running_mean: Any, running_var: Any, mean: Any, var: Any, momentum: float,
    correction: float,
) -> None:  # fmt: skip
    for running, now in ((running_mean, mean), (running_var, var * correction)):
        if running.dtype != now.dtype:  # of half precision
            now = xp.astype(now, running.dtype)
        running *= 1.0 - momentum
        running += now * momentum
