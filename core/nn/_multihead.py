"""_multihead: attention in several heads, with the masks that PyTorch takes."""

from __future__ import annotations

from typing import Any

from .. import sites
from ..ops.joining import cat
from ..refusals import refusing
from ..tensor import Tensor
from . import functional as F


@refusing
def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """The function behind ``MultiheadAttention``, which says what the arguments mean.

    ``query``: (L, N, E) or (L, E); ``key``, ``value``: (S, N, E) or (S, E). Returns the output, in
    the query's shape, and the weights, (N, L, S) or, not averaged over heads, (N, heads, L, S).
    PyTorch: ``torch.nn.functional.multi_head_attention_forward``; paper: arXiv:1706.03762.
    """
    batched = check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = (x.unsqueeze(1) for x in (query, key, value))
        if key_padding_mask is not None:
            key_padding_mask = key_padding_mask.unsqueeze(0)
    length, count, width = query.shape
    padding = canonical_mask(key_padding_mask, "key_padding_mask", query, attn_mask, "attn_mask")
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module "
            "method `generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and padding is None and not need_weights:
        mask = None
    else:
        mask, is_causal = canonical_mask(attn_mask, "attn_mask", query), False
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    if use_separate_proj_weight:
        weights = [q_proj_weight, k_proj_weight, v_proj_weight]
        for name, weight in zip("qkv", weights):
            if weight is None:
                raise AssertionError(
                    f"use_separate_proj_weight is True but {name}_proj_weight is None"
                )
        biases = [None] * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
        linear: Any = F.linear
        q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))
    else:
        if in_proj_weight is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        q, k, v = _projected(query, key, value, in_proj_weight, in_proj_bias)
    mask = _three_dimensional(mask, length, key.shape[0], count * num_heads)
    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v must be given together")
    if bias_k is not None and bias_v is not None:
        k = cat([k, bias_k.expand((1, count, width))])
        v = cat([v, bias_v.expand((1, count, width))])
        mask, padding = _one_more(mask), _one_more(padding)
    heads = (count, num_heads, width // num_heads)
    # (N, heads, length, width of a head)
    q = q.reshape((length, *heads)).permute((1, 2, 0, 3))
    k, v = (
        x.reshape((x.shape[0], *heads)).permute((1, 2, 0, 3))
        if fixed is None
        else _static(fixed, heads)
        for x, fixed in ((k, static_k), (v, static_v))
    )
    if add_zero_attn:
        k, v = (cat([x, x.new_zeros((count, num_heads, 1, x.shape[-1]))], 2) for x in (k, v))
        mask, padding = _one_more(mask), _one_more(padding)
    mask = _merged(mask, padding, (count, num_heads, length, k.shape[2]))
    dropout_p = dropout_p if training else 0.0
    weights_out = None
    if need_weights:
        scores = (q * (q.shape[-1] ** -0.5)) @ k.transpose(-2, -1)
        if mask is not None:  # of the product's type, which a mode may have chosen
            scores = scores + mask.to(scores.dtype)
        shares = F.softmax(scores, -1)
        if dropout_p > 0.0:
            shares = F.dropout(shares, dropout_p)
        mixed = shares @ v
        weights_out = shares.mean(1) if average_attn_weights else shares
    else:
        mixed = F.scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal)
    out = F.linear(mixed.permute((2, 0, 1, 3)).reshape((length, count, width)), out_proj_weight,
                   out_proj_bias)  # fmt: skip
    if not batched:
        out = out.squeeze(1)
        weights_out = None if weights_out is None else weights_out.squeeze(0)
    return out, weights_out


def check_shapes(
    query: Tensor, key: Tensor, value: Tensor, padding: Any, mask: Any, num_heads: int
) -> bool:
    """Whether there is a batch; raises for numbers of dimensions that do not go together."""
    n = query.ndim
    if n not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {n}-D query tensor"
        )
    batch = f"For {'batched (3-D)' if n == 3 else 'unbatched (2-D)'} `query`, expected"
    if key.ndim != n or value.ndim != n:
        raise AssertionError(
            f"{batch} `key` and `value` to be {n}-D but found {key.ndim}-D and {value.ndim}-D "
            "tensors respectively"
        )
    if padding is not None and padding.ndim != n - 1:
        raise AssertionError(
            f"{batch} `key_padding_mask` to be `None` or {n - 1}-D but found {padding.ndim}-D "
            "tensor instead"
        )
    if mask is not None:
        if mask.ndim not in (2, 3):
            raise AssertionError(
                f"{batch} `attn_mask` to be `None`, 2-D or 3-D but found {mask.ndim}-D tensor "
                "instead"
            )
        expected = (num_heads, query.shape[0], key.shape[0])
        if n == 2 and mask.ndim == 3 and tuple(mask.shape) != expected:
            raise AssertionError(
                f"Expected `attn_mask` shape to be {expected} but got {tuple(mask.shape)}"
            )
    return n == 3


def canonical_mask(
    mask: Tensor | None, name: str, like: Tensor, other: Tensor | None = None, other_name: str = ""
) -> Tensor | None:
    """A mask as numbers to add: minus infinity where a boolean one is True."""
    if mask is None:
        return None
    kind = mask.dtype
    if kind.name != "bool" and not kind.is_floating_point:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    if other is not None and other.dtype is not kind:
        sites.warn(
            f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both "
            "instead.",
        )
    if kind.is_floating_point:
        return mask
    zeros = like.new_zeros(tuple(mask.shape))
    return zeros.masked_fill(mask, float("-inf"))


def _check_sizes(
    query: Tensor, key: Tensor, value: Tensor, width: int, num_heads: int, separate: bool
) -> None:
    if query.shape[2] != width:
        raise AssertionError(
            f"was expecting embedding dimension of {width}, but got {query.shape[2]}"
        )
    if width % num_heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if separate:
        if key.shape[:2] != value.shape[:2]:
            raise AssertionError(
                f"key's sequence and batch dims {tuple(key.shape[:2])} do not match value's "
                f"{tuple(value.shape[:2])}"
            )
    elif key.shape != value.shape:
        raise AssertionError(
            f"key shape {tuple(key.shape)} does not match value shape {tuple(value.shape)}"
        )


def _projected(
    query: Tensor, key: Tensor, value: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, ...]:
    """One product for all three where they are the same Tensor."""
    if query is key and key is value:
        return F.linear(query, weight, bias).chunk(3, -1)
    biases = [None] * 3 if bias is None else bias.chunk(3)
    each = zip((query, key, value), weight.chunk(3), biases)
    return tuple(F.linear(x, w, b) for x, w, b in each)


def _three_dimensional(mask: Tensor | None, length: int, source: int, rows: int) -> Tensor | None:
    if mask is None:
        return None
    expected = (length, source) if mask.ndim == 2 else (rows, length, source)
    if tuple(mask.shape) != expected:
        raise RuntimeError(
            f"The shape of the {mask.ndim}D attn_mask is {mask.shape!r}, but should be {expected}."
        )
    return mask.unsqueeze(0) if mask.ndim == 2 else mask


def _one_more(mask: Tensor | None) -> Tensor | None:
    """The mask lets the position that is added be seen."""
    if mask is None:
        return None
    return cat([mask, mask.new_zeros((*mask.shape[:-1], 1))], -1)


def _static(fixed: Tensor, heads: tuple[int, ...]) -> Tensor:
    count, number, width = heads
    if fixed.shape[0] != count * number:
        raise AssertionError(
            f"expecting static key and value of {count * number} rows, but got {fixed.shape[0]}"
        )
    if fixed.shape[2] != width:
        raise AssertionError(
            f"expecting static key and value of width {width}, but got {fixed.shape[2]}"
        )
    return fixed.reshape((count, number, fixed.shape[1], width))


def _merged(mask: Tensor | None, padding: Tensor | None, shape: tuple[int, ...]) -> Tensor | None:
    """Both masks as one that broadcasts to (N, heads, L, S)."""
    count, heads, length, source = shape
    if mask is not None:
        lead = (1, 1) if mask.shape[0] == 1 and mask.ndim == 3 else (count, heads)
        mask = mask.reshape((*lead, length, source))
    if padding is None:
        return mask
    if tuple(padding.shape) != (count, source):
        d = 0 if padding.shape[0] != count else 1
        raise AssertionError(
            f"Expected key_padded_mask.shape[{d}] to be {(count, source)[d]}, but got "
            f"{padding.shape[d]}"
        )
    padding = padding.reshape((count, 1, 1, source))
    return padding if mask is None else mask + padding
