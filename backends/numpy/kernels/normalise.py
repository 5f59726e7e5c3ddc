"""normalise: standardising in few passes; sums along the rows are products, left to BLAS."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..blas import side_by_side
from .common import BLAS, BLOCK, F32, HALVES, buffer, declared, in_float32, ones, spans
from .reduce import total

_add, _multiply, _subtract = np.add, np.multiply, np.subtract


def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, dims: int, eps: float) -> Any:
    """The result, the inverse deviation."""
    if x.dtype in HALVES:
        return in_float32(layer_norm, x, weight, bias, dims=dims, eps=eps)
    shape = x.shape
    lead, inner = shape[: len(shape) - dims], shape[len(shape) - dims :]
    whole = all(p is None or p.shape == inner for p in (weight, bias))
    if x.dtype not in BLAS or not x.size or not whole:
        return declared("layer_norm")(x, weight, bias, dims=dims, eps=eps)
    width = math.prod(inner)
    source = x.reshape(-1, width)
    out, scale = np.empty(shape, x.dtype), np.empty(lead + (1,) * dims, x.dtype)
    results, scales = (a.reshape(len(source), -1) for a in (out, scale))
    weight = None if weight is None else weight.reshape(width)
    bias = None if bias is None else bias.reshape(width)
    averaging = ones(width, x.dtype)

    def standardise(block: Any, result: Any, r: Any) -> None:
        centred = _subtract(block, (block.dot(averaging) / width)[:, None], result)
        r[:, 0] = np.vecdot(centred, centred)
        r /= width
        r += eps
        np.sqrt(r, r)
        np.divide(1.0, r, r)
        _multiply(result, r, result)
        if weight is not None:
            _multiply(result, weight, result)
        if bias is not None:
            _add(result, bias, result)

    def piece(part: slice) -> None:
        for span in spans(part, source.size, width):
            standardise(source[span], results[span], scales[span])

    if source.size <= BLOCK:
        standardise(source, results, scales)
    else:
        side_by_side(piece, len(source), source.size)
    return out, scale


def batch_norm(x: Any, weight: Any = None, bias: Any = None, *, eps: float) -> Any:
    """The result, the standardised values, the mean, the variance."""
    if x.dtype in HALVES:
        return _batch_norm_of_halves(x, weight, bias, eps)
    if x.dtype not in BLAS or not x.size:
        return declared("batch_norm")(x, weight, bias, eps=eps)
    axes = (0, *range(2, x.ndim))
    channels = (-1,) + (1,) * (x.ndim - 2)
    count = x.size // x.shape[1]
    centre = total(x, axes, False) / count
    normal = _subtract(x, centre.reshape(channels))
    out = np.square(normal)
    var = total(out, axes, False) / count
    normal *= (1.0 / np.sqrt(var + eps)).reshape(channels)
    _multiply(normal, 1.0 if weight is None else weight.reshape(channels), out)
    if bias is not None:
        out += bias.reshape(channels)
    return out, normal, centre, var


def _batch_norm_of_halves(x: Any, weight: Any, bias: Any, eps: float) -> Any:
    """In float32, but for the mean and the inverse deviation; what backward needs stays so."""
    kind, channels = x.dtype, (-1,) + (1,) * (x.ndim - 2)
    axes, x = (0, *range(2, x.ndim)), x.astype(F32)
    if not x.size:
        out, *rest = declared("batch_norm")(x, weight, bias, eps=eps)
        return out.astype(kind), *rest
    centre, var = x.mean(axes), x.var(axes)
    scale = (1.0 / np.sqrt(var + eps)).astype(kind).astype(F32)
    normal = (x - centre.astype(kind).astype(F32).reshape(channels)) * scale.reshape(channels)
    out = normal if weight is None else normal * weight.astype(F32).reshape(channels)
    out = out if bias is None else out + bias.astype(F32).reshape(channels)
    return out.astype(kind), normal, centre, var


def standardise_backward(grad: Any, normal: Any, scale: Any, *, axes: Any) -> Any:
    """``scale * (grad - mean(grad) - normal * mean(grad * normal))``, means over the axes."""
    shape = normal.shape
    places = [a % len(shape) for a in axes]
    kept = tuple(1 if i in places else n for i, n in enumerate(shape))
    if normal.dtype not in BLAS or not normal.size or (grad.shape, scale.shape) != (shape, kept):
        if normal.dtype in HALVES:
            return in_float32(standardise_backward, grad, normal, scale, axes=axes)
        return declared("standardise_backward")(grad, normal, scale, axes=axes)
    if places == [*range(len(shape) - len(places), len(shape))]:
        return _along_rows(grad, normal, scale, math.prod(shape[a] for a in places))
    count = math.prod(shape[a] for a in places)
    out = _multiply(grad, normal)
    _multiply(normal, total(out, axes, True) / count, out)
    _subtract(grad, out, out)
    out -= total(grad, axes, True) / count
    out *= scale
    return out


def _along_rows(grad: Any, normal: Any, scale: Any, width: int) -> Any:
    """The same over the last dimensions, ``width`` values together."""
    factor, standard, r = (
        a.reshape(-1, n) for a, n in ((grad, width), (normal, width), (scale, 1))
    )
    out = np.empty(grad.shape, grad.dtype)
    target = out.reshape(factor.shape)
    averaging = ones(width, grad.dtype)

    def piece(part: slice) -> None:
        for span in spans(part, factor.size, width):
            g, h, result = factor[span], standard[span], target[span]
            _multiply(h, (np.vecdot(g, h) / width)[:, None], result)
            _subtract(g, result, result)
            _subtract(result, (g.dot(averaging) / width)[:, None], result)
            _multiply(result, r[span], result)

    side_by_side(piece, len(factor), factor.size)
    return out


def layer_norm_backward(grad: Any, x: Any, scale: Any, weight: Any, *, dims: int) -> Any:
    """The gradients of the input, the weight and the bias."""
    arrays = (grad, x, scale, weight)
    shape = x.shape
    lead, inner = shape[: len(shape) - dims], shape[len(shape) - dims :]
    alike = {getattr(a, "dtype", None) for a in arrays} == {x.dtype}
    fits = (grad.shape, scale.shape, weight.shape) == (shape, lead + (1,) * dims, inner)
    if x.dtype not in BLAS or not x.size or not alike or not fits:
        if alike and x.dtype in HALVES:
            return in_float32(layer_norm_backward, *arrays, dims=dims)
        return declared("layer_norm_backward")(*arrays, dims=dims)
    width = math.prod(inner)
    factor, source, r = (a.reshape(-1, n) for a, n in ((grad, width), (x, width), (scale, 1)))
    out = np.empty(shape, x.dtype)
    target, flat = out.reshape(factor.shape), weight.reshape(width)
    averaging = ones(width, grad.dtype)

    def of_rows(g: Any, block: Any, inverse: Any, result: Any) -> tuple[Any, Any]:
        """Fill the gradient of some rows; their part of those of the weight and the bias."""
        slope = inverse[:, 0]
        centred, room = buffer(2 * g.size, grad.dtype).reshape(2, *g.shape)
        _subtract(block, (block.dot(averaging) / width)[:, None], centred)
        _multiply(g, centred, room)
        of_weight, of_bias = slope.dot(room), ones(len(g), grad.dtype).dot(g)
        # In brackets: grad * weight, less its mean, less what it has in common with the row.
        _multiply(centred, (room.dot(flat) * slope * slope / width)[:, None], centred)
        _add(centred, (g.dot(flat) / width)[:, None], centred)
        _multiply(g, flat, room)
        _subtract(room, centred, room)
        _multiply(room, inverse, result)
        return of_weight, of_bias

    if factor.size <= BLOCK:
        of_weight, of_bias = of_rows(factor, source, r, target)
        if len(inner) > 1:  # a view owns no memory
            of_weight, of_bias = of_weight.reshape(inner), of_bias.reshape(inner)
        return out, of_weight, of_bias
    sums: list[Any] = []

    def piece(part: slice) -> None:
        totals = np.zeros((2, width), grad.dtype)
        for span in spans(part, factor.size, width):
            parts = of_rows(factor[span], source[span], r[span], target[span])
            for so_far, part_of in zip(totals, parts):
                _add(so_far, part_of, so_far)
        sums.append((part.start, totals))

    side_by_side(piece, len(factor), factor.size)
    # In the order of the rows, not that in which the threads were done: the same bits each time.
    totals = sum((t for _, t in sorted(sums, key=lambda pair: pair[0])), np.zeros_like(sums[0][1]))
    return out, totals[0].reshape(inner), totals[1].reshape(inner)


KERNELS: dict[str, Callable[..., Any]] = {
    "layer_norm": layer_norm,
    "layer_norm_backward": layer_norm_backward,
    "batch_norm": batch_norm,
    "standardise_backward": standardise_backward,
}
