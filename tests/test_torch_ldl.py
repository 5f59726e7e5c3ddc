"""``linalg.ldl_factor`` and ``ldl_solve`` against PyTorch's, in every order of pivots."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, refuse

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def symmetric(n: int, kind: str, diagonal: float, hermitian: bool) -> np.ndarray:
    rng = np.random.default_rng(n)
    a = rng.normal(size=(3, n, n)) + (1j * rng.normal(size=(3, n, n)) if kind == "complex" else 0)
    a = a + (a.conj() if hermitian else a).swapaxes(-1, -2)
    return a * (1 + (diagonal - 1) * np.eye(n))


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("hermitian", [True, False])
@pytest.mark.parametrize("diagonal", [3.0, 1.0, 0.01, 0.0])
def test_factors_and_solutions(kind: str, hermitian: bool, diagonal: float) -> None:
    for n in (2, 3, 5, 8):
        a = symmetric(n, kind, diagonal, hermitian)

        def call(L: Any, a: Any, b: Any) -> Any:
            LD, pivots, info = L.linalg.ldl_factor_ex(a, hermitian=hermitian)
            factors = L.linalg.ldl_factor(a, hermitian=hermitian)
            x = L.linalg.ldl_solve(LD, pivots, b, hermitian=hermitian)
            return LD, pivots, info, x, factors.LD, factors.pivots

        agree(call, a, a[:, :, :1] + 1, gradients=False)
        x = ad.linalg.ldl_solve(
            *ad.linalg.ldl_factor(ad.tensor(a), hermitian=hermitian), ad.tensor(a[0]),
            hermitian=hermitian,
        )  # fmt: skip
        np.testing.assert_allclose(a @ x.numpy(), np.broadcast_to(a[0], a.shape), atol=1e-9)


def test_singular_and_empty() -> None:
    agree(lambda L: list(L.linalg.ldl_factor_ex(L.zeros(2, 3, 3))))
    agree(lambda L: list(L.linalg.ldl_factor(L.ones(2, 0, 0))))
    agree(lambda L: list(L.linalg.ldl_factor_ex(L.tensor([[1.0, 1.0], [1.0, 1.0]]))))
    for check in (
        lambda: ad.linalg.ldl_factor(ad.ones(2, 2, 2)),
        lambda: ad.linalg.ldl_factor_ex(ad.ones(1, 2, 2), check_errors=True),
    ):
        with pytest.raises(RuntimeError, match=r"\(Batch element 0\): the pivot 2 is zero"):
            check()


def test_the_gradient_of_a_solution() -> None:
    """Of the factors and the right side; PyTorch has neither."""
    a, b = symmetric(4, "real", 0.0, False), np.ones((4, 2))
    LD, pivots = ad.linalg.ldl_factor(ad.tensor(a))
    solve = lambda LD, b: ad.linalg.ldl_solve(LD, pivots, b)
    assert ad.autograd.gradcheck(solve, (LD.requires_grad_(), ad.tensor(b, requires_grad=True)))
    x = ad.tensor(a, requires_grad=True)
    with pytest.raises(NotImplementedError, match="the derivative of 'linalg_ldl_factor'"):
        ad.linalg.ldl_factor(x).LD.sum().backward()


REFUSED = [
    lambda L, LD, p: L.linalg.ldl_factor(L.ones(2, 3)),
    lambda L, LD, p: L.linalg.ldl_factor(L.ones(2)),
    lambda L, LD, p: L.linalg.ldl_factor(L.ones(2, 2).long()),
    lambda L, LD, p: L.linalg.ldl_factor(L.ones(2, 2).half()),
    lambda L, LD, p: L.linalg.ldl_solve(LD, p, L.ones(3, 1)),
    lambda L, LD, p: L.linalg.ldl_solve(LD, p, L.ones(2)),
    lambda L, LD, p: L.linalg.ldl_solve(LD, p.float(), L.ones(2, 1)),
    lambda L, LD, p: L.linalg.ldl_solve(LD, p[:1], L.ones(2, 1)),
    lambda L, LD, p: L.linalg.ldl_solve(LD, p, L.ones(2, 1).double()),
]


@pytest.mark.parametrize("call", REFUSED)
def test_refusals(call: Any) -> None:
    refuse(lambda L: call(L, *L.linalg.ldl_factor(L.tensor([[0.0, 1.0], [1.0, 0.0]]))))
