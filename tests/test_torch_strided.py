"""Functions in place on views whose elements are some way apart in memory."""

from __future__ import annotations

import numpy as np
import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.mark.parametrize("kind", ["int32", "int64", "uint8", "float16", "float32", "float64"])
@pytest.mark.parametrize("step", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("name", ["neg_", "exp_", "sqrt_", "add_", "mul_", "div_"])
def test_strided_memory(kind: str, step: int, name: str) -> None:
    """NumPy's negative went wrong from strides to strides."""
    if name in ("exp_", "sqrt_", "div_") and "int" in kind:
        pytest.skip("no integers")
    found = []
    for L in (ad, torch):
        x = (L.arange(40 * step) % 7 + 1).to(getattr(L, kind)).reshape(40, step)
        getattr(x[:, 0], name)(*([2] if name in ("add_", "mul_", "div_") else []))
        found.append(x.double())
    assert np.allclose(found[0].numpy(), found[1].numpy(), 1e-3)
