"""Attention in blocks: what is declared, whatever the blocks, the layout and the threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_checks import KERNELS, check, made

import anadrome as ad
from anadrome.backends.numpy import parallel
from anadrome.backends.numpy.kernels import attending

#: Of queries, keys and values: leading dimensions, lengths, widths.
SHAPES = [
    ((2,), 3, 5, 4, 6),
    ((3, 4), 8, 8, 16, 16),
    ((2, 3), 400, 170, 8, 4),
    ((1, 2), 170, 400, 8, 4),
    ((2, 1, 5), 40, 33, 8, 8),
]


@pytest.fixture(autouse=True, params=["plain", "small blocks", "two threads"])
def _ways(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "threads", 2)
    if request.param != "plain":
        monkeypatch.setattr(attending, "_ROOM", 300)
        monkeypatch.setattr(attending, "_TALL", 20)
        monkeypatch.setattr(attending, "_ROWS", 5)
    if request.param == "two threads":
        monkeypatch.setattr(parallel, "LARGE", 1)


def given(shape: Any, dtype: str, layout: str = "C") -> list[Any]:
    rng = np.random.default_rng(0)
    lead, length, width, inner, outer = shape
    sizes = ((length, inner), (width, inner), (width, outer), (length, outer))
    return [made(rng, (*lead, *size), dtype, layout) for size in sizes]


def masked(shape: Any, dtype: str, masks: str) -> Any:
    """A mask of each head or of all, in which the second row may look nowhere; or none."""
    if masks == "none":
        return None
    lead, length, width, *_ = shape
    rng = np.random.default_rng(1)
    mask = rng.standard_normal((*lead, length, width) if masks == "each" else (length, width))
    mask[mask > 1] = -np.inf
    mask[..., 1, :] = -np.inf
    mask[..., 0] = np.where(mask[..., 0] == -np.inf, 0, mask[..., 0])
    mask[..., 1, 0] = -np.inf
    return mask.astype(dtype)


@pytest.mark.parametrize("masks", ["none", "all", "each"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_attention(shape: Any, dtype: str, causal: bool, masks: str) -> None:
    q, k, v, g = given(shape, dtype)
    mask = masked(shape, dtype, masks)
    how = {"scale": 0.4, "causal": causal}
    check("attention", q, k, v, mask, **how, tolerance=30)
    out, sums = KERNELS["attention"](q, k, v, mask, **how)
    again = KERNELS["attention"](q, k, v, mask, **how)
    assert out.tobytes() == again[0].tobytes()

    w = [ad.tensor(a.astype("float64"), requires_grad=True) for a in (q, k, v)]
    scores = w[0] @ w[1].mT * 0.4
    if mask is not None:
        scores = scores + ad.tensor(mask.astype("float64"))
    if causal:
        later = ad.ones(scores.shape[-2:], dtype=ad.bool).triu(1)
        scores = scores.masked_fill(later, float("-inf"))
    nowhere = (scores == float("-inf")).all(-1, keepdim=True)
    assert bool(nowhere.any()) is (mask is not None)
    weights = scores.masked_fill(nowhere, 0.0).softmax(-1) * ~nowhere
    (weights @ w[2]).backward(ad.tensor(g.astype("float64")))
    found = KERNELS["attention_backward"](g, q, k, v, out, sums, mask, **how)
    for ours, exact in zip(found, w):
        np.testing.assert_allclose(ours, exact.grad.numpy(), atol=3e-5, rtol=1e-4)


@pytest.mark.parametrize("layout", ["F", "strided", "reversed"])
def test_other_layouts(layout: str) -> None:
    q, k, v, g = given(SHAPES[1], "float32", layout)
    plain = [np.ascontiguousarray(a) for a in (q, k, v, g)]
    first = KERNELS["attention"](*plain[:3], scale=0.5, causal=True)
    other = KERNELS["attention"](q, k, v, scale=0.5, causal=True)
    of_first = KERNELS["attention_backward"](plain[3], *plain[:3], *first, scale=0.5, causal=True)
    of_other = KERNELS["attention_backward"](g, q, k, v, *other, scale=0.5, causal=True)
    for a, b in zip((*first, *of_first), (*other, *of_other)):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_what_the_kernels_leave_to_the_declaration() -> None:
    q, k, v, _ = given(SHAPES[0], "float32")
    check("attention", q[0], k[0], v[0], scale=0.5)
    out, sums = KERNELS["attention"](q[:0], k[:0], v[:0], scale=0.5)
    assert out.shape == (0, 3, 6) and sums.shape == (0, 3, 1)
