"""attention: forward and backward by cuDNN's kernels, which never write the weights to memory.

They take half precision, four dimensions (batch, heads, length, size), and sizes that cuDNN has
kernels for; what it refuses, and other element types, are products and a softmax.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import ml_dtypes
import numpy as np

from . import graphs

HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))
_Q, _K, _V, _OUT, _SUMS, _GRAD, _OF_Q, _OF_K, _OF_V = range(1, 10)


def _taken(*arrays: Any) -> bool:
    """Whether they are what cuDNN may be asked about."""
    kind, lead = arrays[0].dtype, arrays[0].shape[:2]
    return kind in HALVES and all(
        a.dtype == kind and a.ndim == 4 and a.size and a.shape[:2] == lead for a in arrays
    )


def _forward(q: Any, k: Any, v: Any, scale: float, causal: bool) -> Any:
    if not _taken(q, k, v) or k.shape[2] != v.shape[2]:
        return None
    shapes = tuple(tuple(a.shape) for a in (q, k, v))
    out_shape = (*shapes[0][:3], shapes[2][3])
    sums_shape = (*shapes[0][:3], 1)
    q, k, v = (cupy.ascontiguousarray(a) for a in (q, k, v))
    out, sums = cupy.empty(out_shape, q.dtype), cupy.empty(sums_shape, np.float32)

    def make(graph: graphs.Graph) -> None:
        given = [graph.input(n, s) for n, s in zip((_Q, _K, _V), shapes)]
        made, told = graph.whole.sdpa(
            *given, generate_stats=True, attn_scale=scale, use_causal_mask=causal
        )
        graph.output(_OUT, made, out_shape)
        graph.output(_SUMS, told, sums_shape, wide=True)

    arrays = {_Q: q, _K: k, _V: v, _OUT: out, _SUMS: sums}
    done = graphs.run(("sdpa", shapes, scale, causal), q.dtype, make, arrays)
    return (out, sums) if done else None


def _backward(
    grad: Any, q: Any, k: Any, v: Any, out: Any, sums: Any, scale: float, causal: bool
) -> Any:
    if not _taken(q, k, v, out, grad) or sums.dtype != np.float32:
        return None
    arrays = [cupy.ascontiguousarray(a) for a in (q, k, v, out, grad, sums)]
    shapes = tuple(tuple(a.shape) for a in arrays)
    made = [cupy.empty(shape, q.dtype) for shape in shapes[:3]]
    inputs, outputs = (_Q, _K, _V, _OUT, _GRAD), (_OF_Q, _OF_K, _OF_V)
    sure = graphs.is_deterministic()

    def make(graph: graphs.Graph) -> None:
        given = [graph.input(n, s) for n, s in zip(inputs, shapes)]
        told = graph.input(_SUMS, shapes[5], wide=True)
        found = graph.whole.sdpa_backward(
            *given, told, attn_scale=scale, use_causal_mask=causal,
            use_deterministic_algorithm=sure,
        )  # fmt: skip
        for number, tensor, shape in zip(outputs, found, shapes):
            graph.output(number, tensor, shape)

    used = dict(zip((*inputs, _SUMS, *outputs), (*arrays, *made)))
    done = graphs.run(("sdpa_backward", shapes, scale, causal), q.dtype, make, used)
    return tuple(made) if done else None


def kernels(composed: Callable[[str], Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """By name of the op; ``composed`` gives what runs it otherwise."""
    plain, plain_backward = composed("attention"), composed("attention_backward")

    def attention(
        q: Any, k: Any, v: Any, mask: Any = None, *, scale: float, causal: bool = False
    ) -> Any:
        done = _forward(q, k, v, scale, causal) if mask is None else None
        if done is not None:
            return done
        if q.dtype not in HALVES:
            return plain(q, k, v, mask, scale=scale, causal=causal)
        # The sums stay float32, as cuDNN's.
        wide = (a if a is None else a.astype(np.float32) for a in (q, k, v, mask))
        out, sums = plain(*wide, scale=scale, causal=causal)
        return out.astype(q.dtype), sums

    def attention_backward(
        grad: Any, q: Any, k: Any, v: Any, out: Any, sums: Any, mask: Any = None, *, scale: float,
        causal: bool = False,
    ) -> Any:  # fmt: skip
        done = _backward(grad, q, k, v, out, sums, scale, causal) if mask is None else None
        if done is not None:
            return done
        return plain_backward(grad, q, k, v, out, sums, mask, scale=scale, causal=causal)

    return {"attention": attention, "attention_backward": attention_backward}
