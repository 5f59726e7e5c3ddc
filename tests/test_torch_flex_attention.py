"""``flex_attention`` and its masks of blocks, beside PyTorch's."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from oracle import numbers

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")
ours = pytest.importorskip("anadrome.nn.attention.flex_attention")
theirs = pytest.importorskip("torch.nn.attention.flex_attention")
BOTH = [(ad, ours), (torch, theirs)]
DOCUMENTS = np.array([[0, 0, 0, 1, 1, 1, 1, 2, 2], [0, 1, 1, 1, 1, 1, 2, 2, 2]])


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch: Any) -> None:
    monkeypatch.setattr(theirs, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)


def tensors(L: Any, *shapes: tuple[int, ...]) -> list[Any]:
    return [L.tensor(numbers(*s, seed=i)) for i, s in enumerate(shapes)]


def causal(b: Any, h: Any, q_idx: Any, kv_idx: Any) -> Any:
    return q_idx >= kv_idx


def documents(L: Any) -> Any:
    table = L.tensor(DOCUMENTS)
    return lambda b, h, q_idx, kv_idx: table[b, q_idx] == table[b, kv_idx]


def masks(L: Any, F: Any) -> dict[str, Any]:
    def heads(b: Any, h: Any, q: Any, k: Any) -> Any:
        return (q - k).abs() <= h + 1

    return {
        "causal": causal,
        "documents": documents(L),
        "both": F.and_masks(causal, documents(L)),
        "either": F.or_masks(causal, heads),
        "window by head": heads,
        "later only": lambda b, h, q, k: q < k,  # the last query attends to nothing
        "all": F.noop_mask,
    }


def scores(L: Any) -> dict[str, Any]:
    table = L.tensor(numbers(3, 17, seed=7))
    slopes = L.tensor(numbers(3, seed=8))
    return {
        "none": None,
        "distance": lambda s, b, h, q, k: s + slopes[h] * (q - k),
        "table": lambda s, b, h, q, k: s + table[h, q - k + 8],
        "cap": lambda s, b, h, q, k: 5 * L.tanh(s / 5),
        "masked": lambda s, b, h, q, k: L.where(q >= k, s, -float("inf")),
    }


def same(found: Any, wanted: Any, tolerance: float = 1e-12) -> None:
    assert tuple(found.shape) == tuple(wanted.shape)
    np.testing.assert_allclose(
        found.detach().numpy(), wanted.detach().numpy(), rtol=tolerance, atol=tolerance
    )


@pytest.mark.parametrize("mask", ["causal", "documents", "both", "either", "later only"])
@pytest.mark.parametrize("score", ["none", "distance", "table", "cap", "masked"])
def test_as_pytorch(score: str, mask: str) -> None:
    out = []
    for L, F in BOTH:
        q, k, v = tensors(L, (2, 3, 9, 4), (2, 3, 9, 4), (2, 3, 9, 5))
        blocks = F.create_block_mask(masks(L, F)[mask], 2, 3, 9, 9, device="cpu", BLOCK_SIZE=4)
        out.append(F.flex_attention(q, k, v, scores(L)[score], blocks))
    same(*out)


def test_the_sums_and_the_largest_of_the_scores() -> None:
    q, k, v = tensors(ad, (2, 3, 9, 4), (2, 3, 9, 4), (2, 3, 9, 5))
    blocks = ours.create_block_mask(masks(ad, ours)["later only"], None, None, 9, 9)
    request = ours.AuxRequest(lse=True, max_scores=True)
    _, aux = ours.flex_attention(q, k, v, scores(ad)["cap"], blocks, return_aux=request)
    other = torch.tensor(q.numpy()) @ torch.tensor(k.numpy()).transpose(-2, -1) / 2
    later = torch.ones(9, 9).triu(1) > 0
    other = (5 * torch.tanh(other / 5)).masked_fill(~later, -float("inf"))
    same(aux.lse, other.logsumexp(-1))
    same(aux.max_scores, other.amax(-1))
    assert aux.lse[..., -1].isneginf().all()
    pair = ours.flex_attention(q, k, v, scores(ad)["cap"], blocks, return_lse=True)
    same(pair[1], other.logsumexp(-1))
    _, aux = ours.flex_attention(q, k, v, return_aux=ours.AuxRequest())
    assert aux == (None, None)


@pytest.mark.parametrize("score", ["distance", "table", "cap"])
def test_gradients_are_those_of_the_scores_written_out(score: str) -> None:
    grads = []
    for L in (ad, torch):
        q, k, v = (t.requires_grad_() for t in tensors(L, (2, 3, 9, 4), (2, 3, 9, 4), (2, 3, 9, 5)))
        table, slopes = L.tensor(numbers(3, 17, seed=7)), L.tensor(numbers(3, seed=8))
        table.requires_grad_(), slopes.requires_grad_()
        if L is ad:
            mods = {
                "distance": lambda s, b, h, q, k: s + slopes[h] * (q - k),
                "table": lambda s, b, h, q, k: s + table[h, q - k + 8],
                "cap": lambda s, b, h, q, k: 5 * ad.tanh(s / 5),
            }
            blocks = ours.create_block_mask(causal, None, None, 9, 9, BLOCK_SIZE=(2, 3))
            out = ours.flex_attention(q, k, v, mods[score], blocks)
        else:
            s, apart = q @ k.transpose(-2, -1) / 2, torch.arange(9)[:, None] - torch.arange(9)
            s = {"distance": s + slopes[:, None, None] * apart, "table": s + table[:, apart + 8],
                 "cap": 5 * torch.tanh(s / 5)}[score]  # fmt: skip
            out = s.masked_fill(apart < 0, -float("inf")).softmax(-1) @ v
        (out * out).sum().backward()
        grads.append([t.grad for t in (q, k, v, table, slopes)])
    for a, b in zip(*grads):
        assert (a is None) == (b is None)
        if a is not None:
            same(a, b, 1e-10)


@pytest.mark.parametrize("size", [3, (4, 2), 128])
@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("mask", ["causal", "both", "window by head", "later only", "all"])
def test_blocks(mask: str, apart: bool, size: Any) -> None:
    told = []
    for L, F in BOTH:
        made = F.create_block_mask(
            masks(L, F)[mask], 2, 3, 9, 9, device="cpu", BLOCK_SIZE=size, separate_full_blocks=apart
        )
        for m in (made, made[1], made[0:1, 1:3], made.to("cpu")):
            held = _held(m)
            text = repr(m).replace("torch.", "anadrome.")
            told.append((text, str(m), m.shape, m.numel(), m.sparsity(), held))
    half = len(told) // 2
    assert told[:half] == told[half:]


def test_a_mask_is_cropped() -> None:
    mask = ours.create_block_mask(masks(ad, ours)["later only"], 2, None, 9, 9, BLOCK_SIZE=(4, 2))
    part = mask._adjust(5, 7)
    assert part.shape == (2, 1, 5, 7)
    assert (part.to_dense() == mask.to_dense()[:, :, :2, :4]).all()
    q, k, v = tensors(ad, (2, 3, 5, 4), (2, 3, 7, 4), (2, 3, 7, 5))
    other = ours.create_block_mask(masks(ad, ours)["later only"], 2, None, 5, 7)
    same(ours.flex_attention(q, k, v, block_mask=part),
         ours.flex_attention(q, k, v, block_mask=other))  # fmt: skip


def _held(m: Any) -> list[Any]:
    names = [f"{full}{side}_{what}" for full in ("", "full_") for side in ("kv", "q")
             for what in ("num_blocks", "indices")]  # fmt: skip
    found = [getattr(m, n) for n in names]
    return [None if t is None else (str(t.dtype).split(".")[-1], t.tolist()) for t in found]


def test_heads_that_share_keys_and_a_batch_that_does() -> None:
    for shapes, more in (
        (((2, 4, 5, 4), (2, 2, 5, 4), (2, 2, 5, 3)), {"enable_gqa": True}),
        (((2, 4, 5, 4), (1, 4, 5, 4), (1, 4, 5, 3)), {}),
    ):
        out = []
        for L, F in BOTH:
            blocks = F.create_block_mask(causal, 2, None, 5, 5, device="cpu")
            out.append(F.flex_attention(*tensors(L, *shapes), block_mask=blocks, scale=0.3, **more))
        same(*out)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_dtypes(dtype: str) -> None:
    out = []
    for L, F in BOTH:
        q, k, v = (t.to(getattr(L, dtype)) for t in tensors(L, *[(1, 2, 6, 4)] * 3))
        found = F.flex_attention(q, k, v)
        assert found.dtype is getattr(L, dtype)
        out.append(found.float())
    same(*out, {"float16": 2e-3, "bfloat16": 2e-2, "float32": 1e-6}[dtype])


def test_masks_of_functions() -> None:
    for L, F in BOTH:
        found = [F.create_mask(mod, None, 2, 3, 4, device="cpu").tolist()
                 for mod in (causal, scores(L)["masked"])]  # fmt: skip
        assert found == [[[[[q >= k for k in range(4)] for q in range(3)]] * 2]] * 2


def test_blocks_given_one_by_one() -> None:
    """A block that is not listed is empty, whatever the function says; a full one is full."""
    counts, indices = ad.tensor([[[1, 0]]]), ad.tensor([[[[1, 0], [0, 1]]]])
    mask = ours.BlockMask.from_kv_blocks(
        counts, indices, ad.tensor([[[0, 1]]]), indices, BLOCK_SIZE=2, mask_mod=causal
    )
    assert mask.shape == (1, 1, 4, 4)
    q, v = ad.zeros(1, 1, 4, 1), ad.tensor([[[[1.0], [2.0], [4.0], [8.0]]]])
    found = ours.flex_attention(q, q, v, block_mask=mask).flatten().tolist()
    assert found == [0.0, 0.0, 1.5, 1.5]


def test_what_is_refused() -> None:
    for L, F in BOTH:
        q, k, v = tensors(L, (2, 4, 5, 4), (2, 4, 5, 4), (2, 4, 5, 3))
        blocks = F.create_block_mask(causal, None, None, 5, 5, device="cpu")
        for call in (
            lambda: F.flex_attention(q, k[..., :2], v),
            lambda: F.flex_attention(q, k[:, :2], v[:, :2]),
            lambda: F.flex_attention(q, k[:, :3], v[:, :3], enable_gqa=True),
            lambda: F.flex_attention(q, k[:1], v[:1]),
            lambda: F.flex_attention(q[:, :, :3], k, v, block_mask=blocks),
            lambda: F.flex_attention(q, k, v, return_lse=True, return_aux=F.AuxRequest()),
        ):
            with pytest.raises(ValueError):
                call()
        with pytest.raises(NotImplementedError):
            F.flex_attention(q[0], k[0], v[0])
        with pytest.raises(RuntimeError, match="sliced"):
            F.flex_attention(q, k, v, block_mask=blocks[0])
        for mod in (scores(L)["cap"], lambda a: a):
            with pytest.raises(AssertionError):
                F.create_block_mask(mod, None, None, 2, 2, device="cpu")
        with pytest.raises(RuntimeError):
            F.and_masks(causal, 3)


def test_every_public_name_is_there() -> None:
    names = {n for n in vars(theirs) if n[0] != "_" and getattr(vars(theirs)[n], "__module__", "")
             == theirs.__name__}  # fmt: skip
    assert names <= set(dir(ours)), names - set(dir(ours))
    assert list(itertools.chain(ours.AuxRequest._fields)) == list(theirs.AuxRequest._fields)
