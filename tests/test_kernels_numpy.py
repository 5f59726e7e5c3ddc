"""The NumPy backend's kernels give what is declared: values, sums, masks, for every array."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from kernel_checks import DTYPES, KERNELS, LAYOUTS, SHAPES, check, made

import anadrome as ad
from anadrome.op import table
from anadrome.samples import Arr

SAMPLED = [(name, i) for name in KERNELS for i, _ in enumerate(table[name].samples or ())]


@pytest.mark.parametrize(("name", "number"), SAMPLED, ids=lambda v: str(v))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_kernel_on_its_ops_samples(name: str, number: int, dtype: str) -> None:
    rng = np.random.default_rng(number)
    sample = table[name].samples[number]

    def argument(a: Any) -> Any:
        if not isinstance(a, Arr):
            return a
        if a.kind == "bool":
            return np.asarray(rng.random(a.shape) < 0.5)
        if a.kind == "int":
            return rng.integers(int(a.low), int(a.high), a.shape)
        if a.distinct:
            return rng.permutation(math.prod(a.shape)).reshape(a.shape).astype(dtype)
        real = np.asarray(rng.uniform(a.low, a.high, a.shape), dtype)
        return real * (1 - 0.5j) if a.kind == "complex" else real

    check(name, *map(argument, sample.args), tolerance=4, **sample.keywords)


ELEMENTWISE = ("erf", "gelu", "sigmoid", "silu", "relu", "tanh", "exp", "neg")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ELEMENTWISE), SHAPES, DTYPES, LAYOUTS, st.integers(0, 999))
@example("gelu", (200, 200), np.dtype(np.float32), "C", 0)
@example("relu", (40, 50), np.dtype(np.float32), "C", 0)
@example("erf", (), np.dtype(np.float32), "C", 0)
@example("gelu", (), np.dtype(np.float32), "C", 0)
def test_elementwise(name: str, shape: Any, dtype: Any, layout: str, seed: int) -> None:
    x = made(np.random.default_rng(seed), shape, dtype, layout if shape else "C", "nan inf -inf")
    check(name, x, tolerance=2)


@settings(max_examples=50, deadline=None)
@given(SHAPES, DTYPES, LAYOUTS, LAYOUTS, st.integers(0, 999))
def test_backwards_of_elementwise(shape: Any, dtype: Any, a: str, b: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    g, x = made(rng, shape, dtype, a, "nan"), made(rng, shape, dtype, b, "nan")
    check("gelu_backward", g, x, tolerance=2)
    check("gelu_backward", g, x, approximate="tanh", tolerance=2)
    check("silu_backward", g, x, tolerance=2)
    check("sigmoid_backward", g, x)
    check("tanh_backward", g, x)
    check("threshold_backward", made(rng, shape, dtype, a, "nan inf"), x)
    zeros = np.where(x < 0, np.zeros((), dtype), x)
    check("threshold_backward", made(rng, shape, dtype, a, "nan inf"), zeros)


def test_error_function_is_accurate_over_all_floats() -> None:
    """Against Python's own, in units in the last place."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 200_000, dtype=np.uint64).astype(np.uint32)
    near = rng.uniform(-6, 6, 100_000).astype(np.float32)
    x = np.concatenate([bits.view(np.float32), near])
    x = x[np.isfinite(x)]
    want = np.array([math.erf(v) for v in x.tolist()])
    got = KERNELS["erf"](x)
    tiny = np.abs(want) < 2.0**-120  # a denormal has fewer digits
    ulps = np.abs(got - want) / np.spacing(np.abs(want).astype(np.float32))
    assert ulps[~tiny].max() < 8
    assert np.all(got[np.abs(x) > 4] == np.sign(x[np.abs(x) > 4]))


def test_gelu_has_exact_tails_and_a_good_middle() -> None:
    x = np.linspace(-12, 12, 100_001).astype(np.float32)
    cdf = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x.tolist()])
    density = np.exp(-(x.astype(float) ** 2) / 2) / math.sqrt(2 * math.pi)
    assert np.abs(KERNELS["gelu"](x) - x * cdf).max() < 1.2e-6  # two units in the last place of 5
    slope = KERNELS["gelu_backward"](np.ones_like(x), x)
    assert np.abs(slope - (cdf + x * density)).max() < 4e-7
    far = np.array([-1e30, -100, 100, 1e30] * 20, np.float32)
    assert np.array_equal(KERNELS["gelu"](far), np.maximum(far, 0))
    assert np.array_equal(KERNELS["gelu_backward"](far, far), np.maximum(far, 0))


@settings(max_examples=50, deadline=None)
@given(SHAPES, DTYPES, LAYOUTS, st.sampled_from([0, -1]), st.integers(0, 999))
def test_softmax(shape: Any, dtype: Any, layout: str, dim: int, seed: int) -> None:
    if shape[dim] == 0:
        return
    rng = np.random.default_rng(seed)
    x, g = made(rng, shape, dtype, layout, "-inf"), made(rng, shape, dtype, layout, "nan")
    check("softmax", x, dim=dim)
    check("log_softmax", made(rng, shape, dtype, layout, "nan"), dim=dim)
    check("softmax_backward", g, np.abs(made(rng, shape, dtype)), dim=dim, tolerance=4)


def test_softmax_of_a_fully_masked_row_is_nan_as_in_pytorch() -> None:
    x = np.full((2, 3), -np.inf, np.float32)
    assert np.isnan(KERNELS["softmax"](x, dim=-1)).all()


@settings(max_examples=60, deadline=None)
@given(SHAPES, DTYPES, LAYOUTS, st.booleans(), st.integers(0, 999), st.data())
def test_sums(shape: Any, dtype: Any, layout: str, keepdim: bool, seed: int, data: Any) -> None:
    x = made(np.random.default_rng(seed), shape, dtype, layout, "nan inf")
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True, max_size=len(shape)))
    dim = data.draw(st.sampled_from([None, tuple(axes) or None, -1, 0]))
    if dim is not None and not isinstance(dim, int):
        dim = tuple(a - len(shape) * data.draw(st.booleans()) for a in dim)
    check("sum", x, dim=dim, keepdim=keepdim, tolerance=4)
    if x.size:
        check("mean", x, dim=dim, keepdim=keepdim, tolerance=4)
    lead = data.draw(st.integers(0, len(shape)))
    check("sum_to_size", x, size=shape[lead:], tolerance=4)
    kept = tuple(n if data.draw(st.booleans()) else 1 for n in shape)
    check("sum_to_size", x, size=kept, tolerance=4)
    check("sum_to_size", x, size=kept[1:], tolerance=4)


@pytest.mark.parametrize("dim", [0, 1, 2, (0, 1), (0, 2), (1, 2), (2, 1), (1, 0), (0, 1, 2)])
@pytest.mark.parametrize("keepdim", [False, True])
def test_sums_over_any_dimensions_of_a_larger_array(dim: Any, keepdim: bool) -> None:
    x = made(np.random.default_rng(0), (6, 7, 50), np.float32)
    check("sum", x, dim=dim, keepdim=keepdim, tolerance=4)


def test_sums_of_integers_and_their_errors_are_the_declarations() -> None:
    assert KERNELS["sum"](np.array([[200, 100]], np.uint8)) == 300
    assert KERNELS["sum"](np.array([True, True])).dtype == np.int64
    with pytest.raises(IndexError, match="out of (range|bounds)"):
        ad.ones(2, 3).sum(5)
    with pytest.raises(IndexError, match="Dimension out of range"):
        ad.tensor(1.0).sum(2)


def test_long_sums_keep_their_digits() -> None:
    x = np.full((100_000, 3), 0.1, np.float32)
    for dim in (None, 0):
        exact = x.astype(np.float64).sum(axis=dim)
        assert np.allclose(KERNELS["mean"](x, dim=dim), exact / (x.size / exact.size), rtol=2e-3)
    assert abs(float(KERNELS["sum"](x)) - 30_000) < 0.1


@settings(max_examples=40, deadline=None)
@given(SHAPES, DTYPES, LAYOUTS, st.booleans(), st.integers(0, 999))
def test_masks(shape: Any, dtype: Any, layout: str, low: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = made(rng, shape, dtype, layout, "nan inf"), made(rng, shape, dtype, "C", "nan")
    mask = rng.random(shape[-1:] if low else shape) < 0.5
    for value in (0, -1.5, -math.inf):
        want = np.where(mask, np.asarray(value, dtype), x)
        got = KERNELS["masked_fill"](x, mask, value=value)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got.astype(float), want.astype(float))
    for a, b in ((x, 0.0), (0.0, x), (x, y)):
        want = np.where(mask, np.asarray(a, dtype), np.asarray(b, dtype))
        got = KERNELS["where"](mask, a, b)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got.astype(float), want.astype(float))
