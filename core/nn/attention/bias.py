"""bias: causal masks for queries and keys of different numbers (``torch.nn.attention.bias``)."""

from __future__ import annotations

import enum
from typing import Any

from ...creation import ones
from ...refusals import refusing
from ...tensor import Tensor


class CausalVariant(enum.IntEnum):
    """Which corners of the scores the last allowed keys lead to."""

    UPPER_LEFT = 1
    LOWER_RIGHT = 2


def CausalBias(variant: CausalVariant, seq_len_q: int, seq_len_kv: int) -> Tensor:
    """The mask of a variant; in PyTorch a class, here the mask itself."""
    if not isinstance(variant, CausalVariant):
        raise TypeError(f"variant must be a CausalVariant, not {type(variant).__name__}")
    lower_right = variant is CausalVariant.LOWER_RIGHT
    return _mask((seq_len_q, seq_len_kv), lower_right)


@refusing
def causal_upper_left(*size: Any) -> Tensor:
    """Query i may attend to keys 0 to i: ``attn_mask`` of ``scaled_dot_product_attention``.

    ``size``: (queries, keys). Returns a Tensor of bools.

    >>> import anadrome as ad
    >>> from anadrome.nn.attention.bias import causal_upper_left
    >>> causal_upper_left(2, 3)
    tensor([[ True, False, False],
            [ True,  True, False]])
    """
    return _mask(size, False)


@refusing
def causal_lower_right(*size: Any) -> Tensor:
    """The last query may attend to all keys, each one before to one less.

    >>> import anadrome as ad
    >>> from anadrome.nn.attention.bias import causal_lower_right
    >>> causal_lower_right(2, 3)
    tensor([[ True,  True, False],
            [ True,  True,  True]])
    """
    return _mask(size, True)


def _mask(size: Any, lower_right: bool) -> Tensor:
    if len(size) != 2:
        raise RuntimeError("causal_upper_left and causal_lower_right take 2 sizes")
    queries, keys = size
    return ones(queries, keys).tril(keys - queries if lower_right else 0).bool()
