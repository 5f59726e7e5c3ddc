"""flex_attention: attention whose scores a function changes (``torch.nn.attention``).

Reading order: ``mods`` (such functions, run for all scores), ``blocks`` (masks that remember which
blocks are empty), and the attention here. PyTorch compiles it to one kernel; here the scores are an
array, as where PyTorch does not compile, and there are gradients on every device.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict

from ...dtypes import float32, float64
from ...errors import DtypeError
from ...tensor import Tensor
from .._attention import _repeated_heads
from .blocks import _DEFAULT_SPARSE_BLOCK_SIZE as _DEFAULT_SPARSE_BLOCK_SIZE
from .blocks import BlockMask, create_block_mask
from .mods import Mod, and_masks, create_mask, mapped, noop_mask, or_masks
from .mods import _mask_mod_signature as _mask_mod_signature
from .mods import _score_mod_signature as _score_mod_signature

__all__ = [
    "AuxOutput", "AuxRequest", "BlockMask", "FlexKernelOptions", "and_masks", "create_block_mask",
    "create_mask", "flex_attention", "noop_mask", "or_masks",
]  # fmt: skip

_LOWEST = float("-inf")


class AuxRequest(NamedTuple):
    """What ``flex_attention`` is to return besides: its ``lse``, its ``max_scores``."""

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What it returns besides; None for what was not asked for."""

    lse: Tensor | None = None
    max_scores: Tensor | None = None


class FlexKernelOptions(TypedDict, total=False):
    """Options for PyTorch's kernels; accepted, and without effect."""

    BLOCK_M: int
    BLOCK_N: int
    num_warps: int
    num_stages: int
    PRESCALE_QK: bool
    ROWS_GUARANTEED_SAFE: bool
    BLOCKS_ARE_CONTIGUOUS: bool
    BACKEND: str


def flex_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    score_mod: Mod | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: Any = None,
    *,
    return_aux: AuxRequest | None = None,
) -> Any:
    """Attention with scores that ``score_mod`` changes, where ``block_mask`` allows it.

    ``query``: (B, Hq, L, E), ``key``: (B, Hkv, S, E), ``value``: (B, Hkv, S, V); the result is
    (B, Hq, L, V). ``score_mod(score, batch, head, q_idx, kv_idx)`` gives the score of one query and
    one key another value; it may read other Tensors, which get gradients. ``block_mask``: of
    ``create_block_mask``. ``scale``: by default ``1 / sqrt(E)``. ``enable_gqa``: Hq may be a
    multiple of Hkv. ``return_aux``: returns ``(output, AuxOutput)``, with the logsumexp of each
    query's scores, or their largest, both (B, Hq, L); ``return_lse=True`` is its older form.
    ``kernel_options`` is accepted. A query that may attend to nothing gets zeros.
    Raises ValueError for shapes that do not fit each other or the mask.
    PyTorch: ``torch.nn.attention.flex_attention.flex_attention`` (arXiv:2412.05496).

    >>> import anadrome as ad
    >>> from anadrome.nn.attention.flex_attention import create_block_mask, flex_attention
    >>> causal = create_block_mask(lambda b, h, q, k: q >= k, None, None, 3, 3)
    >>> v = ad.tensor([[[[0.0], [2.0], [4.0]]]])
    >>> flex_attention(ad.zeros(1, 1, 3, 1), ad.zeros(1, 1, 3, 1), v, block_mask=causal).flatten()
    tensor([0., 1., 2.])
    """
    if return_lse and return_aux is not None:
        raise ValueError(
            "Cannot specify both return_lse and return_aux. return_lse is deprecated, please use "
            "return_aux=AuxRequest(lse=True) instead."
        )
    _check(query, key, value, enable_gqa, block_mask)
    if enable_gqa:
        key, value = _repeated_heads(query, key), _repeated_heads(query, value)
    working = float64 if query.dtype is float64 else float32
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    scores = (query.to(working) @ key.to(working).transpose(-2, -1)) * factor
    shape = tuple(int(n) for n in scores.shape)
    if score_mod is not None:
        changed = mapped(score_mod, shape, scores, device=query.device)  # type: ignore[arg-type]
        scores = changed.to(working)
    if block_mask is not None:
        allowed = block_mask._allowed(shape, query.device)  # type: ignore[arg-type]
        scores = scores.masked_fill(~allowed, value=_LOWEST)
    empty = (scores == _LOWEST).all(dim=-1, keepdim=True)
    weights = scores.masked_fill(empty, value=0.0).softmax(-1).masked_fill(empty, value=0.0)
    out = weights.to(query.dtype) @ value.to(query.dtype)
    if not return_lse and return_aux is None:
        return out
    rows = empty.squeeze(-1)
    lse = max_scores = None
    if return_lse or (return_aux is not None and return_aux.lse):
        sums = scores.masked_fill(empty, value=0.0).logsumexp(dim=-1)
        lse = sums.masked_fill(rows, value=_LOWEST)
    if return_aux is None:
        return out, lse
    if return_aux.max_scores:
        max_scores = scores.amax(dim=-1)
    return out, AuxOutput(lse, max_scores)


def _check(
    query: Tensor, key: Tensor, value: Tensor, enable_gqa: bool, block_mask: BlockMask | None
) -> None:
    q, k = query.shape, key.shape
    if {query.ndim, key.ndim, value.ndim} != {4}:
        raise NotImplementedError(
            "query, key, and value must be 4D tensors, (batch, head, position, features); got "
            f"{query.ndim}, {key.ndim} and {value.ndim} dimensions"
        )
    if not all(t.dtype.is_floating_point for t in (query, key, value)):
        raise DtypeError(
            "Expected query, key, and value to be of a floating point dtype, but got "
            f"{query.dtype.name}, {key.dtype.name} and {value.dtype.name}"
        )
    if q[-1] != k[-1]:
        raise ValueError(
            "Expect query and key/value to have the same embedding dimension but got "
            f"E={q[-1]} and E={k[-1]}."
        )
    if not enable_gqa and q[1] != k[1]:
        raise ValueError(
            "Expect query and key/value to have the same number of heads but got "
            f"Hq={q[1]} and Hkv={k[1]}. Try setting enable_gqa=True for GQA."
        )
    if enable_gqa and q[1] % k[1]:
        raise ValueError(
            "Expect number of query heads to be a multiple of kv heads for GQA but got "
            f"Hq={q[1]} and Hkv={k[1]}."
        )
    if q[0] != k[0] and (block_mask is None or k[0] != 1):
        raise ValueError(
            "Expect query and key/value to have the same batch size, or one of 1 beside a "
            f"block_mask, but got Bq={q[0]}, and Bkv={k[0]}."
        )
