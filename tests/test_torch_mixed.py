"""Operands of several element types where PyTorch takes them, and where it does not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

TRUTHS = np.array([True, False, True])


@pytest.mark.parametrize("beta", [0, 1, True, False, 2])
@pytest.mark.parametrize("alpha", [0, 1, True, 3])
def test_addr_of_booleans(beta: Any, alpha: Any) -> None:
    call = lambda L, x, a, b: L.addr(x, a, b, beta=beta, alpha=alpha)
    agree(call, np.eye(3) > 0, TRUTHS, ~TRUTHS)


@pytest.mark.parametrize("beta", [0, 1, 2])
@pytest.mark.parametrize("alpha", [0, 1, 3])
def test_addr_of_several_types(beta: int, alpha: int) -> None:
    call = lambda L, x, a, b: L.addr(x, a, b, beta=beta, alpha=alpha)
    values = {"gradients": False}  # PyTorch has none of mixed types
    agree(call, np.arange(9).reshape(3, 3), TRUTHS, ~TRUTHS)
    agree(call, numbers(3, 3), TRUTHS, np.arange(3), **values)
    agree(call, np.eye(3) > 0, numbers(3), TRUTHS, **values)


def test_what_addr_refuses() -> None:
    refuse(lambda L, x, a: L.addr(x, a, a, beta=0.5), np.eye(3) > 0, TRUTHS)
    refuse(lambda L, x, a: L.addr(x, a, a, alpha=True), np.eye(3), TRUTHS)
    refuse(lambda L, x, a: L.addr(x, a, a), np.ones((2, 2)) > 0, TRUTHS)


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("value", [np.array([3.7, 4.2]), np.array(2.5), np.array([True, False])])
def test_the_whole_is_written_in_its_own_type(index: bool, value: np.ndarray) -> None:
    def call(L: Any, v: Any) -> Any:
        x = L.zeros(2, 2, dtype=L.int64)
        x[index] = v
        return x

    agree(call, value, gradients=False)


def test_a_mask_is_not() -> None:
    def call(L: Any, v: Any) -> None:
        x = L.zeros(2, 2, dtype=L.int64)
        x[L.tensor(True)] = v

    assert "destination dtypes match" in refuse(call, np.array([3.7, 4.2]))


PRODUCTS = """
    ij,ij->ij float64 float32; i,j->ij float32 float64; i,j-> float64 float32; i,i->i bool float32
    ij,ij->ij int32 int64; i,i->i complex64 float32; ij,jk->ik float32 float64
    ij,jk->ik float32 int64; bij,bjk->bik float64 float32; i,i float16 float32
    bi,bi->b int32 int64; ij,jk->k int32 int32; ij,jk->ik int32 int32; ij,jk-> bool bool
    i,i->i bool bool
""".replace("\n", ";")


@pytest.mark.parametrize("words", [line.split() for line in PRODUCTS.split(";") if line.strip()])
def test_einsum(words: list[str]) -> None:
    equation, one, two = words
    first, second = equation.split("->")[0].split(",")

    def call(L: Any) -> Any:
        x, y = (2 * L.ones(2, 2, 2)[(0,) * (3 - len(t))] for t in (first, second))
        return L.einsum(equation, x.to(getattr(L, one)), y.to(getattr(L, two)))

    try:
        call(torch)
    except RuntimeError:
        assert "expected scalar type" in refuse(call)
    else:
        agree(call)


def test_einsum_broadcasts_what_is_summed() -> None:
    agree(lambda L, x, y: L.einsum("ij,j->i", x, y), numbers(2, 1), numbers(3))
    agree(lambda L, x, y: L.einsum("ij,j->i", x, y), numbers(2, 3), numbers(1))
    agree(lambda L, x, y: L.einsum("ij,j->i", x, y), np.ones((2, 1), "int32"), np.ones(1, "int32"))


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_matrix_exp_in_half_precision(kind: str) -> None:
    """PyTorch's is NaN, so its float32 is the oracle."""
    a = numbers(2, 3, 3)
    x = ad.tensor(a).to(getattr(ad, kind)).requires_grad_()
    y = torch.tensor(a).to(getattr(torch, kind)).float().requires_grad_()
    found, wanted = ad.linalg.matrix_exp(x), torch.linalg.matrix_exp(y)
    found.sum().backward()
    wanted.sum().backward()
    for f, w in ((found, wanted), (x.grad, y.grad)):
        assert f.dtype.name == kind
        near = 2.0 ** (-10 if kind == "float16" else -7)
        np.testing.assert_allclose(f.float().detach().numpy(), w.detach().numpy(), rtol=near)
