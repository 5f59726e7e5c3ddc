"""``poisson`` and ``binomial``: how often each number comes, edges and refusals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from oracle import refuse

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

MANY = 20_000


def follows(drawn: Any, log_probability: Any) -> None:
    """By the chi-square of the numbers that come often, one in ten thousand."""
    x = drawn.numpy()
    assert (x == np.floor(x)).all()
    expected = np.exp(log_probability(torch.arange(float(x.max() + 2))).numpy()) * MANY
    often = expected > 20
    found = np.bincount(x.astype(int), minlength=len(expected))[often]
    chi = ((found - expected[often]) ** 2 / expected[often]).sum()
    n = often.sum()
    assert chi < n + 4 * math.sqrt(2 * n) + 8


@pytest.mark.parametrize("rate", [0.2, 3.0, 9.9, 10.1, 60.0])
def test_poisson(rate: float) -> None:
    ad.manual_seed(3)
    drawn = ad.poisson(ad.full((MANY,), rate))
    follows(drawn, torch.distributions.Poisson(rate).log_prob)


@pytest.mark.parametrize("n", [1, 7, 40, 300])
@pytest.mark.parametrize("p", [0.02, 0.3, 0.5, 0.8])
def test_binomial(n: int, p: float) -> None:
    ad.manual_seed(4)
    drawn = ad.binomial(ad.full((MANY,), float(n)), ad.tensor(p))
    assert drawn.max().item() <= n
    follows(drawn, lambda k: torch.distributions.Binomial(n, p, validate_args=False).log_prob(k))


def test_large_counts() -> None:
    n, p = 1e12, 0.3
    x = ad.binomial(ad.full((MANY,), n, dtype=ad.float64), ad.tensor(p, dtype=ad.float64)).numpy()
    spread = math.sqrt(n * p * (1 - p))
    assert abs(x.mean() - n * p) < 5 * spread / math.sqrt(MANY)
    assert x.std() == pytest.approx(spread, rel=0.03)


def test_edges_and_generators() -> None:
    count = [-1.0, 3.0, 2.0, math.inf, 5.0, 0.0, 3.7]
    prob = [0.5, 1.5, math.nan, 0.1, -1.0, 0.5, 1.0]
    found = ad.binomial(ad.tensor(count), ad.tensor(prob)).numpy()
    wanted = torch.binomial(torch.tensor(count), torch.tensor(prob)).numpy()
    np.testing.assert_array_equal(found[:-1], wanted[:-1])
    assert found[-1] == 3.0  # a count is whole
    for draw in (
        lambda g: ad.poisson(ad.full((50,), 20.0), generator=g),
        lambda g: ad.binomial(ad.full((50,), 90.0), ad.tensor(0.4), generator=g),
    ):
        one, two = (draw(ad.Generator().manual_seed(5)) for _ in range(2))
        assert one.equal(two)
    assert ad.poisson(ad.ones(2, 3).half()).dtype is ad.float16
    assert not ad.poisson(ad.ones(2, requires_grad=True)).requires_grad


@pytest.mark.parametrize("call", [
    lambda L: L.poisson(L.tensor([1.0, -1.0])), lambda L: L.poisson(L.tensor([1])),
    lambda L: L.poisson(L.tensor([math.nan])), lambda L: L.poisson(2.0),
    lambda L: L.binomial(L.tensor([1]), L.tensor([0.5])), lambda L: L.binomial(L.ones(2), 0.5),
    lambda L: L.poisson(L.ones(0), generator=-1), lambda L: L.binomial(L.ones(2), L.ones(2), 1),
    lambda L: L.binomial(L.ones(2).double(), L.ones(2)), lambda L: L.binomial(L.ones(2), L.ones(3)),
])  # fmt: skip
def test_refusals(call: Any) -> None:
    refuse(call)
