"""Covariances, distances, integrals and shortened slices as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

pytestmark = pytest.mark.torch


def complexes(*shape: int) -> np.ndarray:
    return np.asarray(numbers(*shape) + 1j * numbers(*shape, seed=50))


@pytest.mark.parametrize("make", [numbers, complexes])
def test_covariance(make: Any) -> None:
    for shape in ((3, 5), (5,), (1, 4)):
        agree(lambda L, x: L.cov(x), make(*shape))
        agree(lambda L, x: L.cov(x, correction=0) + x.cov(), make(*shape))
        agree(lambda L, x: L.corrcoef(x), make(*shape), second=len(shape) > 1 and shape[0] > 1)
    often, much = np.array([1, 2, 1, 3, 1]), numbers(5, low=0.1)
    agree(lambda L, x, f: L.cov(x, fweights=f), make(3, 5), often)
    agree(lambda L, x, a: L.cov(x, aweights=a), make(3, 5), much)
    agree(lambda L, x, f, a: L.cov(x, fweights=f, aweights=a), make(3, 5), often, much)


def test_distance_of_two() -> None:
    for p in (2, 1, 3, float("inf")):
        agree(lambda L, x, y, p=p: L.dist(x, y, p), numbers(3, 4), numbers(4, seed=1))
    agree(lambda L, x, y: x.dist(y), numbers(3), numbers(3, seed=1))


@pytest.mark.parametrize("name", ["trapezoid", "trapz", "cumulative_trapezoid"])
def test_integrals(name: str) -> None:
    y = numbers(3, 5)
    agree(lambda L, y: getattr(L, name)(y), y)
    agree(lambda L, y: getattr(L, name)(y, dx=0.5, dim=0), y)
    agree(lambda L, y, x: getattr(L, name)(y, x), y, numbers(5, seed=1))
    agree(lambda L, y, x: getattr(L, name)(y, x, dim=0), y, numbers(3, seed=1))
    agree(lambda L, y, x: getattr(L, name)(y, x), y, numbers(3, 5, seed=1))
    agree(lambda L, y: getattr(L, name)(y), numbers(1))
    assert "one `x` value" in refuse(lambda L, y: getattr(L, name)(y, y[0, :3]), y)


def test_renorm() -> None:
    for p in (1, 2, 3):
        for dim in (0, 1, -1):
            agree(lambda L, x, p=p, d=dim: L.renorm(x, p, d, 1.5), numbers(3, 2, 4))
    assert "2 dimensions" in refuse(lambda L, x: L.renorm(x, 2, 0, 1), numbers(3))
    assert "non-positive" in refuse(lambda L, x: L.renorm(x, -1, 0, 1), numbers(3, 3))


def test_refused() -> None:
    for name in ("cov", "corrcoef"):
        assert "two or fewer dimensions" in refuse(
            lambda L, x, name=name: getattr(L, name)(x), numbers(2, 2, 2)
        )
    assert "same numel" in refuse(
        lambda L, x, f: L.cov(x, fweights=f), numbers(2, 3), np.array([1])
    )
    assert "negative" in refuse(
        lambda L, x, f: L.cov(x, fweights=f), numbers(2, 2), np.array([1, -1])
    )
