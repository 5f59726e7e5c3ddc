"""NumPy's kernels for pools of largest values: those of the declaration, position by position."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_checks import KERNELS, LAYOUTS, made

from anadrome.backends.numpy import parallel
from anadrome.backends.numpy.kernels import pool
from anadrome.op import table


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 3), st.sampled_from([np.float32, np.float64]), LAYOUTS, st.booleans(),
    st.sampled_from(["", "nan", "inf -inf"]), st.data(),
)  # fmt: skip
def test_largest_values_and_the_way_back(
    dims: int, dtype: Any, layout: str, threads: bool, special: str, data: Any
) -> None:
    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(low, high)) for _ in range(dims))

    kernel, stride, dilation = each(1, 3), each(1, 4), each(1, 2)
    padding = tuple(data.draw(st.integers(0, (d * (k - 1) + 1) // 2))
                    for k, d in zip(kernel, dilation))  # fmt: skip
    spatial = tuple(d * (k - 1) + 1 + data.draw(st.integers(0, 4))
                    for k, d in zip(kernel, dilation))  # fmt: skip
    how = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": dilation}
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x = made(rng, (2, 3, *spatial), dtype, layout, special)
    x = np.round(x) if data.draw(st.booleans()) else x  # equals in a window
    kept = np.array(x)
    before = pool._SMALL, pool._PIECE, parallel.LARGE, parallel.threads
    pool._SMALL, pool._PIECE = 0, 16
    if threads:
        parallel.LARGE, parallel.threads = 1, 3
    try:
        ceil = data.draw(st.booleans())
        values, chosen = KERNELS["max_pool"](x, **how, ceil_mode=ceil)
        wanted = table["max_pool"].forward(np, x, **how, ceil_mode=ceil)
        np.testing.assert_array_equal(values, wanted[0])
        np.testing.assert_array_equal(chosen, wanted[1])
        assert values.dtype == dtype and chosen.dtype == np.uint8
        g = made(rng, values.shape, dtype, layout)
        back = KERNELS["max_pool_backward"](g, chosen, shape=x.shape, **how)
        want = table["max_pool_backward"].forward(np, g, chosen, shape=x.shape, **how)
        np.testing.assert_allclose(back, want, rtol=1e-6)
        np.testing.assert_array_equal(x, kept)
    finally:
        pool._SMALL, pool._PIECE, parallel.LARGE, parallel.threads = before


@pytest.mark.parametrize("name", ["float16", "int64", "int32"])
def test_other_types_are_left_to_the_declaration(name: str) -> None:
    x = np.random.default_rng(0).integers(-9, 9, (2, 4, 20, 20)).astype(name)
    how = {"kernel": (2, 2), "stride": (2, 2), "padding": (1, 1), "dilation": (1, 1)}
    values, _ = KERNELS["max_pool"](x, **how)
    wanted, _ = table["max_pool"].forward(np, x.astype(np.float64), **how)
    assert values.dtype == x.dtype
    np.testing.assert_array_equal(values, wanted)


def test_windows_of_more_than_a_byte_counts() -> None:
    x = np.random.default_rng(0).normal(size=(1, 2, 30, 30))
    how = {"kernel": (20, 20), "stride": (3, 3), "padding": (0, 0), "dilation": (1, 1)}
    values, chosen = KERNELS["max_pool"](x, **how)
    assert chosen.dtype == np.int32 and chosen.max() > 255
    np.testing.assert_array_equal(values[0, 0, 0, 0], x[0, 0, :20, :20].max())
    back = KERNELS["max_pool_backward"](values * 0 + 1, chosen, shape=x.shape, **how)
    assert back.sum() == values.size
