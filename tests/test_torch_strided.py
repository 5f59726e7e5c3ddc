"""Functions in place on views whose elements are some way apart in memory."""

from __future__ import annotations

import numpy as np
import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


FLOATS = ["float16", "float32", "float64"]
CALLS = [(n, k) for n in ("neg_", "add_", "mul_") for k in ("int32", "int64", "uint8", *FLOATS)]
CALLS += [(n, k) for n in ("exp_", "sqrt_", "div_") for k in FLOATS]  # no result fits integers


@pytest.mark.parametrize("step", [2, 3, 4, 5, 8])
@pytest.mark.parametrize(("name", "kind"), CALLS)
def test_strided_memory(kind: str, step: int, name: str) -> None:
    """NumPy's negative went wrong from strides to strides."""
    found = []
    for L in (ad, torch):
        x = (L.arange(40 * step) % 7 + 1).to(getattr(L, kind)).reshape(40, step)
        getattr(x[:, 0], name)(*([2] if name in ("add_", "mul_", "div_") else []))
        found.append(x.double())
    assert np.allclose(found[0].numpy(), found[1].numpy(), 1e-3)


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("shape", [(1,), (1, 2), (3, 1)])
def test_what_is_repeated_shares_no_memory(shape, repeats):
    torch = pytest.importorskip("torch")

    def seen(L):
        x = L.ones(shape)
        out = x.repeat_interleave(repeats, 0)
        out.view(-1)[0] = 7
        return x.tolist(), out.tolist(), out.stride()

    assert seen(ad) == seen(torch)
