"""rows: softmax and the norms, a row at a time while it is in the cache."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .common import F32, Maker, as_rows, large

#: Into how many blocks rows fall that are added up, each for itself: always as many, so that the
#: sums are the same bits however many threads there are.
BLOCKS = 16


def _softmax(before: Any, team: Any) -> Any:
    def softmax(x: Any, *, dim: int) -> Any:
        if not large(x) or dim not in (-1, x.ndim - 1):
            return before(x, dim=dim)
        from ..loops import rows

        source, out = as_rows(x), np.empty_like(x)
        target = as_rows(out)
        rows.softmax(*team(x.size), source, target)
        return out

    return softmax


def _softmax_backward(before: Any, team: Any) -> Any:
    def softmax_backward(grad: Any, y: Any, *, dim: int) -> Any:
        if not large(y, grad) or dim not in (-1, y.ndim - 1) or grad.shape != y.shape:
            return before(grad, y, dim=dim)
        from ..loops import rows

        out = np.empty_like(y)
        g, h, target = map(as_rows, (grad, y, out))
        rows.softmax_backward(*team(y.size), g, h, target)
        return out

    return softmax_backward


def _log_softmax(before: Any, team: Any) -> Any:
    def log_softmax(x: Any, *, dim: int) -> Any:
        if not large(x) or dim not in (-1, x.ndim - 1):
            return before(x, dim=dim)
        from ..loops import rows

        source, out = as_rows(x), np.empty_like(x)
        target = as_rows(out)
        rows.log_softmax(*team(x.size), source, target)
        return out

    return log_softmax


def _layer_norm(before: Any, team: Any) -> Any:
    def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, dims: int, eps: float) -> Any:
        lead, inner = x.shape[: x.ndim - dims], x.shape[x.ndim - dims :]
        given = [p for p in (weight, bias) if p is not None]
        if not large(x, *given) or any(p.shape != inner for p in given):
            return before(x, weight, bias, dims=dims, eps=eps)
        from ..loops import rows

        width = math.prod(inner)
        out, scale = np.empty_like(x), np.empty(lead + (1,) * dims, F32)
        source, results = x.reshape(-1, width), out.reshape(-1, width)
        scales = scale.reshape(-1, 1)
        w = np.ones(width, F32) if weight is None else weight.reshape(width)
        b = np.zeros(width, F32) if bias is None else bias.reshape(width)
        rows.layer_norm(*team(x.size), source, results, scales, w, b, F32.type(eps))
        return out, scale

    return layer_norm


def _layer_norm_backward(before: Any, team: Any) -> Any:
    def layer_norm_backward(grad: Any, x: Any, scale: Any, weight: Any, *, dims: int) -> Any:
        lead, inner = x.shape[: x.ndim - dims], x.shape[x.ndim - dims :]
        fits = (grad.shape, scale.shape, weight.shape) == (x.shape, lead + (1,) * dims, inner)
        if not fits or not large(x, grad, scale, weight):
            return before(grad, x, scale, weight, dims=dims)
        from ..loops import rows

        width = math.prod(inner)
        out = np.empty_like(x)
        g, source, target = (a.reshape(-1, width) for a in (grad, x, out))
        r, w = scale.reshape(-1, 1), weight.reshape(width)
        address, parts = team(x.size)
        sums = np.zeros((min(BLOCKS, len(source)), 2, width), F32)
        rows.layer_norm_backward(address, parts, g, source, r, w, target, sums)
        totals = sums.sum(0)
        return out, totals[0].reshape(inner), totals[1].reshape(inner)

    return layer_norm_backward


def _rms_norm(before: Any, team: Any) -> Any:
    def rms_norm(x: Any, weight: Any = None, *, dims: int, eps: float) -> Any:
        lead, inner = x.shape[: x.ndim - dims], x.shape[x.ndim - dims :]
        given = [] if weight is None else [weight]
        if not large(x, *given) or any(w.shape != inner for w in given):
            return before(x, weight, dims=dims, eps=eps)
        from ..loops import rows

        width = math.prod(inner)
        out, scale = np.empty_like(x), np.empty(lead + (1,) * dims, F32)
        source, results = x.reshape(-1, width), out.reshape(-1, width)
        scales = scale.reshape(-1, 1)
        w = np.ones(width, F32) if weight is None else weight.reshape(width)
        rows.rms_norm(*team(x.size), source, results, scales, w, F32.type(eps))
        return out, scale

    return rms_norm


def _rms_norm_backward(before: Any, team: Any) -> Any:
    def rms_norm_backward(grad: Any, x: Any, scale: Any, weight: Any, *, dims: int) -> Any:
        lead, inner = x.shape[: x.ndim - dims], x.shape[x.ndim - dims :]
        fits = (grad.shape, scale.shape, weight.shape) == (x.shape, lead + (1,) * dims, inner)
        if not fits or not large(x, grad, scale, weight):
            return before(grad, x, scale, weight, dims=dims)
        from ..loops import rows

        width = math.prod(inner)
        out = np.empty_like(x)
        g, source, target = (a.reshape(-1, width) for a in (grad, x, out))
        r, w = scale.reshape(-1, 1), weight.reshape(width)
        address, parts = team(x.size)
        sums = np.zeros((min(BLOCKS, len(source)), width), F32)
        rows.rms_norm_backward(address, parts, g, source, r, w, target, sums)
        return out, sums.sum(0).reshape(inner)

    return rms_norm_backward


MAKERS: dict[str, Maker] = {
    "layer_norm": _layer_norm,
    "layer_norm_backward": _layer_norm_backward,
    "log_softmax": _log_softmax,
    "rms_norm": _rms_norm,
    "rms_norm_backward": _rms_norm_backward,
    "softmax": _softmax,
    "softmax_backward": _softmax_backward,
}
