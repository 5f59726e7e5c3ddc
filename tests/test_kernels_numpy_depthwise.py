"""NumPy's convolution of each channel for itself gives what is declared, and is the one called."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_checks import check, made

from anadrome.backends.numpy.kernels import KERNELS, depthwise
from anadrome.op import table

SIZES = st.tuples(st.integers(1, 3), st.integers(2, 6), st.integers(1, 3))


@st.composite
def geometries(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """The shapes of input and weight, and how they meet."""
    n, channels, each = draw(SIZES)
    dims = draw(st.integers(1, 3))
    kernel = draw(st.tuples(*[st.integers(1, 3)] * dims))
    how = {
        "stride": draw(st.tuples(*[st.integers(1, 2)] * dims)),
        "padding": draw(st.tuples(*[st.integers(0, 2)] * dims)),
        "dilation": draw(st.tuples(*[st.integers(1, 2)] * dims)),
        "groups": channels,
    }
    least = [d * (k - 1) + 1 for d, k in zip(how["dilation"], kernel)]
    spatial = [m + draw(st.integers(0, 6)) for m in least]
    return (n, channels, *spatial), (channels * each, 1, *kernel), how


@settings(max_examples=60, deadline=None)
@given(geometries(), st.sampled_from([np.float32, np.float64]), st.integers(0, 999))
def test_as_declared(geometry: Any, dtype: Any, seed: int) -> None:
    x_shape, w_shape, how = geometry
    rng = np.random.default_rng(seed)
    x, w = made(rng, x_shape, dtype), made(rng, w_shape, dtype, "F")
    bias = made(rng, w_shape[:1], dtype)
    g = made(rng, table["convolution"].forward(np, x, w, **how).shape, dtype)
    check("convolution", x, w, **how, tolerance=40)
    check("convolution", x, w, bias, **how, tolerance=40)
    check("conv_weight", g, x, shape=w_shape, **how, tolerance=200)
    check("conv_input", g, w, shape=x_shape, **how, tolerance=40)
    check("conv_input", g, w, made(rng, x_shape[1:2], dtype), shape=x_shape, **how, tolerance=40)


@pytest.mark.parametrize("name", ["forward", "of_weight", "of_input"])
def test_it_is_called(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    real = getattr(depthwise, name)
    monkeypatch.setattr(depthwise, name, lambda *a: called.append(name) or real(*a))
    x, w = np.ones((2, 3, 5, 5)), np.ones((6, 1, 2, 2))
    how = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 3}
    g = KERNELS["convolution"](x, w, **how)
    KERNELS["conv_weight"](g, x, shape=w.shape, **how)
    KERNELS["conv_input"](g, w, shape=x.shape, **how)
    assert called == [name]


def test_an_infinity_reaches_only_what_it_meets() -> None:
    """The runs meet zeros that are not there; times infinity they would be NaN."""
    how = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 2}
    x, w = np.ones((1, 2, 4, 4)), np.ones((2, 1, 2, 2))
    g = np.ones((1, 2, 3, 3))
    x[0, 0, 0, 3] = w[1, 0, 0, 0] = np.inf
    for name, *args, shape in (("conv_weight", g, x, w.shape), ("conv_input", g, w, x.shape)):
        found = KERNELS[name](*args, shape=shape, **how)
        np.testing.assert_array_equal(found, table[name].forward(np, *args, shape=shape, **how))
        assert np.isinf(found).any()
        assert not np.isnan(found).any()
