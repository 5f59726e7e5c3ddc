"""Kernels over rows, in blocks and on two threads: what is declared, and the same each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_checks import KERNELS, check, made

from anadrome.backends.numpy import parallel

SHAPES = [(700, 400), (3, 90000), (2, 131072), (9, 70, 500)]


@pytest.fixture(autouse=True)
def _two_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "threads", 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax(shape: Any, dtype: str) -> None:
    rng = np.random.default_rng(0)
    x, g = made(rng, shape, dtype), made(rng, shape, dtype)
    check("softmax", x, dim=-1, tolerance=10)
    check("log_softmax", x, dim=-1, tolerance=10)
    check("softmax_backward", g, np.abs(x), dim=-1, tolerance=200)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_layer_norm(shape: Any, dims: int, dtype: str) -> None:
    rng = np.random.default_rng(0)
    inner = shape[len(shape) - dims :]
    x, g = made(rng, shape, dtype), made(rng, shape, dtype)
    weight, bias = made(rng, inner, dtype), made(rng, inner, dtype)
    check("layer_norm", x, weight, bias, dims=dims, eps=1e-3, tolerance=20)
    scale = np.abs(made(rng, (*shape[: len(shape) - dims], *(1,) * dims), dtype))
    check("layer_norm_backward", g, x, scale, weight, dims=dims, tolerance=300)
    axes = tuple(range(-dims, 0))
    check("standardise_backward", g, x, scale, axes=axes, tolerance=100)
    first, again = (KERNELS["layer_norm_backward"](g, x, scale, weight, dims=dims) for _ in "12")
    assert all(a.tobytes() == b.tobytes() for a, b in zip(first, again))


@pytest.mark.parametrize("layout", ["F", "strided", "reversed"])
def test_layer_norm_backward_of_odd_layouts(layout: str) -> None:
    rng = np.random.default_rng(0)
    x, g = made(rng, (70, 40), "float32", layout), made(rng, (70, 40), "float32", layout)
    weight, scale = made(rng, (40,), "float32"), np.abs(made(rng, (70, 1), "float32"))
    check("layer_norm_backward", g, x, scale, weight, dims=1, tolerance=100)
    half = [a.astype("float16") for a in (g, x, scale, weight)]
    check("layer_norm_backward", *half, dims=1, tolerance=10)
    mixed = (g.astype("float64"), x.astype("float64"), scale, weight)
    check("layer_norm_backward", *mixed, dims=1, tolerance=100)
