"""grouped: group normalisation, a few samples at a time, with weight and bias where they lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..blas import side_by_side
from .common import BLAS, declared, ones, spans

_add, _multiply, _subtract = np.add, np.multiply, np.subtract


def group_norm(x: Any, weight: Any, bias: Any, *, groups: int, eps: float) -> Any:
    """The result, and the inverse deviation of each sample's groups."""
    if not _suit(x, weight, bias):
        return declared("group_norm")(x, weight, bias, groups=groups, eps=eps)
    samples, split, width = _split(x, groups)
    out, scale = np.empty(x.shape, x.dtype), np.empty((samples, groups, 1), x.dtype)
    source, target = x.reshape(split), out.reshape(split)
    factor, shift = (v.reshape(groups, -1) for v in (weight, bias))
    averaging = ones(width, x.dtype)

    def piece(part: slice) -> None:
        for span in spans(part, x.size, groups * width):
            block, result, r = source[span], target[span], scale[span]
            rows = result.reshape(-1, width)
            _centre(block, result, averaging)
            r[...] = np.vecdot(rows, rows).reshape(r.shape)
            r /= width
            r += eps
            np.sqrt(r, r)
            np.divide(1.0, r, r)
            _multiply(result, (r * factor)[..., None], result)
            _add(result, shift[..., None], result)

    side_by_side(piece, samples, x.size)
    return out, scale


def group_norm_backward(grad: Any, x: Any, scale: Any, weight: Any, *, groups: int) -> Any:
    """The gradients of the input, the weight and the bias."""
    if not (_suit(x, grad, scale, weight) and grad.shape == x.shape):
        return declared("group_norm_backward")(grad, x, scale, weight, groups=groups)
    samples, split, width = _split(x, groups)
    out = np.empty(x.shape, x.dtype)
    slopes, source, target = (a.reshape(split) for a in (grad, x, out))
    factor = weight.reshape(groups, -1)
    averaging, summing = ones(width, x.dtype), ones(split[-1], x.dtype)
    # Of each sample: the sums over a channel of the gradient, and of it times the centred values.
    sums = np.empty((2, *split[:-1]), x.dtype)

    def piece(part: slice) -> None:
        for span in spans(part, x.size, groups * width):
            g, centred, r = slopes[span], target[span], scale[span]
            of_bias, of_weight = sums[:, span]
            _centre(source[span], centred, averaging)
            of_bias[...] = g.dot(summing)
            of_weight[...] = (g * centred).dot(summing)
            # grad * weight, less its mean, less what it has in common with the centred values.
            common = (of_weight * factor).sum(-1, keepdims=True) * r * r * r / width
            less = (of_bias * factor).sum(-1, keepdims=True) * r / width
            _multiply(centred, common[..., None], centred)
            _add(centred, less[..., None], centred)
            _subtract(g * (r * factor)[..., None], centred, centred)

    side_by_side(piece, samples, x.size)
    of_bias, of_weight = sums
    of_weight *= scale
    return out, *(np.add.reduce(s.reshape(samples, -1), 0) for s in (of_weight, of_bias))


def _centre(block: Any, result: Any, averaging: Any) -> None:
    """Fill ``result`` with the values less the mean of their group."""
    width = len(averaging)
    mean = block.reshape(-1, width).dot(averaging) / width
    _subtract(block.reshape(-1, width), mean[:, None], result.reshape(-1, width))


def _suit(x: Any, *others: Any) -> bool:
    alike = all(o.dtype == x.dtype for o in others)
    return alike and x.dtype in BLAS and bool(x.size)


def _split(x: Any, groups: int) -> tuple[int, tuple[int, ...], int]:
    """The samples; the shape (samples, groups, channels of a group, places); a group's values."""
    samples, channels = x.shape[:2]
    places = math.prod(x.shape[2:])
    width = channels // groups * places
    return samples, (samples, groups, channels // groups, places), width


KERNELS: dict[str, Callable[..., Any]] = {
    "group_norm": group_norm,
    "group_norm_backward": group_norm_backward,
}
