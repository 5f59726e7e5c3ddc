"""attending: attention, a few heads at a time, so that their scores stay in the cache.

The weights of all heads are never there together, and none are kept for backward (see
``core/ops/attending.py``). Heads are shared by threads, each product in one. Where it is causal,
large scores are made of some rows at a time, and only of the columns that these may attend to.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..blas import side_by_side
from .common import BLAS, declared, ones

#: Scores that are worked on at a time.
_ROOM = 131072
#: Scores of a head from which rows are taken apart, and how many rows there are at least.
_TALL, _ROWS = 65536, 128


def attention(
    q: Any, k: Any, v: Any, mask: Any = None, *, scale: float, causal: bool = False
) -> Any:
    """The mean of the values, and the logarithm of the sum of the exponentials of the scores."""
    if not _suit(q, k, v, mask):
        return declared("attention")(q, k, v, mask, scale=scale, causal=causal)
    mask = _widened(mask, q, k)
    out, sums = (np.empty((*q.shape[:-1], n), q.dtype) for n in (v.shape[-1], 1))
    summing = ones(k.shape[-2], q.dtype)
    scores = functools.partial(_scores, mask=mask, scale=scale, causal=causal)

    def head(at: Any) -> None:
        query, keys, values, result, total = (a[at] for a in (q, k, v, out, sums))
        for rows, columns in _pieces(q.shape[-2], k.shape[-2], causal):
            weights = scores(query, keys, at, rows, columns)
            top = np.maximum.reduce(weights, -1, keepdims=True)
            if mask is not None:
                top[top == -math.inf] = 0
            weights -= top
            np.exp(weights, weights)
            sum_ = weights.dot(summing[:columns])[..., None]
            if mask is not None:
                sum_[sum_ == 0] = 1
            target = result[..., rows, :]
            np.matmul(weights, values[..., :columns, :], out=target)
            target /= sum_
            np.add(top, np.log(sum_), total[..., rows, :])

    _for_heads(head, q, k, causal)
    return out, sums


def attention_backward(
    grad: Any, q: Any, k: Any, v: Any, out: Any, sums: Any, mask: Any = None, *, scale: float,
    causal: bool = False,
) -> Any:  # fmt: skip
    """The gradients of all three."""
    alike = grad.shape == out.shape and {a.dtype for a in (grad, out, sums)} == {q.dtype}
    if not (_suit(q, k, v, mask) and alike):
        plain = declared("attention_backward")
        return plain(grad, q, k, v, out, sums, mask, scale=scale, causal=causal)
    mask = _widened(mask, q, k)
    scores = functools.partial(_scores, mask=mask, scale=scale, causal=causal)
    of_q = np.empty(q.shape, q.dtype)
    of_k, of_v = (np.zeros(a.shape, a.dtype) for a in (k, v))

    def head(at: Any) -> None:
        arrays = (grad, q, k, v, out, sums, of_q, of_k, of_v)
        g, query, keys, values, result, total, to_q, to_k, to_v = (a[at] for a in arrays)
        for rows, columns in _pieces(q.shape[-2], k.shape[-2], causal):
            seen = (..., slice(columns), slice(None))
            slope = g[..., rows, :]
            weights = scores(query, keys, at, rows, columns)
            weights -= total[..., rows, :]
            np.exp(weights, weights)
            to_v[seen] += np.matmul(weights.mT, slope)
            inner = np.matmul(slope, values[seen].mT)
            inner -= np.vecdot(slope, result[..., rows, :])[..., None]
            inner *= weights
            inner *= scale
            np.matmul(inner, keys[seen], out=to_q[..., rows, :])
            to_k[seen] += np.matmul(inner.mT, query[..., rows, :])

    _for_heads(head, q, k, causal)
    return of_q, of_k, of_v


def _suit(q: Any, k: Any, v: Any, mask: Any) -> bool:
    alike = q.dtype == k.dtype == v.dtype and q.shape[:-2] == k.shape[:-2] == v.shape[:-2]
    masked = mask is None or (mask.dtype == q.dtype and mask.ndim <= q.ndim)
    some = bool(q.size and k.size and v.size)
    return alike and masked and some and q.dtype in BLAS and q.ndim > 2


def _widened(mask: Any, q: Any, k: Any) -> Any:
    """The mask of each head, without a copy."""
    return None if mask is None else np.broadcast_to(mask, (*q.shape[:-1], k.shape[-2]))


def _rows(length: int, width: int, causal: bool) -> int:
    """How many rows of scores there are at a time."""
    return max(_ROWS, length // 8) if causal and length * width > _TALL else length


def _pieces(length: int, width: int, causal: bool) -> Iterator[tuple[slice, int]]:
    """Some rows of the scores, and how many columns these attend to."""
    step = _rows(length, width, causal)
    for start in range(0, length, step):
        stop = min(start + step, length)
        yield slice(start, stop), min(stop, width) if causal else width


def _scores(
    query: Any, keys: Any, at: Any, rows: slice, columns: int, *, mask: Any, scale: float,
    causal: bool,
) -> Any:  # fmt: skip
    """Those of some rows of the heads ``at``, -inf where a row may not look."""
    out = np.matmul(query[..., rows, :], keys[..., :columns, :].mT)
    out *= scale
    if mask is not None:
        out += mask[at][..., rows, :columns]
    if causal and columns > rows.start:
        own = out[..., rows.start :]
        np.copyto(own, -math.inf, where=_later(own.shape[-2], own.shape[-1]))
    return out


@functools.lru_cache(maxsize=16)
def _later(length: int, width: int) -> Any:
    """True where the column comes after the row."""
    out = np.triu(np.ones((length, width), np.bool_), 1)
    out.flags.writeable = False
    return out


def _for_heads(function: Callable[[Any], None], q: Any, k: Any, causal: bool) -> None:
    """``function`` for each index of as many heads as fit the cache, by several threads."""
    *outer, heads, length, _ = q.shape
    scores = length * k.shape[-2]
    together = max(_ROOM // (_rows(length, k.shape[-2], causal) * k.shape[-2]), 1)
    groups = [
        (*at, slice(start, start + together))
        for at in np.ndindex(*outer)
        for start in range(0, heads, together)
    ]

    def work(part: slice) -> None:
        for at in groups[part]:
            function(at)

    side_by_side(work, len(groups), math.prod(outer) * heads * scores)


KERNELS: dict[str, Callable[..., Any]] = {
    "attention": attention,
    "attention_backward": attention_backward,
}
