"""mods: functions of one score, or of one place in the mask, run for all of them.

A ``mask_mod(batch, head, q_idx, kv_idx)`` says whether a query attends to a key, a
``score_mod(score, batch, head, q_idx, kv_idx)`` what becomes of their score. Each argument is a
Tensor without dimensions; ``vmap`` gives it all of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ...creation import zeros
from ...dtypes import bool_
from ...func import vmap
from ...ranges import arange
from ...tensor import Tensor

Mod = Callable[..., Tensor]
_mask_mod_signature = _score_mod_signature = Mod


def mapped(
    mod: Mod, shape: tuple[int, int, int, int], *scores: Tensor, device: Any = None
) -> Tensor:
    """``mod`` at each batch, head, query and key: of ``shape``, which ``scores`` have too."""
    for place in (3, 2, 1, 0):
        dims: list[int | None] = [None] * 4
        dims[place] = 0
        mod = vmap(mod, in_dims=(*[0 for _ in scores], *dims))
    return mod(*scores, *[arange(n, device=device) for n in shape])


def takes_a_score(mod: Mod) -> bool:
    """Whether it is a ``score_mod``: five arguments; four are those of a ``mask_mod``."""
    count = sum(
        p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
        for p in inspect.signature(mod).parameters.values()
    )
    if count not in (4, 5):
        raise AssertionError(f"Expected 4 or 5 positional args, got {count}")
    return count == 5


def noop_mask(batch: Tensor, head: Tensor, token_q: Tensor, token_kv: Tensor) -> Tensor:
    """The ``mask_mod`` that allows everything."""
    return batch.new_ones((), dtype=bool_)


def _checked(mask_mods: tuple[Mod, ...]) -> None:
    if not all(callable(mod) for mod in mask_mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")


def or_masks(*mask_mods: Mod) -> Mod:
    """A ``mask_mod`` that allows what one of these does."""
    _checked(mask_mods)

    def or_mask(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
        result = b.new_zeros((), dtype=bool_)
        for mod in mask_mods:
            result = result | mod(b, h, q_idx, kv_idx)
        return result

    return or_mask


def and_masks(*mask_mods: Mod) -> Mod:
    """A ``mask_mod`` that allows what all of these do."""
    _checked(mask_mods)

    def and_mask(b: Tensor, h: Tensor, q_idx: Tensor, kv_idx: Tensor) -> Tensor:
        result = b.new_ones((), dtype=bool_)
        for mod in mask_mods:
            result = result & mod(b, h, q_idx, kv_idx)
        return result

    return and_mask


def create_mask(
    mod_fn: Mod, B: int | None, H: int | None, Q_LEN: int, KV_LEN: int, device: Any = None
) -> Tensor:
    """Where a ``mask_mod`` allows attention, or a ``score_mod`` leaves more than -inf: bools.

    Of shape (B, H, Q_LEN, KV_LEN); None is one batch, or one head. PyTorch:
    ``torch.nn.attention.flex_attention.create_mask``.

    >>> from anadrome.nn.attention.flex_attention import create_mask
    >>> create_mask(lambda b, h, q, k: q >= k, None, None, 2, 2)
    tensor([[[[ True, False],
              [ True,  True]]]])
    """
    shape = (B or 1, H or 1, Q_LEN, KV_LEN)
    if takes_a_score(mod_fn):
        return ~mapped(mod_fn, shape, zeros(*shape, device=device), device=device).isneginf()
    return mapped(mod_fn, shape, device=device)
