"""Householder reflections and low-rank factorisations, compared with PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

SHAPES = [(3, 3), (4, 3), (5, 1), (2, 4, 3)]


def complex_numbers(*shape: int, seed: int) -> np.ndarray:
    return numbers(*shape, seed=seed) + 1j * numbers(*shape, seed=seed + 1)


@pytest.mark.parametrize("shape", SHAPES)
def test_products_of_reflections(shape: tuple[int, ...]) -> None:
    tau = numbers(*shape[:-2], max(shape[-1] - 1, 1), seed=2)
    agree(lambda L, a, t: L.linalg.householder_product(a, t), numbers(*shape), tau, second=False)
    agree(lambda L, a, t: L.orgqr(a, t), numbers(*shape), numbers(*shape[:-2], shape[-1], seed=3),
          second=False)  # fmt: skip


@pytest.mark.parametrize("left", [True, False])
@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("make", [numbers, complex_numbers])
def test_times_the_reflections(left: bool, transpose: bool, make: Any) -> None:
    a, tau = make(4, 3, seed=1), make(3, seed=3)
    other = make(*((4, 2) if left else (2, 4)), seed=5)
    agree(lambda L, *t: L.ormqr(*t, left, transpose), a, tau, other, gradients=False)


@pytest.mark.parametrize("make", [numbers, complex_numbers])
@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4), (2, 4, 3), (1, 1), (4, 1)])
def test_qr_as_reflections(shape: tuple[int, ...], make: Any) -> None:
    agree(lambda L, a: tuple(L.geqrf(a)), make(*shape, seed=1), gradients=False)


def test_qr_of_what_is_triangular_already() -> None:
    agree(lambda L, a: tuple(L.geqrf(a)), np.triu(numbers(3, 3)), gradients=False)
    agree(lambda L, a: tuple(L.geqrf(a)), np.zeros((3, 2)), gradients=False)


def test_what_reflections_do_not_take() -> None:
    name = "householder_product"
    refuse(lambda L, a, t: getattr(L.linalg, name)(a, t), numbers(2, 3), numbers(2))
    refuse(lambda L, a, t: getattr(L.linalg, name)(a, t), numbers(3, 2), numbers(3))
    refuse(lambda L, a, t: getattr(L.linalg, name)(a, t), numbers(2, 3, 2), numbers(3, 2))
    refuse(lambda L, a: L.geqrf(a), numbers(3))
    refuse(lambda L, a: L.geqrf(a)[0].sum().backward(), numbers(3, 3))
    refuse(lambda L, a, t, b: L.ormqr(a, t, b), numbers(3, 2), numbers(2), numbers(2, 2))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (2, 5, 4)])
def test_low_ranks(shape: tuple[int, ...]) -> None:
    """The basis is random, so the product and the values are compared, of a matrix of that rank."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(*shape[:-1], 2)) @ rng.normal(size=(*shape[:-2], 2, shape[-1]))
    for L in (ad, torch):
        x = L.tensor(a)
        u, s, v = L.svd_lowrank(x, q=3)
        assert tuple(u.shape) == (*shape[:-1], 3) and tuple(v.shape) == (*shape[:-2], shape[-1], 3)
        np.testing.assert_allclose((u * s.unsqueeze(-2) @ v.mT).numpy(), a, atol=1e-10)
        u, s, v = L.pca_lowrank(x)
        mean = a - a.mean(-2, keepdims=True)
        np.testing.assert_allclose((u * s.unsqueeze(-2) @ v.mT).numpy(), mean, atol=1e-10)
        u, s, v = L.pca_lowrank(x, 2, center=False)
        np.testing.assert_allclose(s.numpy(), np.linalg.svd(a)[1][..., :2], atol=1e-10)
        with pytest.raises(ValueError, match="not greater than min"):
            L.pca_lowrank(x, q=9)
