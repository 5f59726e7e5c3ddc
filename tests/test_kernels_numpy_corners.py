"""NumPy's kernels of corners, running values and places give what is declared."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_checks import DTYPES, KERNELS, LAYOUTS, check, made

from anadrome.backends.numpy import namespace
from anadrome.op import table

SHAPES = st.sampled_from([(40, 50), (2, 17, 130), (70, 300), (3, 0), (5,), (2000,)])
SPECIAL = st.sampled_from(["", "nan", "inf -inf", "0.5 -1"])


@settings(max_examples=60, deadline=None)
@given(SHAPES, DTYPES, LAYOUTS, SPECIAL, st.integers(0, 999))
def test_activations(shape: Any, dtype: Any, layout: str, special: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, g = made(rng, shape, dtype, layout, special), made(rng, shape, dtype)
    for slope in (0.01, 0.0, -0.5, 1.5):
        check("leaky_relu", x, negative_slope=slope)
    check("elu", x, tolerance=4)
    check("elu", x, alpha=0.7, scale=1.5, input_scale=0.4, tolerance=4)
    for how in (
        {"high": 0.0, "inner": 0.25},
        {"low": -1.0, "high": 0.5, "inner": 1.0, "outer": 0.0, "open": True},
        {"low": -1.0, "high": 0.5},
    ):
        check("pieces_backward", g, x, **how)
    check("pieces_backward", g, x, low=0.0, inner=1.0, outer=0.01, open=True)
    for how in ({}, {"alpha": 0.7, "scale": 1.5, "input_scale": 0.4}, {"alpha": 2.0}):
        check("elu_backward", g, x, tolerance=4, **how)
    for how in ({}, {"beta": 2.0}, {"threshold": 0.5}, {"beta": 0.5, "threshold": 0.25}):
        check("softplus", 9 * x, tolerance=4, **how)
        check("softplus_backward", g, 9 * x, tolerance=4, **how)
    check("hardswish", 3 * x)
    check("hardswish_backward", g, 3 * x)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([(40, 50), (3, 70, 4), (2, 300), (200, 2), (6, 0), (1, 9)]), DTYPES,
       SPECIAL, st.integers(0, 999))  # fmt: skip
def test_running_values(shape: Any, dtype: Any, special: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = made(rng, shape, dtype, "C", special)
    whole = rng.integers(-3, 3, shape)
    for dim in range(-len(shape), len(shape)):
        if shape[dim]:
            for name in ("cummax", "cummin"):
                check(name, x, dim=dim)
                check(name, whole, dim=dim)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(40, 50), (3, 70, 4), (2, 300), (200, 2), (6, 0), (1, 9)])
def test_linear_recurrences(shape: Any, dtype: str) -> None:
    rng = np.random.default_rng(0)
    a, b = made(rng, shape, dtype) / 2, made(rng, shape, dtype)
    for dim in range(-len(shape), len(shape)):
        check("linear_scan", a, b, dim=dim, tolerance=20)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([(2, 3, 15, 16), (1, 4, 400), (2, 2, 7, 8, 9), (1, 1, 40, 40)]),
    st.integers(1, 5), DTYPES, LAYOUTS, SPECIAL, st.integers(0, 999),
)  # fmt: skip
def test_adaptive_maxima(
    shape: Any, size: int, dtype: Any, layout: str, special: str, seed: int
) -> None:
    x = made(np.random.default_rng(seed), shape, dtype, layout, special)
    check("adaptive_max_pool", x, size=(size, size + 1, 2)[: x.ndim - 2])


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_index_copy_keeps_the_last(dim: int) -> None:
    x, source = np.zeros((4, 4)), np.arange(12.0).reshape((3, 4) if dim == 0 else (4, 3))
    check("index_copy", x, np.array([2, 2, 0]), source, dim=dim)


def test_index_copy_refuses_what_is_not_there() -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        KERNELS["index_copy"](np.zeros((4, 2)), np.array([4]), np.ones((1, 2)), dim=0)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("ignored", [-100, 1])
def test_the_gradient_of_nll(reduction: str, ignored: int) -> None:
    rng = np.random.default_rng(0)
    target = rng.integers(0, 5, 40)
    grad = rng.standard_normal(40) if reduction == "none" else np.asarray(0.7)
    how = {"ignore_index": ignored, "reduction": reduction, "shape": (40, 5)}
    check("nll_backward", grad, target, None, None, **how)
    check("nll_backward", grad, target, rng.random(5), None, **how)


def test_the_common_case_is_not_left_to_the_declaration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the tests above compare a thing with itself."""
    x = np.random.default_rng(0).standard_normal((128, 64)).astype(np.float32)
    calls = {
        "leaky_relu": ((x,), {}),
        "elu": ((x,), {}),
        "elu_backward": ((x, x), {}),
        "softplus": ((x,), {}),
        "softplus_backward": ((x, x), {}),
        "hardswish": ((x,), {}),
        "hardswish_backward": ((x, x), {}),
        "pieces_backward": ((x, x), {"high": 0.0, "inner": 0.5}),
        "cummax": ((x,), {"dim": 1}),
        "linear_scan": ((x, x), {"dim": 1}),
        "adaptive_max_pool": ((x.reshape(2, 4, 32, 32),), {"size": (3, 3)}),
        "index_copy": ((x, np.arange(3), x[:3]), {"dim": 0}),
        "nll_backward": (
            (np.ones((), np.float32), np.zeros(128, np.int64)),
            {"shape": (128, 64), "ignore_index": -100, "reduction": "sum"},
        ),
    }
    for name, (args, keywords) in calls.items():
        module = __import__("sys").modules[KERNELS[name].__module__]
        monkeypatch.setattr(module, "declared", lambda op: pytest.fail(f"{op} was declared"))
        KERNELS[name](*args, **keywords)
        assert name in table


@settings(max_examples=40, deadline=None)
@given(SHAPES, st.sampled_from(["float32", "float64"]), LAYOUTS,
       st.sampled_from(["", "nan", "inf -inf", "0.0 -0.0"]),
       st.sampled_from([0, 1, 2, 3, 4, 7, 0.5, 1.5, -0.5, -1, -2, -3, 30.0]),
       st.integers(0, 999))  # fmt: skip
def test_powers(
    shape: Any, dtype: Any, layout: str, special: str, exponent: float, seed: int
) -> None:
    x = made(np.random.default_rng(seed), shape, dtype, layout, special)
    check("pow_number", x, exponent=exponent, tolerance=4)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([((40, 50), (50,)), ((30, 8, 6), (30, 1, 1)), ((3, 400), (3, 400)),
                        ((40, 50), ())]),
       DTYPES, SPECIAL, st.sampled_from([0.0, -0.0, 2.5, float("inf"), float("nan")]),
       st.integers(0, 999))  # fmt: skip
def test_where_by_bits(shapes: Any, dtype: Any, special: str, value: float, seed: int) -> None:
    """Every bit is that of ``np.where``, also of masks that are broadcast, and of zero's sign."""
    rng = np.random.default_rng(seed)
    x, y = made(rng, shapes[0], dtype, "C", special), made(rng, shapes[0], dtype)
    mask = np.asarray(rng.random(shapes[1]) < 0.5)
    number = np.asarray(value, dtype)
    for got, want in (
        (namespace.where(mask, x, y), np.where(mask, x, y)),
        (namespace.where(mask, x, value), np.where(mask, x, number)),
        (namespace.where(mask, value, x), np.where(mask, number, x)),
        (KERNELS["where"](mask, x, value), np.where(mask, x, number)),
    ):
        assert got.dtype == want.dtype and got.tobytes() == want.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["erfinv", "ndtri", "lgamma"])
@pytest.mark.parametrize("spread", [0.1, 0.99, 5.0])
def test_sides_computed_apart_are_those_of_few_values(name: str, spread: float, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x = np.append(rng.uniform(-spread, spread, 2997), [0.0, np.inf, np.nan] if spread > 1 else [])
    x = x.astype(dtype)
    function = functools.partial(table[name].forward, namespace)
    few = np.concatenate([function(x[i : i + 9]) for i in range(0, len(x), 9)])
    assert function(x).tobytes() == few.tobytes()
    assert function(x.reshape(-1, 3)).tobytes() == few.tobytes()
