"""nn.init: distributions, bounds, what is exact, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from nn_twin import host

import anadrome as ad
from anadrome import nn
from anadrome.nn import init

N = 40_000


@pytest.fixture(autouse=True)
def _seeded() -> None:
    ad.manual_seed(0)


def _moments(t: Any, mean: float, std: float) -> None:
    values = host(t).astype("float64")
    n = values.size
    assert abs(values.mean() - mean) < 5 * std / math.sqrt(n)
    assert abs(values.std() - std) < 5 * std / math.sqrt(n)


@pytest.mark.parametrize("a, b", [(0.0, 1.0), (-3.0, 0.5)])
def test_uniform(a: float, b: float) -> None:
    t = init.uniform_(ad.empty(N), a, b)
    assert a <= host(t).min() and host(t).max() < b
    _moments(t, (a + b) / 2, (b - a) / math.sqrt(12))


def test_normal() -> None:
    _moments(init.normal_(ad.empty(N), 2.0, 0.5), 2.0, 0.5)


@pytest.mark.parametrize("a, b", [(-2.0, 2.0), (-0.5, 1.5), (1.5, 3.0), (0.0, 0.4)])
def test_truncated_normal(a: float, b: float) -> None:
    values = host(init.trunc_normal_(ad.empty(N), 0.0, 1.0, a, b)).astype("float64")
    assert a <= values.min() and values.max() <= b

    def density(x: float) -> float:
        return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)

    def below(x: float) -> float:
        return (1 + math.erf(x / math.sqrt(2))) / 2

    mass = below(b) - below(a)
    mean = (density(a) - density(b)) / mass
    var = 1 + (a * density(a) - b * density(b)) / mass - mean**2
    assert abs(values.mean() - mean) < 5 * math.sqrt(var / N)
    middle = (a + b) / 2  # and the shape, not only the mean
    share = (below(middle) - below(a)) / mass
    assert abs((values < middle).mean() - share) < 5 * math.sqrt(share * (1 - share) / N)
    with pytest.warns(UserWarning, match="mean is more than 2 std from"):
        init.trunc_normal_(ad.empty(3), 9.0, 1.0)


def test_constants() -> None:
    t = nn.Parameter(ad.empty(2, 3))
    assert init.constant_(t, 2.5) is t
    assert t.tolist() == [[2.5] * 3] * 2
    assert init.ones_(t).tolist() == [[1.0] * 3] * 2
    assert init.zeros_(t).tolist() == [[0.0] * 3] * 2
    assert init.eye_(t).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert t.requires_grad and t.is_leaf


FILLS: list[Any] = [
    (init.xavier_uniform_, {"gain": 2.0}, 2.0 * math.sqrt(2 / (900 + 1800))),
    (init.xavier_normal_, {}, math.sqrt(2 / (900 + 1800))),
    (init.kaiming_uniform_, {"nonlinearity": "relu"}, math.sqrt(2 / 900)),
    (init.kaiming_uniform_, {"a": 2.0}, math.sqrt(2 / 5 / 900)),
    (init.kaiming_normal_, {"mode": "fan_out", "nonlinearity": "tanh"}, 5 / 3 / math.sqrt(1800)),
]


@pytest.mark.parametrize("fill, keywords, std", FILLS)
def test_variance_scaling(fill: Any, keywords: Any, std: float) -> None:
    t = fill(ad.empty(200, 100, 3, 3), **keywords)
    _moments(t, 0.0, std)
    if "uniform" in fill.__name__:
        bound = std * math.sqrt(3)
        assert 0.99 * bound < abs(host(t)).max() <= bound * (1 + 1e-6)


@pytest.mark.torch
def test_gains_and_fans_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    for name in ("linear", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"):
        assert init.calculate_gain(name) == torch.nn.init.calculate_gain(name)
    assert init.calculate_gain("leaky_relu", 0.3) == torch.nn.init.calculate_gain("leaky_relu", 0.3)
    for shape in ((3, 4), (3, 4, 5), (3, 4, 5, 6)):
        mine = init._calculate_fan_in_and_fan_out(ad.empty(shape))
        assert mine == torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))


@pytest.mark.parametrize("shape", [(5, 8), (8, 5), (6, 6), (4, 3, 2)])
def test_orthogonal(shape: Any) -> None:
    t = host(init.orthogonal_(ad.empty(shape, dtype=ad.float64), gain=2.0))
    t = t.reshape(shape[0], -1)
    product = t @ t.T if shape[0] <= t.shape[1] else t.T @ t
    np.testing.assert_allclose(product, 4.0 * np.eye(len(product)), atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("shape, groups", [((4, 3, 3), 1), ((4, 2, 3, 5), 2), ((2, 5, 2, 3, 3), 1)])
def test_dirac(shape: Any, groups: int) -> None:
    torch = pytest.importorskip("torch")
    mine = init.dirac_(ad.empty(shape), groups)
    np.testing.assert_array_equal(host(mine), torch.nn.init.dirac_(torch.empty(shape), groups))


def test_layers_start_as_pytorchs_do() -> None:
    linear = nn.Linear(400, 300)
    bound = 1 / 20
    _moments(linear.weight, 0.0, bound / math.sqrt(3))
    assert abs(host(linear.weight)).max() <= bound
    assert 0.9 * bound < abs(host(linear.bias)).max() <= bound
    conv = nn.Conv2d(20, 300, 5, groups=2)
    bound = 1 / math.sqrt(10 * 25)
    _moments(conv.weight, 0.0, bound / math.sqrt(3))
    assert 0.9 * bound < abs(host(conv.bias)).max() <= bound
    _moments(nn.Embedding(200, 200).weight, 0.0, 1.0)
    for layer in (nn.LayerNorm(4), nn.BatchNorm1d(4)):
        assert layer.weight.tolist() == [1.0] * 4
        assert layer.bias.tolist() == [0.0] * 4


def test_a_seed_gives_the_same_start() -> None:
    ad.manual_seed(5)
    one = nn.Linear(3, 4)
    ad.manual_seed(5)
    two = nn.Linear(3, 4)
    assert one.weight.tolist() == two.weight.tolist()
    generator = ad.Generator().manual_seed(7)
    a = init.uniform_(ad.empty(5), generator=generator).tolist()
    generator.manual_seed(7)
    assert init.uniform_(ad.empty(5), generator=generator).tolist() == a


REFUSALS: list[Any] = [
    (lambda: init.calculate_gain("x"), "^Unsupported nonlinearity x"),
    (lambda: init.calculate_gain("leaky_relu", True), "^negative_slope True not a valid number"),
    (lambda: init.xavier_uniform_(ad.empty(3)),
     "^Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"),
    (lambda: init.kaiming_normal_(ad.empty(3, 3), mode="x"), "^Mode x not supported"),
    (lambda: init.eye_(ad.empty(3)), "^Only tensors with 2 dimensions are supported"),
    (lambda: init.orthogonal_(ad.empty(3)), "^Only tensors with 2 or more dimensions"),
    (lambda: init.dirac_(ad.empty(3)), "^Only tensors with 3, 4, or 5 dimensions"),
    (lambda: init.dirac_(ad.empty(3, 1, 1), 2), "^dim 0 must be divisible by groups"),
]  # fmt: skip


@pytest.mark.parametrize("call, text", REFUSALS)
def test_refusals(call: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call()


def test_nothing_to_initialise() -> None:
    with pytest.warns(UserWarning, match="Initializing zero-element tensors is a no-op"):
        init.kaiming_uniform_(ad.empty(0, 3))
