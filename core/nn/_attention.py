"""_attention: every query's mean of the values, weighted by how the keys answer it."""

from __future__ import annotations

from ..composite import one
from ..creation import ones, zeros
from ..dtypes import bool_
from ..errors import DtypeError, ShapeError
from ..halves import by_steps
from ..op import HALF
from ..ops.arranging import triu
from ..ops.attending import attention
from ..refusals import refusing
from ..tensor import Tensor
from ._layers import dropout


@refusing
@one(amp=HALF)
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """``softmax(query @ key.T * scale) @ value`` (arXiv:1706.03762).

    ``query``: (*, L, E), ``key``: (*, S, E), ``value``: (*, S, V); the result is (*, L, V).
    ``attn_mask``: (*, L, S), True where attention is allowed, or floats that are added.
    ``is_causal``: position i attends to 0 … i. ``scale``: by default ``1 / sqrt(E)``.
    ``enable_gqa``: query may have a multiple of the heads (dimension -3) of key and value.
    A row that may attend to nothing gives zeros.
    PyTorch: ``torch.nn.functional.scaled_dot_product_attention``.

    >>> import anadrome as ad
    >>> q, k, v = ad.zeros(1, 2), ad.ones(2, 2), ad.tensor([[0.0], [4.0]])
    >>> ad.nn.functional.scaled_dot_product_attention(q, k, v)
    tensor([[2.]])
    """
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise ShapeError(
            "Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: "
            f"{query.ndim} key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    kinds = query.dtype, key.dtype, value.dtype
    if len(set(kinds)) > 1:
        raise DtypeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{kinds[0].name} key.dtype: {kinds[1].name} and value.dtype: {kinds[2].name} instead."
        )
    if attn_mask is not None and not (
        attn_mask.dtype.name in ("bool", "float32") or attn_mask.dtype is query.dtype
    ):
        raise DtypeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
            f"attn_mask.dtype: {attn_mask.dtype.name} and  query.dtype: {query.dtype.name} instead."
        )
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
            "is_causal=True; combine them: attn_mask & anadrome.ones(L, S).tril().bool()"
        )
    if enable_gqa:
        key, value = _repeated_heads(query, key), _repeated_heads(query, value)
    factor = max(query.shape[-1], 1) ** -0.5 if scale is None else scale  # no row: all is zero
    backend = query._backend
    if not dropout_p and "attention" in backend.kernels and key.shape[-2] and not by_steps(query):
        if query.shape[:-2] == key.shape[:-2] == value.shape[:-2]:
            mask = None if attn_mask is None else _added(attn_mask, query)
            how = {"scale": float(factor), "causal": bool(is_causal)}
            return attention(query, key, value, mask, **how)[0]
    scores = (query * factor) @ key.transpose(-2, -1)
    if is_causal:  # every position may attend to the first, so no row is empty
        later = triu(ones(tuple(scores.shape[-2:]), dtype=bool_, device=query.device), diagonal=1)
        weights = scores.masked_fill(later, value=float("-inf")).softmax(-1)
    elif attn_mask is None:
        weights = scores.softmax(-1)
    else:
        weights = _masked_softmax(scores, attn_mask)
    if dropout_p > 0.0:
        weights = dropout(weights, dropout_p)
    return weights @ value


def _added(mask: Tensor, query: Tensor) -> Tensor:
    """The mask as what is added to the scores."""
    if mask.dtype.name == "bool":
        return zeros((), dtype=query.dtype, device=query.device).where(mask, float("-inf"))
    return mask.to(query.dtype)


def _masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over what the mask allows; zeros, and no NaN in backward, where that is nothing."""
    lowest = float("-inf")
    if mask.dtype.name == "bool":
        empty = ~mask.any(dim=-1, keepdim=True)
        allowed = scores.masked_fill(~(mask | empty), value=lowest)
    else:
        empty = (mask == lowest).all(dim=-1, keepdim=True)
        allowed = scores + mask.masked_fill(empty, value=0.0).to(scores.dtype)
    return allowed.softmax(-1).masked_fill(empty, value=0.0)


def _repeated_heads(query: Tensor, x: Tensor) -> Tensor:
    heads, own = query.shape[-3], x.shape[-3]
    if heads % own:
        raise ShapeError(
            "Number of heads in key and value must divide the number of heads in query, got "
            f"{own} and {heads}"
        )
    if heads == own:
        return x
    shape = tuple(x.shape)
    wide = (*shape[:-2], heads // own, *shape[-2:])
    return x.unsqueeze(-3).expand(wide).reshape((*shape[:-3], heads, *shape[-2:]))
