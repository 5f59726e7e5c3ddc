"""Causal masks of ``nn.attention.bias`` against PyTorch's."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from oracle import agree, numbers

import anadrome as ad

pytestmark = pytest.mark.torch


@pytest.mark.parametrize("size", [(3, 3), (2, 5), (5, 2)])
@pytest.mark.parametrize("name", ["causal_upper_left", "causal_lower_right"])
def test_causal_masks(name: str, size: tuple[int, int]) -> None:
    def call(L: Any, q: Any, k: Any, v: Any) -> Any:
        mask = getattr(importlib.import_module(f"{L.__name__}.nn.attention.bias"), name)(*size)
        return L.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    n, m = size
    # PyTorch's subclass has no gradient where rows may attend to nothing.
    agree(call, numbers(1, 1, n, 4), numbers(1, 1, m, 4, seed=1), numbers(1, 1, m, 4, seed=2),
          gradients=n <= m, second=False)  # fmt: skip


def test_the_class() -> None:
    from anadrome.nn.attention import bias

    made = bias.CausalBias(bias.CausalVariant.LOWER_RIGHT, 2, 3)
    assert made.equal(bias.causal_lower_right(2, 3))
    assert bias.causal_upper_left(2, 3).tolist() == [[True, False, False], [True, True, False]]
    with pytest.raises(TypeError, match="variant must be a CausalVariant, not str"):
        bias.CausalBias("lower", 2, 3)
    with pytest.raises(RuntimeError, match="take 2 sizes"):
        bias.causal_lower_right(3)
    assert made.dtype is ad.bool
