"""CuPy's fused kernels that look places up: dropout, embedding, the pools, and the activations."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)
from test_cupy_kernels import KINDS, close, declared, dressed, together

import anadrome as ad
import anadrome.nn.functional as F
from anadrome import backend
from anadrome.op import table

# ruff: noqa: F811


def fused(name: str) -> Any:
    """The kernel, which must take what it is given."""
    from anadrome.backends.cupy.kernels import activation, dropping, embedding, pool

    def refused(*args: Any, **keywords: Any) -> Any:
        raise AssertionError(f"{name} was left to the composed path")

    makers = {**activation.MAKERS, **dropping.MAKERS, **embedding.MAKERS, **pool.MAKERS}
    return makers[name](refused)


def beside(name: str, kind: str, *args: Any, **keywords: Any) -> Any:
    """The kernel beside the declaration in float64, and beside the composed path."""
    got = fused(name)(*dressed(args), **keywords)
    high = [a if a.dtype.kind in "iu" else a.astype(np.float64) for a in args]
    close(name, got, declared(name)(*high, **keywords), kind)
    other = backend.get("cupy").composed(table[name])(*dressed(args), **keywords)
    close(name, got, other, kind)
    for a, b in zip(together(got), together(other), strict=True):
        assert a.dtype == b.dtype
    return got


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (4,), (1027,), (5, 7), (8, 4)])
def test_dropout_draws_what_the_generator_draws(fake: Any, kind: str, shape: Any) -> None:
    x = (np.random.default_rng(0).normal(size=shape) + 3).astype(KINDS[kind])
    for array in (*dressed([x]), dressed([np.asfortranarray(x)])[0], *dressed([np.repeat(x, 2)])):
        for p in (0.0, 0.25, 0.9):
            got = fused("dropout")(array, p=p, key=(2**63 + 5, 2**40 + 1))
            kept = fake.generator().keep_mask((2**63 + 5, 2**40 + 1), array.shape, 1 - p)
            assert np.array_equal(np.asarray(got) != 0, np.asarray(kept))
            want = np.where(kept, np.asarray(array, np.float64) / (1 - p), 0)
            close("dropout", got, want, kind)
    view = dressed([np.repeat(x, 2)])[0][1:]  # its memory starts between two packs
    got = fused("dropout")(view, p=0.5, key=(1, 2))
    assert np.array_equal(got, fused("dropout")(view.copy(), p=0.5, key=(1, 2)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [1, 7, 8, 1300])
def test_embedding(fake: Any, kind: str, width: int) -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(11, width)).astype(KINDS[kind])
    for dtype in (np.int64, np.int32):
        indices = rng.integers(0, 11, (3, 9)).astype(dtype)
        beside("embedding", kind, weight, indices)
        g = rng.normal(size=(3, 9, width)).astype(KINDS[kind])
        beside("embedding_backward", kind, g, indices, shape=(11, width))
        got = beside("embedding_backward", kind, g, indices, shape=(11, width), padding_idx=-3)
        assert (not np.asarray(got)[8].any() and np.asarray(got)[indices[0, 0]].any()) or (
            indices[0, 0] == 8
        )


def test_embeddings_sums_in_order_where_that_is_asked_for(fake: Any) -> None:
    g, indices = dressed([np.ones((2, 3)), np.array([1, 1])])
    ad.use_deterministic_algorithms(True)
    try:
        with pytest.raises(AssertionError, match="left to the composed path"):
            fused("embedding_backward")(g, indices, shape=(4, 3))
        out = fake.kernels["embedding_backward"](g, indices, shape=(4, 3))
    finally:
        ad.use_deterministic_algorithms(False)
    assert out.tolist() == fused("embedding_backward")(g, indices, shape=(4, 3)).tolist()


def test_gradients_of_rows_that_are_not_there_are_dropped(fake: Any) -> None:
    g = np.ones((4, 3))
    got = fused("embedding_backward")(*dressed([g, np.array([-1, 1, 4, 2**40])]), shape=(4, 3))
    assert got.tolist() == [[0.0] * 3, [1.0] * 3, [0.0] * 3, [0.0] * 3]


@pytest.mark.parametrize("wrong", [-1, 4, 2**40])
def test_an_index_that_is_no_row_is_refused(fake: Any, wrong: int) -> None:
    weight = ad.ones(4, 3, device="cuda")
    with pytest.raises(IndexError, match=rf"rows 0 to 3, and an index is {wrong} \(at"):
        F.embedding(ad.tensor([0, wrong], device="cuda"), weight).sum().item()


WINDOWS = [
    ((5,), {"kernel": (3,), "stride": (2,), "padding": (1,)}),
    ((9, 7), {"kernel": (3, 2), "stride": (2, 3), "padding": (1, 0)}),
    ((8, 8), {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0)}),
    ((7, 8), {"kernel": (3, 3), "stride": (2, 2), "padding": (0, 1), "ceil_mode": True}),
    ((4, 5, 6), {"kernel": (2, 3, 2), "stride": (1, 2, 2), "padding": (1, 1, 0)}),
    ((40, 33), {"kernel": (17, 16), "stride": (3, 5), "padding": (8, 2)}),  # 272 places
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("spatial", "windows"), WINDOWS)
def test_pools(fake: Any, kind: str, spatial: Any, windows: Any) -> None:
    rng = np.random.default_rng(0)
    x = rng.permutation(6 * int(np.prod(spatial))).reshape(2, 3, *spatial) / 64 - 5
    x = x.astype(KINDS[kind])
    ones = (1,) * len(spatial)
    rest = {k: windows[k] for k in ("kernel", "stride", "padding")}
    for dilation in (ones, (2,) * len(spatial) if max(windows["kernel"]) < 4 else ones):
        out, chosen = beside("max_pool", kind, x, dilation=dilation, **windows)
        g = rng.normal(size=out.shape).astype(KINDS[kind])
        beside(
            "max_pool_backward", kind, g, np.asarray(chosen), shape=x.shape, dilation=dilation,
            **rest,
        )  # fmt: skip
    for count_pad, divisor in ((True, None), (False, None), (True, 3)):
        means = {"count_pad": count_pad, "divisor": divisor}
        out = beside("avg_pool", kind, x, **windows, **means)
        g = rng.normal(size=out.shape).astype(KINDS[kind])
        means["ceil_mode"] = windows.get("ceil_mode", False)
        beside("avg_pool_backward", kind, g, shape=x.shape, **rest, **means)


def test_the_largest_of_what_is_not_finite(fake: Any) -> None:
    x = np.full((1, 1, 6, 6), -np.inf)
    x[..., 2, 2] = np.nan
    x[..., 4:, :] = np.inf
    windows = {"kernel": (3, 3), "stride": (2, 2), "padding": (1, 1), "dilation": (1, 1)}
    got = fused("max_pool")(*dressed([x]), **windows)
    for a, b in zip(got, declared("max_pool")(x, **windows), strict=True):
        np.testing.assert_array_equal(np.asarray(a), b)


@pytest.mark.parametrize("kind", KINDS)
def test_activations(fake: Any, kind: str) -> None:
    rng = np.random.default_rng(0)
    x, g = (rng.normal(size=(33, 65)).astype(KINDS[kind]) * 2 for _ in range(2))
    for name in ("gelu", "silu", "sigmoid", "erf"):
        for keywords in ({}, {"approximate": "tanh"}) if name == "gelu" else ({},):
            beside(name, kind, x.astype(KINDS[kind]), **keywords)
            if name != "erf":
                beside(f"{name}_backward", kind, g.astype(KINDS[kind]), x, **keywords)
    beside("threshold_backward", kind, g.astype(KINDS[kind]), np.maximum(x, 0))


def test_pooling_and_embedding_in_programs(fake: Any) -> None:
    """Their gradients are those of the CPU, where nothing is fused."""
    rng = np.random.default_rng(0)
    picture, table_ = rng.normal(size=(2, 3, 8, 8)), rng.normal(size=(5, 4))
    found = []
    for device in ("cuda", "cpu"):
        x = ad.tensor(picture, device=device, requires_grad=True)
        w = ad.tensor(table_, device=device, requires_grad=True)
        y = F.avg_pool2d(F.max_pool2d(x, 3, 2, 1), 2, ceil_mode=True, count_include_pad=False)
        z = F.embedding(ad.tensor([[1, 4], [1, 0]], device=device), w, padding_idx=0)
        ((y**2).sum() + (z**3).sum()).backward()
        found.append([x.grad.cpu().numpy(), w.grad.cpu().numpy()])
    for a, b in itertools.zip_longest(*found):
        np.testing.assert_allclose(a, b, rtol=1e-12)
