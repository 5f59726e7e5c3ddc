"""Floats of 16 bits beside numbers that have no such float, as in PyTorch: every bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

CALLS = {
    "x * s": lambda x, s: x * s,
    "s * x": lambda x, s: s * x,
    "x / s": lambda x, s: x / s,
    "x + s": lambda x, s: x + s,
    "s - x": lambda x, s: s - x,
    "x < s": lambda x, s: x < s,
    "mul_": lambda x, s: x.clone().mul_(s),
    "div_": lambda x, s: x.clone().div_(s),
    "add_": lambda x, s: x.clone().add_(s),
    "mul of a part": lambda x, s: x[:, ::2].mul(s),
    "masked": lambda x, s: x.masked_fill(x > 0, s) if s < 6e4 else x,
    "fmod": lambda x, s: x.fmod(s),
}


def both(dtype: str) -> Any:
    values = np.random.default_rng(0).standard_normal((40, 50)).astype(np.float32)
    return [lib.tensor(values).to(getattr(lib, dtype)) for lib in (ad, torch)]


def same(found: Any, wanted: Any) -> None:
    assert str(found.dtype).split(".")[1] == str(wanted.dtype).split(".")[1]
    np.testing.assert_array_equal(found.float().numpy(), wanted.float().numpy())


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("call", CALLS)
def test_a_number_is_rounded_where_pytorch_rounds_it(call: str, dtype: str) -> None:
    x, t = both(dtype)
    for s in (0.1, 3.3, -0.7, 1e-3, 1e5, 1e-8, 100003, 2, 0.5, float("inf")):
        same(CALLS[call](x, s), CALLS[call](t, s))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_so_are_those_of_gradients(dtype: str) -> None:
    x, t = (v.requires_grad_() for v in both(dtype))
    for v in (x, t):
        (v * 0.1 / 3.3 - 0.7).sum().backward()
    same(x.grad, t.grad)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_number_that_meets_other_ops_is_one_of_the_type(dtype: str) -> None:
    """What knows the exact number does not get out: results are arrays like others."""
    x, t = (v.abs() for v in both(dtype))
    for name in ("maximum", "where", "atan2", "hypot", "copysign", "xlogy", "lerp"):
        found = {
            "where": lambda L, v: L.where(v > 1, v, 0.1),
            "lerp": lambda L, v: L.lerp(v, v * 2, 0.1),
            "maximum": lambda L, v: v.clamp(0.1, 0.7),
            "xlogy": lambda L, v: L.xlogy(v, 0.1),
            "copysign": lambda L, v: L.copysign(v, -0.1),
        }.get(name, lambda L, v, name=name: getattr(L, name)(v, L.full_like(v, 0.1)))
        a, b = found(ad, x), found(torch, t)
        assert type(a._data) is np.ndarray
        np.testing.assert_allclose(
            a.float().numpy(), b.float().numpy(), rtol=2e-2 if dtype == "bfloat16" else 2e-3
        )


def test_in_a_captured_step_and_under_transforms() -> None:
    x, t = both("bfloat16")
    same(ad.func.vmap(lambda row: row * 0.1)(x), t * 0.1)
    same(ad.func.grad(lambda v: (v * 0.1).sum())(x), ad.full_like(x, 0.1))
    step = ad.capture(lambda v: v * 0.1)
    for _ in range(3):
        same(step(x), t * 0.1)
