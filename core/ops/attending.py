"""attending: attention as one op, for backends that have a kernel of it.

With the scores s = scale * q @ k.T + mask, and L the logarithm of the sum of exp(s) along a row, a
row's weights are p = exp(s - L) and its output p @ v. Only L is kept of it: backward makes the
weights again (Dao et al., "FlashAttention", arXiv:2205.14135). For the gradient g of the output

    gv = p.T @ g,   t = p * (g @ v.T - sum(g * out)),   gq = scale * t @ k,   gk = scale * t.T @ q

A row whose mask is all -inf gives zeros, and L is zero there.

Layout: q (*, L, E), k (*, S, E), v (*, S, V), mask (L, S) or broadcast to (*, L, S), of their type.
``causal``: row i attends to the columns 0 to i.
"""

from __future__ import annotations

from typing import Any

from ..op import FLOAT, HALF, MISSING, op
from ..samples import Arr, call
from .arranging import tril
from .elementwise import exp
from .products import matmul_batched, swap
from .reduce import sum

_SHAPES = Arr((2, 3, 4)), Arr((2, 5, 4)), Arr((2, 5, 6))

# fmt: off
attention = op("attention", lambda xp, q, k, v, mask=None, *, scale, causal=False:
                   _forward(xp, q, k, v, mask, scale, causal),
               joint=lambda g, q, k, v, mask, out, sums, scale, causal, needs:
                   _rule(g, q, k, v, mask, out, sums, scale, causal, needs),
               outputs=("out", "sums"), dtype=FLOAT, amp=HALF, method=False,
               node="ScaledDotProductFlashAttentionBackward0", refuses=("complex",),
               named=lambda q: "ScaledDotProductFlashAttention"
                               f"{'ForCpu' * (q.device.type == 'cpu')}Backward0",
               samples=call(*_SHAPES, scale=0.5) + call(*_SHAPES, scale=0.25, causal=True)
               + call(*_SHAPES, Arr((3, 5)), scale=0.5))
#: The gradients of all three. Over Tensors the rule above is made of products, which have further
#: derivatives; so this one needs none.
attention_backward = op("attention_backward",
                        lambda xp, grad, q, k, v, out, sums, mask=None, *, scale, causal=False:
                            _gradients(grad, q, k, v, mask, out, sums, None, scale, causal)[:3],
                        grad=MISSING, q=MISSING, k=MISSING, v=MISSING, out=MISSING, sums=MISSING,
                        mask=MISSING,
                        outputs=("of_q", "of_k", "of_v"), dtype=FLOAT, method=False,
                        samples=[])
# fmt: on


def _forward(xp: Any, q: Any, k: Any, v: Any, mask: Any, scale: float, causal: bool) -> Any:
    scores = xp.matmul(q, k.mT) * scale
    scores = scores if mask is None else scores + mask
    if causal:
        allowed = xp.tril(xp.ones(scores.shape[-2:], dtype=xp.bool))
        scores = xp.where(allowed, scores, xp.asarray(-xp.inf, dtype=scores.dtype))
    top = xp.max(scores, axis=-1, keepdims=True)
    if mask is not None:
        top = xp.where(top == -xp.inf, xp.zeros_like(top), top)
    weights = xp.exp(scores - top)
    total = xp.sum(weights, axis=-1, keepdims=True)
    if mask is not None:
        total = xp.where(total == 0, xp.ones_like(total), total)
    return xp.matmul(weights / total, v), top + xp.log(total)


def _rule(
    g: Any, q: Any, k: Any, v: Any, mask: Any, out: Any, sums: Any, scale: float, causal: bool,
    needs: Any,
) -> Any:  # fmt: skip
    of_out, of_sums = g
    plain = of_sums is None and of_out is not None and not needs[3]
    if plain and not hasattr(of_out, "_data"):
        how = {"scale": scale, "causal": causal}
        return (*attention_backward(of_out, q, k, v, out, sums, mask, **how), None)
    return _gradients(of_out, q, k, v, mask, out, sums, of_sums, scale, causal)


def _gradients(
    g: Any, q: Any, k: Any, v: Any, mask: Any, out: Any, sums: Any, of_sums: Any, scale: float,
    causal: bool,
) -> Any:  # fmt: skip
    scores = matmul_batched(q, swap(k)) * scale
    scores = scores if mask is None else scores + mask
    weights = exp((tril(scores) if causal else scores) - sums)
    if causal:
        weights = tril(weights)
    inner, gv = of_sums, None
    if g is not None:
        inner = matmul_batched(g, swap(v)) - sum(g * out, dim=-1, keepdim=True)
        gv = matmul_batched(swap(weights), g)
        if of_sums is not None:
            inner = inner + of_sums
    of_scores = weights * inner
    t = of_scores * scale
    return matmul_batched(t, k), matmul_batched(swap(t), q), gv, of_scores
