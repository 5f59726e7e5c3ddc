"""Values and gradients at NaN, at the infinities and at zeros of both signs, as PyTorch has them.

Left out is what PyTorch answers differently from one place of an array to the next: the gradient of
hardtanh, hardswish, hardshrink, softshrink and elu at NaN.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import anadrome as ad

pytestmark = pytest.mark.torch

NAN, INF = np.nan, np.inf
VALUES = [NAN, INF, -INF, 0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 25.0, -25.0]


def functional(name, **keywords):
    return lambda L, x: getattr(L.nn.functional, name)(x, **keywords)


OF_ONE = {
    **{
        name: functional(name)
        for name in ("relu", "leaky_relu", "rrelu", "hardsigmoid", "softplus", "silu", "mish",
                     "logsigmoid", "tanhshrink", "softsign", "sigmoid", "tanh", "gelu")
    },
    **{
        name: lambda L, x, name=name: getattr(L, name)(x)
        for name in ("abs", "exp", "log", "log1p", "sqrt", "rsqrt", "reciprocal", "sin", "asin",
                     "atanh", "erf", "nan_to_num", "logit", "sinc", "sign")
    },
    **{
        f"pow {p}": lambda L, x, p=p: x**p for p in (0.0, 1.0, 2.0, 0.5, -0.5, -1.0, NAN, INF)
    },
    **{
        f"clamp {low} {high}": lambda L, x, low=low, high=high: L.clamp(x, low, high)
        for low, high in ((-1.0, 1.0), (NAN, 1.0), (-1.0, NAN), (1.0, -1.0), (-INF, INF))
    },
    **{
        name: lambda L, x, name=name: getattr(L, name)(x)
        for name in ("max", "min", "amax", "amin", "median", "nanmedian", "nansum", "nanmean")
    },
    "ties of NaN": lambda L, x: L.stack([x, x, x * 0.0], 1).amax(1),
    "rows": lambda L, x: L.stack([x, x, x * 0.0], 1).max(1)[0],
    "threshold": functional("threshold", threshold=1.0, value=2.0),
}  # fmt: skip
OF_TWO = {
    **{
        name: lambda L, x, y, name=name: getattr(L, name)(x, y)
        for name in ("maximum", "minimum", "fmax", "fmin", "atan2", "hypot", "pow", "xlogy",
                     "logaddexp", "fmod", "copysign")
    },
    **{
        name: lambda L, x, y, name=name: getattr(L.nn.functional, name)(x, y, reduction="none")
        for name in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss",
                     "binary_cross_entropy_with_logits", "poisson_nll_loss")
    },
    "gaussian_nll": lambda L, x, y: (
        L.nn.functional.gaussian_nll_loss(x, L.ones_like(x), y.abs(), reduction="none")
    ),
    "clamp": lambda L, x, y: L.clamp(x, y, y + 1),
    "where": lambda L, x, y: L.where(x > y, x, y),
}  # fmt: skip


def same(call, *columns):
    """The result and the gradient of its sum."""
    torch = pytest.importorskip("torch")

    def seen(L):
        leaves = [L.tensor(c, dtype=L.float64, requires_grad=True) for c in columns]
        out = call(L, *leaves)
        gradients = L.autograd.grad(out.sum(), leaves, materialize_grads=True)
        return [out.detach(), *gradients]

    for found, wanted in zip(seen(ad), seen(torch)):
        np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", OF_ONE)
def test_functions_of_one(name):
    same(OF_ONE[name], VALUES)


@pytest.mark.parametrize("name", OF_TWO)
def test_functions_of_two(name):
    same(OF_TWO[name], *zip(*itertools.product(VALUES[:8], VALUES[:8])))
