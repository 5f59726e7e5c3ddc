"""kernels: which calls go to compiled code; all others go where they went without it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from anadrome import Backend
from anadrome.op import table

F32 = np.dtype(np.float32)
#: Elements from which a call is given to compiled code: below it NumPy has the answer sooner.
LARGE = 2**14


def large(*arrays: Any) -> bool:
    """Whether all are contiguous float32, and the first has much to do."""
    return arrays[0].size >= max(LARGE, 1) and all(
        a.__class__ is np.ndarray and a.dtype is F32 and a.flags.c_contiguous for a in arrays
    )


def kernels(backend: Backend) -> dict[str, Callable[..., Any]]:
    """By name of the op; each with what has run it until now to fall back on."""
    made = {}
    for name, make in _MAKERS.items():
        before = backend.kernels.get(name) or backend.composed(table[name])
        made[name] = make(before, backend.side_by_side)
    return made


def _softmax(before: Any, spread: Any) -> Any:
    def softmax(x: Any, *, dim: int) -> Any:
        if not large(x) or dim not in (-1, x.ndim - 1):
            return before(x, dim=dim)
        from . import rows

        source, out = _as_rows(x), np.empty_like(x)
        target = _as_rows(out)

        def piece(part: slice) -> None:
            largest = np.maximum.reduce(source[part], 1)
            rows.softmax(source[part], largest, target[part])

        spread(piece, len(source), x.size)
        return out

    return softmax


def _softmax_backward(before: Any, spread: Any) -> Any:
    def softmax_backward(grad: Any, y: Any, *, dim: int) -> Any:
        if not large(y, grad) or dim not in (-1, y.ndim - 1) or grad.shape != y.shape:
            return before(grad, y, dim=dim)
        from . import rows

        out = np.empty_like(y)
        g, h, target = map(_as_rows, (grad, y, out))
        spread(lambda part: rows.softmax_backward(g[part], h[part], target[part]), len(h), y.size)
        return out

    return softmax_backward


def _log_softmax(before: Any, spread: Any) -> Any:
    def log_softmax(x: Any, *, dim: int) -> Any:
        if not large(x) or dim not in (-1, x.ndim - 1):
            return before(x, dim=dim)
        from . import rows

        source, out = _as_rows(x), np.empty_like(x)
        target = _as_rows(out)

        def piece(part: slice) -> None:
            amounts = np.maximum.reduce(source[part], 1)
            totals = np.empty_like(amounts)
            rows.exponentials(source[part], amounts, totals)
            rows.less(source[part], amounts + np.log(totals), target[part])

        spread(piece, len(source), x.size)
        return out

    return log_softmax


def _layer_norm(before: Any, spread: Any) -> Any:
    def layer_norm(x: Any, weight: Any = None, bias: Any = None, *, dims: int, eps: float) -> Any:
        lead, inner = x.shape[: x.ndim - dims], x.shape[x.ndim - dims :]
        given = [p for p in (weight, bias) if p is not None]
        if not large(x, *given) or any(p.shape != inner for p in given):
            return before(x, weight, bias, dims=dims, eps=eps)
        from . import rows

        width = math.prod(inner)
        out, normal = np.empty_like(x), np.empty_like(x)
        scale = np.empty(lead + (1,) * dims, F32)
        source, results, normals = (a.reshape(-1, width) for a in (x, out, normal))
        scales = scale.reshape(-1, 1)
        w = np.ones(width, F32) if weight is None else weight.reshape(width)
        b = np.zeros(width, F32) if bias is None else bias.reshape(width)
        spread(
            lambda part: rows.layer_norm(
                source[part], w, b, np.float32(eps), results[part], normals[part], scales[part]
            ),
            len(source),
            x.size,
        )
        return out, normal, scale

    return layer_norm


def _layer_norm_backward(before: Any, spread: Any) -> Any:
    def layer_norm_backward(grad: Any, normal: Any, scale: Any, weight: Any, *, dims: int) -> Any:
        lead, inner = normal.shape[: normal.ndim - dims], normal.shape[normal.ndim - dims :]
        fits = (grad.shape, scale.shape, weight.shape) == (normal.shape, lead + (1,) * dims, inner)
        if not fits or not large(normal, grad, scale, weight):
            return before(grad, normal, scale, weight, dims=dims)
        from . import rows

        width = math.prod(inner)
        out = np.empty_like(normal)
        g, h, target = (a.reshape(-1, width) for a in (grad, normal, out))
        r, w = scale.reshape(-1, 1), weight.reshape(width)
        sums: list[tuple[int, Any]] = []

        def piece(part: slice) -> None:
            totals = np.zeros((2, width), F32)
            rows.layer_norm_backward(
                g[part], h[part], r[part], w, target[part], totals[0], totals[1]
            )
            sums.append((part.start, totals))

        spread(piece, len(h), normal.size)
        # In the order of the rows, not of the threads: the same bits each time.
        totals = sum(t for _, t in sorted(sums, key=lambda pair: pair[0]))
        return out, totals[0].reshape(inner), totals[1].reshape(inner)

    return layer_norm_backward


def _pointwise(name: str) -> Callable[[Any, Any], Any]:
    """The maker for a function of one array."""

    def make(before: Any, spread: Any) -> Any:
        def kernel(x: Any, **keywords: Any) -> Any:
            if not large(x) or keywords.get("approximate", "none") != "none":
                return before(x, **keywords)
            from . import pointwise

            function = getattr(pointwise, name)
            out = np.empty_like(x)
            source, target = x.reshape(-1), out.reshape(-1)
            spread(lambda part: function(source[part], target[part]), x.size, x.size)
            return out

        return kernel

    return make


def _gelu_backward(before: Any, spread: Any) -> Any:
    def gelu_backward(grad: Any, x: Any, *, approximate: str = "none") -> Any:
        if approximate != "none" or not large(x, grad) or grad.shape != x.shape:
            return before(grad, x, approximate=approximate)
        from . import pointwise

        out = np.empty_like(x)
        g, source, target = (a.reshape(-1) for a in (grad, x, out))
        spread(
            lambda part: pointwise.gelu_backward(g[part], source[part], target[part]),
            x.size,
            x.size,
        )
        return out

    return gelu_backward


def _adam_update(before: Any, spread: Any) -> Any:
    def adam_update(
        param: Any,
        grad: Any,
        exp_avg: Any,
        exp_avg_sq: Any,
        max_exp_avg_sq: Any = None,
        **numbers: Any,
    ) -> None:
        arrays = (param, grad, exp_avg, exp_avg_sq)
        if max_exp_avg_sq is not None or not large(*arrays):
            before(*arrays, max_exp_avg_sq, **numbers)
            return
        from . import updates

        p, g, m, v = (a.reshape(-1) for a in arrays)
        # step_size * m / (sqrt(v) / root + eps), with the division by root taken out of the loop.
        root = numbers["root"]
        decay, weight_decay = numbers["decay"], numbers["weight_decay"]
        constants = [
            np.float32(c)
            for c in (
                numbers["beta1"],
                numbers["rest1"],
                numbers["beta2"],
                numbers["rest2"],
                numbers["step_size"] * root,
                numbers["eps"] * root,
                1.0 if decay is None else decay,
                0.0 if weight_decay is None else weight_decay,
                -1.0 if numbers["maximize"] else 1.0,
            )
        ]
        spread(
            lambda part: updates.adam(p[part], g[part], m[part], v[part], *constants),
            p.size,
            p.size,
        )

    return adam_update


def _embedding_backward(before: Any, spread: Any) -> Any:
    def embedding_backward(
        g: Any, indices: Any, *, shape: Any, padding_idx: int | None = None
    ) -> Any:
        flat = np.ascontiguousarray(indices.reshape(-1))
        known = flat.size and flat.dtype.kind == "i" and flat.min() >= 0 and flat.max() < shape[0]
        if len(shape) != 2 or not known or not large(g):
            return before(g, indices, shape=shape, padding_idx=padding_idx)
        from . import tables

        out = np.zeros(shape, F32)
        grad = g.reshape(flat.size, shape[1])
        spread(
            lambda part: tables.add_rows(grad, flat, out, part.start, part.stop), shape[1], g.size
        )
        if padding_idx is not None:
            out[padding_idx] = 0
        return out

    return embedding_backward


def _as_rows(x: Any) -> Any:
    return x.reshape(-1, x.shape[-1])


_MAKERS: dict[str, Callable[[Any, Any], Any]] = {
    "adam_update": _adam_update,
    "embedding_backward": _embedding_backward,
    "gelu": _pointwise("gelu"),
    "gelu_backward": _gelu_backward,
    "layer_norm": _layer_norm,
    "layer_norm_backward": _layer_norm_backward,
    "log_softmax": _log_softmax,
    "sigmoid": _pointwise("sigmoid"),
    "silu": _pointwise("silu"),
    "softmax": _softmax,
    "softmax_backward": _softmax_backward,
}
