"""The NumPy backend's kernels give what is declared: products, norms, losses, rows, images."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_checks import BF16, DTYPES, KERNELS, LAYOUTS, NUMPY, SHAPES, TOLERANCE, check, made

from anadrome.backends.numpy.kernels import moves
from anadrome.op import table


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(1, 300), DTYPES, LAYOUTS, LAYOUTS, st.integers(0, 999))
def test_products(n: int, k: int, dtype: Any, la: str, lb: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, bias = made(rng, (n, k), dtype, la), made(rng, (k, 7), dtype, lb), made(rng, (7,), dtype)
    loose = 4.0 * math.sqrt(k)
    check("mm", a, b, tolerance=loose)
    check("addmm", bias, a, b, tolerance=loose)
    check("addmm", bias, a, b, beta=0.5, alpha=2.0, tolerance=loose)
    check("mv", a, b[:, 0], tolerance=loose)
    weight = b.T
    check("linear", a, weight, bias, tolerance=loose)
    check("linear", a, weight, None, tolerance=loose)
    check("linear", a.reshape(n, 1, k), weight, bias, tolerance=loose)
    check("linear", made(rng, (k,), dtype), weight, bias, tolerance=loose)
    stack = np.broadcast_to(a, (3, n, k))
    check("matmul", stack, b, tolerance=loose)
    check("bmm", stack, np.broadcast_to(b, (3, k, 7)), tolerance=loose)


def test_half_precision_products_are_summed_in_float32() -> None:
    """Summed in float16, 4,096 ones would stick at 2,048."""
    ones = np.ones((1, 4096), np.float16)
    for name in ("mm", "matmul"):
        assert KERNELS[name](ones, ones.T)[0, 0] == 4096
        assert KERNELS[name](ones.astype(BF16), ones.T.astype(BF16))[0, 0] == 4096
    assert KERNELS["sum"](ones.astype(BF16)) == 4096
    total = np.zeros((2, 1), np.float16)
    NUMPY.scatter_add(total, (np.zeros(4096, np.int64),), ones.T)
    assert total[0, 0] == 4096


@settings(max_examples=40, deadline=None)
@given(SHAPES, DTYPES, LAYOUTS, st.booleans(), st.integers(0, 999))
def test_layer_norm(shape: Any, dtype: Any, layout: str, affine: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = made(rng, shape, dtype, layout)
    for dims in range(1, len(shape) + 1):
        inner = shape[len(shape) - dims :]
        if 0 in inner:
            continue
        weight, bias = (made(rng, inner, dtype) if affine else None for _ in range(2))
        check("layer_norm", x, weight, bias, dims=dims, eps=1e-3, tolerance=20)
        axes = tuple(range(-dims, 0))
        kept = (*shape[: len(shape) - dims], *(1,) * dims)
        scale = np.abs(made(rng, kept, dtype))
        normal, grad = made(rng, shape, dtype), made(rng, shape, dtype, layout, "nan")
        check("standardise_backward", grad, normal, scale, axes=axes, tolerance=20)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([(4, 3), (5, 2, 7), (6, 3, 4, 4), (20, 8, 10, 10)]), DTYPES, LAYOUTS,
       st.booleans(), st.integers(0, 999))  # fmt: skip
def test_batch_norm(shape: Any, dtype: Any, layout: str, affine: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = made(rng, shape, dtype, layout)
    weight, bias = (made(rng, shape[1:2], dtype) if affine else None for _ in range(2))
    check("batch_norm", x, weight, bias, eps=1e-3, tolerance=20)
    axes = (0, *range(2, len(shape)))
    scale = np.abs(made(rng, [1 if i in axes else n for i, n in enumerate(shape)], dtype))
    normal, grad = made(rng, shape, dtype), made(rng, shape, dtype, layout)
    check("standardise_backward", grad, normal, scale, axes=axes, tolerance=20)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(2, 40), DTYPES, LAYOUTS,
       st.sampled_from(["none", "mean", "sum"]), st.sampled_from([-100, 1]), st.booleans(),
       st.integers(0, 999))  # fmt: skip
def test_cross_entropy(
    n: int, c: int, dtype: Any, layout: str, reduction: str, ignore: int, weighted: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, target = made(rng, (n, c), dtype, layout), rng.integers(0, c, n)
    target[1::3] = ignore
    target[0] = 0  # one row at least counts
    weight = np.abs(made(rng, (c,), dtype)) + np.asarray(1, dtype) if weighted else None
    how = {"ignore_index": ignore, "reduction": reduction}
    check("cross_entropy", x, target, weight, tolerance=8, **how)
    grad = made(rng, (n,) if reduction == "none" else (), dtype)
    log_probs = -np.abs(made(rng, (n, c), dtype))
    check("cross_entropy_backward", grad, log_probs, target, weight, tolerance=8, **how)


def test_a_class_out_of_range_is_named() -> None:
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        KERNELS["cross_entropy"](
            np.zeros((2, 3), np.float32), np.array([0, 3]), ignore_index=-100, reduction="mean"
        )


@settings(max_examples=20, deadline=None)
@given(SHAPES, DTYPES, LAYOUTS, st.sampled_from(["none", "mean", "sum"]), st.integers(0, 999))
def test_mse(shape: Any, dtype: Any, layout: str, reduction: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = made(rng, shape, dtype, layout), made(rng, shape, dtype)
    if x.size:
        check("mse_loss", x, y, reduction=reduction, tolerance=4)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(0, 50), DTYPES, st.sampled_from([None, 0]),
       st.integers(0, 999))  # fmt: skip
def test_embedding(rows: int, n: int, dtype: Any, padding: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight, g = made(rng, (rows, 5), dtype), made(rng, (2, n, 5), dtype)
    index = rng.integers(0, rows, (2, n))
    check("embedding", weight, index, padding_idx=padding)
    got = KERNELS["embedding_backward"](g, index, shape=(rows, 5), padding_idx=padding)
    want = np.zeros((rows, 5))
    for i, row in zip(index.reshape(-1), g.reshape(-1, 5).astype(np.float64)):
        if i != padding:
            want[i] += row
    bound = TOLERANCE[dtype] * 4
    np.testing.assert_allclose(np.asarray(got, np.float64), want, rtol=bound, atol=bound * 4)
    assert got.dtype == dtype


def test_an_infinite_gradient_stays_in_its_row_of_an_embedding() -> None:
    g = np.ones((2, 4), np.float32)
    g[1, 2] = np.inf
    got = KERNELS["embedding_backward"](g, np.array([0, 3]), shape=(5, 4))
    assert np.isfinite(got[:3]).all() and np.isinf(got[3, 2]) and np.isfinite(got[4]).all()


@pytest.mark.parametrize("bad", [-1, 5])
def test_embedding_refuses_rows_that_are_not_there(bad: int) -> None:
    with pytest.raises(IndexError, match="out of range"):
        KERNELS["embedding"](np.zeros((5, 2), np.float32), np.array([0, bad]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), DTYPES, st.integers(1, 3), st.booleans())
def test_scatter_add_adds_each_occurrence(seed: int, dtype: Any, used: int, sliced: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = (4, 5, 3)
    index: Any = tuple(rng.integers(-n, n, (6, 1) if i else (1, 7)) for i, n in
                       enumerate(shape[:used]))  # fmt: skip
    if sliced and used < 3:
        index = (*index, slice(0, 2))
    target = np.zeros(shape, dtype)
    source = made(rng, target[index].shape, dtype)
    want = np.zeros(shape)
    np.add.at(want, index, source.astype(np.float64))
    NUMPY.scatter_add(target, index, source)
    bound = TOLERANCE[dtype] * 8
    np.testing.assert_allclose(np.asarray(target, np.float64), want, rtol=bound, atol=bound)


@pytest.mark.parametrize("lead", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.complex64])
@pytest.mark.parametrize("rows", [7, 500, 5000])
def test_scatter_add_of_long_rows_adds_each_in_its_order(rows: int, dtype: Any, lead: bool) -> None:
    rng = np.random.default_rng(rows)
    index = np.minimum(rng.zipf(1.5, 1500), rows) - 1  # one row is most of it
    index[::3] -= rows
    source = (100 * rng.standard_normal((1500, 40))).astype(dtype)
    first = (slice(None),) if lead else ()
    target = np.zeros((2, rows, 40) if lead else (rows, 40), dtype)
    expected = target.copy()
    for i, row in zip(index, source):
        expected[(*first, i)] += row
    NUMPY.scatter_add(target, (*first, index), source)
    np.testing.assert_array_equal(target, expected)


def test_scatter_add_out_of_range_raises() -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        NUMPY.scatter_add(np.zeros((2, 3)), (np.array([2]), np.array([0])), np.ones(1))
    with pytest.raises(IndexError, match="out of bounds"):  # though row 0 goes on in row 1
        NUMPY.scatter_add(np.zeros((2, 3)), (np.array([0]), np.array([3])), np.ones(1))


def test_scatter_add_into_a_view_reaches_the_base() -> None:
    base = np.zeros((3, 4))
    NUMPY.scatter_add(base[:, ::2], (np.array([1, 1]),), np.ones((2, 2)))
    assert base.tolist() == [[0] * 4, [2, 0, 2, 0], [0] * 4]


@settings(max_examples=30, deadline=None)
@given(SHAPES, DTYPES, st.sampled_from([0.0, 0.3, 1.0]), st.booleans())
def test_dropout_draws_the_declared_mask(shape: Any, dtype: Any, p: float, rows: bool) -> None:
    x = made(np.random.default_rng(0), shape, dtype)
    of_mask = (*shape[:-1], 1) if rows else None
    got = KERNELS["dropout"](x, p=p, key=(3, 4), shape=of_mask)
    want = table["dropout"].forward(np, x.astype(np.float64), p=p, key=(3, 4), shape=of_mask)
    assert got.dtype == dtype
    bound = TOLERANCE[dtype] * 2
    np.testing.assert_allclose(np.asarray(got, np.float64), want, rtol=bound, atol=bound)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(1, 2), DTYPES, LAYOUTS, st.booleans(), st.data())
def test_convolution_and_its_gradients(
    dims: int, groups: int, dtype: Any, layout: str, large: bool, data: Any
) -> None:
    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(dims))

    kernel, stride, padding, dilation = each(1, 3), each(1, 3), each(0, 2), each(1, 2)
    spatial = tuple(
        d * (k - 1) + 1 + data.draw(st.integers(0, 4)) for k, d in zip(kernel, dilation)
    )
    n, c, o = data.draw(st.integers(0, 3)), data.draw(st.integers(2, 5)), groups * 2
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    x = made(rng, (n, c * groups, *spatial), dtype, layout)
    w = made(rng, (o, c, *kernel), dtype, layout)
    bias = made(rng, (o,), dtype)
    whole = KERNELS["convolution"]
    before = moves._MATRIX
    moves._MATRIX = before if large else 16  # else each image is a matrix of its own
    try:
        check("convolution", x, w, tolerance=20, **how)
        check("convolution", x, w, bias, tolerance=20, **how)
        g = made(rng, whole(x, w, **how).shape, dtype, layout)
        check("conv_input", g, w, shape=x.shape, tolerance=20, **how)
        check("conv_weight", g, x, shape=w.shape, tolerance=20, **how)
    finally:
        moves._MATRIX = before
