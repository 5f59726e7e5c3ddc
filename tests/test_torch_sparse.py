"""PyTorch's names for sparse matrices, whose Tensors are dense here: values and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import anadrome as ad

INDICES = [[0, 1, 1, 2], [2, 0, 0, 1]]
VALUES = [3.0, 4.0, 5.0, -1.0]
EXPRESSIONS = """
A.to_dense()
L.sparse.mm(A, x)
L.spmm(A, x)
A @ x
L.mm(A, x)
L.sparse.addmm(x, A, x, beta=0.5, alpha=2.0)
L.sparse.sum(A)
L.sparse.sum(A, 0).to_dense()
(A * 2).to_dense()
A.t().coalesce().to_dense()
A.coalesce().indices()
A.coalesce().values()
A.to_dense().to_sparse_csr().crow_indices()
A.to_dense().to_sparse_csr().col_indices()
A.to_dense().to_sparse_csr().values()
L.sparse.softmax(A, 1).to_dense()
L.sparse.log_softmax(A, 1).to_dense()
L.sparse_coo_tensor(L.tensor(INDICES), L.tensor(VALUES)).to_dense()
L.sparse_coo_tensor([[0, 2]], L.ones(2, 2)).to_dense()
L.sparse.FloatTensor(L.tensor(INDICES), L.tensor(VALUES), L.Size([4, 3])).to_dense()
L.sparse_csr_tensor(L.tensor([0, 1, 3]), L.tensor([1, 0, 2]), L.tensor([5.0, 6.0, 7.0])).to_dense()
""".strip().splitlines()


def names(lib: Any, **more: Any) -> dict[str, Any]:
    a = lib.sparse_coo_tensor(lib.tensor(INDICES), lib.tensor(VALUES), (3, 3))
    x = lib.arange(9.0).reshape(3, 3)
    return {"L": lib, "A": a, "x": x, "INDICES": INDICES, "VALUES": VALUES}


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:Sparse CSR")
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_values_are_pytorchs(expression: str) -> None:
    torch = pytest.importorskip("torch")
    found, wanted = (eval(expression, names(lib)) for lib in (ad, torch))
    if wanted.is_sparse:
        wanted = wanted.to_dense()
    assert found.shape == tuple(wanted.shape)
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-6)


@pytest.mark.torch
def test_gradients_are_pytorchs() -> None:
    torch = pytest.importorskip("torch")
    grads = []
    for lib in (ad, torch):
        v = lib.tensor(VALUES, requires_grad=True)
        x = lib.arange(6.0).reshape(3, 2).requires_grad_()
        a = lib.sparse_coo_tensor(lib.tensor(INDICES), v, (3, 3))
        (lib.sparse.mm(a, x) ** 2).sum().backward()
        grads.append((v.grad.numpy(), x.grad.numpy()))
    for found, wanted in zip(*grads):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(RuntimeError, match="sparse_dim x nnz"):
        ad.sparse_coo_tensor([0, 1], [1.0, 2.0])
    with pytest.raises(RuntimeError, match=r"number of indices \(2\) and of values \(3\)"):
        ad.sparse_coo_tensor([[0, 1]], [1.0, 2.0, 3.0])
    with pytest.raises(RuntimeError, match=r"must be sparse_dim \(1\) \+ dense_dim \(0\)"):
        ad.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (2, 2))
    with pytest.raises(IndexError):
        ad.sparse_coo_tensor([[0, 5]], [1.0, 2.0], (2,))
    with pytest.raises(NotImplementedError, match="index_reduce"):
        ad.sparse.mm(ad.eye(2), ad.eye(2), "mean")


@pytest.mark.torch
def test_a_negative_index_is_no_place_from_the_end() -> None:
    torch = pytest.importorskip("torch")
    for L in (ad, torch):
        with pytest.raises(RuntimeError, match="negative ind"):
            L.sparse_coo_tensor([[0, -1]], [1.0, 2.0], (2,), check_invariants=True)
