"""NumPy's convolutions by moves of the image give what is declared, and are those called."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_checks import check, made

from anadrome.backends.numpy.kernels import KERNELS, bands, depthwise, runs
from anadrome.op import table


@pytest.fixture(scope="module", autouse=True)
def small_images_too() -> Iterator[None]:
    """They are otherwise taken together."""
    before = runs._AREA, runs._WASTE
    runs._AREA, runs._WASTE = 0, 1e9
    yield
    runs._AREA, runs._WASTE = before


@st.composite
def geometries(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """The shapes of input and weight, and how they meet: each channel alone, or no strides."""
    n, groups, each, dims = (draw(st.integers(1, 3)) for _ in range(4))
    alone = draw(st.booleans())
    within = 1 if alone else draw(st.integers(1, 3))
    kernel = draw(st.tuples(*[st.integers(1, 3)] * dims))
    how = {
        "stride": draw(st.tuples(*[st.integers(1, 2)] * dims)) if alone else (1,) * dims,
        "padding": draw(st.tuples(*[st.integers(0, 2)] * dims)),
        "dilation": draw(st.tuples(*[st.integers(1, 2)] * dims)),
        "groups": groups,
    }
    least = [d * (k - 1) + 1 for d, k in zip(how["dilation"], kernel)]
    spatial = [m + draw(st.integers(0, 6)) for m in least]
    return (n, groups * within, *spatial), (groups * each, within, *kernel), how


@settings(max_examples=120, deadline=None)
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


@pytest.mark.parametrize(("module", "groups"), [(depthwise, 3), (runs, 1)])
def test_they_are_called(module: Any, groups: int, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    for name in ("forward", "of_weight", "of_input"):
        real = getattr(module, name)
        record = functools.partial(lambda n, r, *a, **k: called.append(n) or r(*a, **k), name, real)
        monkeypatch.setattr(module, name, record)
    x, w = np.ones((2, 3, 5, 5)), np.ones((6, 3 // groups, 2, 2))
    how = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": groups}
    g = KERNELS["convolution"](x, w, **how)
    KERNELS["conv_weight"](g, x, shape=w.shape, **how)
    KERNELS["conv_input"](g, w, shape=x.shape, **how)
    assert called == ["forward", "of_weight", "of_input"]


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 1, 1), (2, 0, 1), (1, 2, 2)])
def test_rows_of_channels_alone_are_multiplied(
    dims: int, stride: int, padding: int, dilation: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    for name in ("forward", "of_input"):
        real = getattr(bands, name)
        record = functools.partial(lambda n, r, *a: calls.append(n) or r(*a), name, real)
        monkeypatch.setattr(bands, name, record)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, *(9, 11, 12)[-dims:]))
    w = rng.standard_normal((6, 1, *(2, 3, 3)[-dims:]))
    how = {
        "stride": (stride,) * dims,
        "padding": (padding,) * dims,
        "dilation": (dilation,) * dims,
        "groups": 3,
    }
    bias = rng.standard_normal(6)
    g = rng.standard_normal(table["convolution"].forward(np, x, w, **how).shape)
    check("convolution", x, w, bias, **how, tolerance=40)
    check("conv_input", g, w, shape=x.shape, **how, tolerance=40)
    assert calls == ["forward", "of_input"]
    # An infinity meets zeros of the band matrix, which are none of the kernel's.
    x[0, 1, ..., 4] = g[1, 0, ..., 1] = np.inf
    check("convolution", x, w, **how, tolerance=40)
    check("conv_input", g, w, shape=x.shape, **how, tolerance=40)
    assert len(calls) == 2


@pytest.mark.parametrize("groups", [1, 2])
def test_an_infinity_reaches_only_what_it_meets(groups: int) -> None:
    """The runs meet zeros that are not there; times infinity they would be NaN."""
    how = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": groups}
    x, w, g = np.ones((1, 2, 4, 4)), np.ones((2, 2 // groups, 2, 2)), np.ones((1, 2, 3, 3))
    x[0, 0, 0, 3] = w[1, 0, 0, 0] = np.inf
    for name, *args, shape in (("conv_weight", g, x, w.shape), ("conv_input", g, w, x.shape)):
        found = KERNELS[name](*args, shape=shape, **how)
        np.testing.assert_array_equal(found, table[name].forward(np, *args, shape=shape, **how))
        assert np.isinf(found).any()
        assert not np.isnan(found).any()
