"""Linear algebra as in PyTorch: values, gradients, batches, complex values, errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = pytest.mark.torch


def complexes(*shape: int, seed: int = 0) -> np.ndarray:
    return numbers(*shape, seed=seed) + 1j * numbers(*shape, seed=seed + 50)


def regular(*shape: int, seed: int = 0, kind: str = "f") -> np.ndarray:
    """Far from singular."""
    x = numbers(*shape, seed=seed) if kind == "f" else complexes(*shape, seed=seed)
    return x + 4.0 * np.eye(shape[-1])


def positive(L: Any, x: Any) -> Any:
    return x @ x.mH + 2 * L.eye(x.shape[-1], dtype=x.dtype)


KINDS = pytest.mark.parametrize("kind", ["f", "c"])
BATCHES = pytest.mark.parametrize("batch", [(), (2,), (2, 3), (0,)], ids=str)


@KINDS
@BATCHES
def test_inverse_and_determinant(kind: str, batch: tuple[int, ...]) -> None:
    x = regular(*batch, 3, 3, kind=kind)
    agree(lambda L, a: L.linalg.inv(a), x)
    agree(lambda L, a: L.linalg.det(a), x)
    agree(lambda L, a: tuple(L.linalg.slogdet(a)), x, second=kind == "f")
    agree(lambda L, a: tuple(L.linalg.inv_ex(a)), x, gradients=False)
    agree(lambda L, a: L.linalg.inv_ex(a)[0] * 1, x)
    agree(lambda L, a: L.inverse(a) @ a.inverse(), x)
    agree(lambda L, a: a.det() * L.det(a), x)
    if kind == "f":
        agree(lambda L, a: L.logdet(a) + a.logdet(), x @ np.swapaxes(x, -1, -2))


def test_small_and_empty_matrices() -> None:
    for shape in ((1, 1), (0, 0), (3, 0, 0)):
        agree(lambda L, a: L.linalg.inv(a), numbers(*shape, low=1))
        agree(lambda L, a: L.linalg.det(a), numbers(*shape, low=1))
        agree(lambda L, a: tuple(L.linalg.slogdet(a)), numbers(*shape, low=1))
        agree(lambda L, a: L.linalg.solve(a, a), numbers(*shape, low=1))
        agree(lambda L, a: L.linalg.matrix_exp(a), numbers(*shape, low=1))
    for shape in ((0, 3), (3, 0), (2, 0, 3)):
        agree(lambda L, a: L.linalg.pinv(a), numbers(*shape))
        agree(lambda L, a: L.linalg.svdvals(a), numbers(*shape), gradients=False)
        agree(lambda L, a: L.linalg.matrix_rank(a), numbers(*shape))
        agree(lambda L, a: tuple(L.linalg.svd(a)), numbers(*shape), gradients=False)


def test_determinant_of_singular_matrices() -> None:
    x = ad.tensor([[1.0, 2], [2, 4]], requires_grad=True)
    (g,) = ad.autograd.grad(ad.linalg.det(x), x)  # PyTorch's is zero, for a determinant of zero
    ad.testing.assert_close(g, ad.tensor([[4.0, -2], [-2, 1]]))
    x = ad.zeros(2, 2, requires_grad=True)
    (g,) = ad.autograd.grad(ad.linalg.det(x), x, create_graph=True)
    (h,) = ad.autograd.grad(g[0, 0], x)
    assert h.tolist() == [[0, 0], [0, 1]]
    rank2 = numbers(3, 2) @ numbers(2, 3, seed=1)
    agree(lambda L, a: L.linalg.det(a), rank2, atol=1e-8)
    assert ad.linalg.slogdet(ad.zeros(2, 2)).logabsdet.item() == -math.inf
    assert math.isnan(ad.logdet(ad.tensor([[-1.0]])).item())


@KINDS
@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (3, 2)), ((2, 3, 3), (2, 3)),
        ((2, 1, 3, 3), (4, 3, 2)), ((3, 3), (2, 3, 1)), ((2, 3, 3), (3,)), ((3, 3), (3, 0)),
    ],
)  # fmt: skip
def test_solve(kind: str, a: Any, b: Any) -> None:
    right = numbers(*b, seed=1) if kind == "f" else complexes(*b, seed=1)
    left = regular(*a, kind=kind)
    agree(lambda L, a, b: L.linalg.solve(a, b), left, right)
    if len(b) > 1 and a != (2, 3, 3):
        turned = np.swapaxes(right, -1, -2)
        agree(lambda L, a, b: L.linalg.solve(a, b, left=False), left, turned)
        for upper in (True, False):
            for unit in (True, False):
                agree(
                    lambda L, a, b, u=upper, o=unit: L.linalg.solve_triangular(
                        a, b, upper=u, unitriangular=o
                    ),
                    left,
                    right,
                )
        agree(lambda L, a, b: L.linalg.solve_triangular(a, b, upper=True, left=False), left, turned)
        if len(a) == 2:
            agree(lambda L, a, b: tuple(L.linalg.solve_ex(a, b)), left, right)


@KINDS
@BATCHES
def test_cholesky(kind: str, batch: tuple[int, ...]) -> None:
    x = numbers(*batch, 3, 3) if kind == "f" else complexes(*batch, 3, 3)
    agree(lambda L, a: L.linalg.cholesky(positive(L, a)), x)
    agree(lambda L, a: L.linalg.cholesky(positive(L, a), upper=True), x)
    agree(lambda L, a: tuple(L.linalg.cholesky_ex(positive(L, a))), x)
    agree(lambda L, a: L.cholesky(positive(L, a)) + positive(L, a).cholesky(), x)
    agree(lambda L, a: L.cholesky_solve(a[..., :2], L.cholesky(positive(L, a))), x)
    agree(lambda L, a: L.cholesky_inverse(L.cholesky(positive(L, a))), x)
    # without the product, the gradient is of the symmetric part
    for upper in (False, True):
        agree(lambda L, a, u=upper: L.linalg.cholesky(a + a.mH, upper=u),
              x @ np.conj(np.swapaxes(x, -1, -2)) + 2 * np.eye(3))  # fmt: skip
    agree(lambda L, a: L.linalg.cholesky(a), x @ np.conj(np.swapaxes(x, -1, -2)) + 2 * np.eye(3))


@KINDS
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 4, 3), (2, 2, 3), (0, 3, 3)])
def test_qr(kind: str, shape: tuple[int, ...]) -> None:
    x = numbers(*shape) if kind == "f" else complexes(*shape)

    def signed(L: Any, q: Any, r: Any) -> Any:
        return q @ r * 2, (q.abs() * 3), r.abs()

    agree(lambda L, a: signed(L, *L.linalg.qr(a)), x)
    agree(lambda L, a: signed(L, *a.qr()), x)
    agree(
        lambda L, a: [t.abs() for t in L.linalg.qr(a, mode="complete")], x,
        gradients=shape[-2] <= shape[-1],
    )  # fmt: skip
    agree(lambda L, a: L.linalg.qr(a, mode="r")[1].abs(), x, gradients=False)
    assert ad.linalg.qr(ad.ones(2, 2), mode="r").Q.shape == (0,)


@KINDS
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 4, 3), (2, 2, 3, 3), (0, 3, 3)])
def test_lu(kind: str, shape: tuple[int, ...]) -> None:
    x = numbers(*shape) if kind == "f" else complexes(*shape)
    agree(lambda L, a: tuple(L.linalg.lu(a)), x)
    agree(lambda L, a: tuple(L.linalg.lu_factor(a)), x)
    agree(lambda L, a: tuple(L.linalg.lu_factor_ex(a)), x)
    agree(lambda L, a: tuple(L.lu_unpack(*L.lu(a))), x)
    if shape[-1] != shape[-2]:
        return
    b = numbers(*shape[:-1], 2, seed=1) if kind == "f" else complexes(*shape[:-1], 2, seed=1)
    for kw in ({}, {"adjoint": True}):
        agree(lambda L, a, b, kw=kw: L.linalg.lu_solve(*L.linalg.lu_factor(a), b, **kw), x, b)
        agree(lambda L, a, b, kw=kw: L.linalg.lu_solve(*a.lu(), b.mT, left=False, **kw), x, b)
    agree(lambda L, a, b: L.lu_solve(b, *L.lu(a)), x, b)
    for kw in ({}, {"upper": False}, {"transpose": True}, {"unitriangular": True}):
        agree(lambda L, a, b, kw=kw: tuple(L.triangular_solve(b, a, **kw)), x, b)


def test_lu_of_singular_matrices() -> None:
    x = np.array([[1.0, 2], [2, 4]])
    agree(lambda L, a: tuple(L.linalg.lu_factor_ex(a)), x, gradients=False)
    agree(lambda L, a: L.lu(a, get_infos=True)[2], np.zeros((2, 3, 3)), gradients=False)


@KINDS
@BATCHES
@pytest.mark.parametrize("half", ["L", "U"])
def test_symmetric_eigenvalues(kind: str, batch: tuple[int, ...], half: str) -> None:
    x = numbers(*batch, 3, 3) if kind == "f" else complexes(*batch, 3, 3)

    def parts(L: Any, a: Any) -> Any:
        values, vectors = L.linalg.eigh(a, half)
        return values, vectors.abs(), (vectors * values.exp().unsqueeze(-2)) @ vectors.mH

    agree(parts, x)
    agree(lambda L, a: L.linalg.eigvalsh(a, half), x)
    agree(lambda L, a: L.linalg.eigh(a + a.mH).eigenvectors.abs(), x)


@KINDS
@pytest.mark.parametrize("batch", [(), (2,), (0,)], ids=str)
def test_general_eigenvalues(kind: str, batch: tuple[int, ...]) -> None:
    x = numbers(*batch, 3, 3) if kind == "f" else complexes(*batch, 3, 3)

    def parts(L: Any, a: Any) -> Any:
        values, vectors = L.linalg.eig(a)
        weights = vectors.abs() ** 2 * values.abs().unsqueeze(-2)
        return (values.abs() ** 2).sum(-1), weights.sum(-1)

    agree(parts, x)
    agree(lambda L, a: (L.linalg.eigvals(a) ** 2).sum(-1), x)
    assert ad.linalg.eig(ad.eye(2)).eigenvalues.dtype is ad.complex64


@KINDS
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 4, 3), (0, 2, 2)])
@pytest.mark.parametrize("full", [True, False])
def test_singular_values(kind: str, shape: tuple[int, ...], full: bool) -> None:
    x = numbers(*shape) if kind == "f" else complexes(*shape)

    def parts(L: Any, a: Any) -> Any:
        u, s, v = L.linalg.svd(a, full_matrices=full)
        k = s.shape[-1]
        u, v = u[..., :k], v[..., :k, :]
        return s, u.abs(), v.abs(), (u * s.sqrt().unsqueeze(-2)) @ v

    agree(parts, x)
    agree(lambda L, a: L.linalg.svd(a).U.abs(), x, gradients=False)
    agree(lambda L, a: L.linalg.svdvals(a), x)
    agree(lambda L, a: [L.svd(a)[1], L.svd(a)[2].abs(), a.svd(some=False)[0].abs()], x,
          gradients=False)  # fmt: skip


@KINDS
@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4), (2, 4, 3)])
def test_pseudoinverse_and_least_squares(kind: str, shape: tuple[int, ...]) -> None:
    x = numbers(*shape) if kind == "f" else complexes(*shape)
    agree(lambda L, a: L.linalg.pinv(a), x)
    agree(lambda L, a: L.pinverse(a) + a.pinverse(), x)
    agree(lambda L, a: L.linalg.pinv(a, atol=0.5, rtol=0.01), x, second=False)
    b = numbers(*shape[:-1], 2, seed=3) if kind == "f" else complexes(*shape[:-1], 2, seed=3)
    agree(lambda L, a, b: L.linalg.lstsq(a, b).solution, x, b)
    agree(lambda L, a, b: tuple(L.linalg.lstsq(a, b))[1:], x, b, gradients=False)
    for driver in ("gels", "gelsd", "gelss"):
        agree(
            lambda L, a, b, d=driver: tuple(L.linalg.lstsq(a, b, driver=d)), x, b, gradients=False
        )
    square = x @ np.conj(np.swapaxes(x, -1, -2))
    if shape[-2] <= shape[-1]:
        agree(lambda L, a: L.linalg.pinv(a + a.mH, hermitian=True), square, second=False)


ORDERS = (2, 1, 0, 3, 0.5, 2.5, -1, -2, math.inf, -math.inf)


@KINDS
@pytest.mark.parametrize("order", ORDERS)
def test_norms_of_vectors(kind: str, order: float) -> None:
    x = numbers(3, 4, 2) if kind == "f" else complexes(3, 4, 2)
    for dim, keep in ((None, False), (1, False), ((0, 2), True), (-1, True), (None, True)):
        agree(lambda L, a, d=dim, k=keep: L.linalg.vector_norm(a, order, d, k), x)
    agree(lambda L, a: L.linalg.norm(a[0, 0], order), x)
    agree(lambda L, a: L.linalg.norm(a, order, 1, True), x)
    if order not in (-1, -2, 0.5):
        agree(lambda L, a: L.norm(a, order, 1), x)


@KINDS
@pytest.mark.parametrize("order", ["fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf])
def test_norms_of_matrices(kind: str, order: Any) -> None:
    x = numbers(3, 4, 2) if kind == "f" else complexes(3, 4, 2)
    for dim, keep in (((-2, -1), False), ((0, 2), True), ((1, 0), False)):
        agree(lambda L, a, d=dim, k=keep: L.linalg.matrix_norm(a, order, d, k), x)
        agree(lambda L, a, d=dim, k=keep: L.linalg.norm(a, order, d, k), x)
    agree(lambda L, a: L.linalg.norm(a[0], order), x)
    square = regular(2, 3, 3, kind=kind)
    agree(lambda L, a: L.linalg.cond(a, order), square, gradients=order in ("nuc", 2, -2))


def test_norm_without_an_order() -> None:
    x = numbers(3, 4, 2)
    agree(lambda L, a: L.linalg.norm(a), x)
    agree(lambda L, a: L.linalg.norm(a, dim=1), x)
    agree(lambda L, a: L.linalg.norm(a, dim=(0, 1), keepdim=True), x)
    agree(lambda L, a: L.linalg.norm(a, dtype=L.float64), np.float32(x))
    agree(lambda L, a: L.linalg.cond(a), x)
    agree(lambda L, a: L.linalg.vector_norm(a), np.zeros(3), second=False)
    agree(lambda L, a: L.linalg.vector_norm(a, 1), np.zeros(3))
    slope = lambda L, a: L.autograd.grad(L.linalg.vector_norm(a, 1), a, create_graph=True)[0].sum()
    agree(lambda L, a: slope(L, a) + 0 * a.sum(), np.array([[0.0, 0.0], [0.0, 2.0]]), second=False)
    agree(lambda L, a: L.linalg.vector_norm(a, math.inf), np.array([1.0, -1.0, 0.5]))
    agree(lambda L, a: L.norm(a, "nuc"), x[0])
    agree(lambda L, a: L.norm(a, p="fro", dim=(0, 1)), x)
    agree(lambda L, a: L.linalg.vector_norm(a, dim=0), np.array(3.0))
    agree(lambda L, a: L.linalg.vector_norm(a), np.zeros((0, 3)))


def test_rank() -> None:
    low = numbers(4, 2) @ numbers(2, 4, seed=1)
    batch = np.stack([low, numbers(4, 4)])
    for x in (low, batch, np.eye(3), np.zeros((2, 2))):
        agree(lambda L, a: L.linalg.matrix_rank(a), x)
        agree(lambda L, a: L.linalg.matrix_rank(a, hermitian=True), x @ np.swapaxes(x, -1, -2))
        agree(lambda L, a: L.linalg.matrix_rank(a, atol=1.0, rtol=0.1), x)
        agree(lambda L, a: L.linalg.matrix_rank(a, tol=1.0), x)
        agree(lambda L, a: L.linalg.matrix_rank(a, atol=L.tensor(0.5), rtol=L.tensor(0.1)), x)


@KINDS
def test_powers_and_exponentials(kind: str) -> None:
    x = regular(2, 3, 3, kind=kind) / 4
    for n in (0, 1, 2, 3, 5, -1, -3):
        agree(lambda L, a, n=n: L.linalg.matrix_power(a, n), x)
        agree(lambda L, a, n=n: L.matrix_power(a, n) + a.matrix_power(n), x)
    agree(lambda L, a: L.linalg.matrix_exp(a), x)
    agree(lambda L, a: L.matrix_exp(a * 9), x, rtol=1e-6, atol=1e-3)
    agree(lambda L, a: a.matrix_exp(), x[0] * 0)
    agree(lambda L, a: L.linalg.matrix_power(a, 3), np.array([[1, 2], [3, 4]]))


@KINDS
def test_chains_vectors_and_tensors(kind: str) -> None:
    make: Callable[..., Any] = numbers if kind == "f" else complexes
    a, b, c, v = make(2, 5), make(5, 3, seed=1), make(3, 4, seed=2), make(4, seed=3)
    agree(lambda L, a, b, c: L.linalg.multi_dot([a, b, c]), a, b, c)
    agree(lambda L, a, b: L.linalg.multi_dot((a, b)), a, b)
    agree(lambda L, a, b, c, v: L.linalg.multi_dot([a[0], b, c, v]), a, b, c, v)
    agree(lambda L, a, b, c: L.chain_matmul(a, b, c), a, b, c)
    agree(lambda L, x, y: L.linalg.vecdot(x, y), make(3, 4), make(4, seed=1))
    agree(lambda L, x, y: L.linalg.vecdot(x, y, dim=0), make(3, 4), make(3, 1, seed=1))
    agree(lambda L, x: L.linalg.vander(x), make(2, 3))
    agree(lambda L, x: L.linalg.vander(x, N=5), make(3))
    agree(lambda L, x: L.linalg.vander(x, N=2), np.array([1, 2, 3]))
    agree(lambda L, x: L.linalg.tensorinv(x), make(2, 3, 6) + np.eye(6).reshape(2, 3, 6) * 4)
    agree(lambda L, x: L.linalg.tensorinv(x, ind=1), make(4, 2, 2))
    agree(lambda L, x, y: L.linalg.tensorsolve(x, y), make(2, 3, 6), make(2, 3))
    agree(lambda L, x, y: L.linalg.tensorsolve(x, y, dims=(0,)), make(6, 2, 3), make(2, 3))
    agree(lambda L, x: L.linalg.diagonal(x, offset=1), make(2, 3, 4))
    agree(lambda L, a, b: L.linalg.matmul(a, b), a, b)


def test_single_precision_stays() -> None:
    x = ad.tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True)
    for out in (
        ad.linalg.inv(x), ad.linalg.det(x), ad.linalg.cholesky(x), ad.linalg.eigvalsh(x),
        ad.linalg.pinv(x), ad.linalg.matrix_exp(x), ad.linalg.norm(x), ad.linalg.svdvals(x),
    ):  # fmt: skip
        assert out.dtype is ad.float32
        (g,) = ad.autograd.grad(out.sum(), x, retain_graph=True)
        assert g.dtype is ad.float32


def test_out() -> None:
    out = ad.empty(2, 2)
    assert ad.linalg.inv(ad.eye(2) * 2, out=out) is out
    assert out.tolist() == [[0.5, 0], [0, 0.5]]


def test_singular_matrices_are_named() -> None:
    singular = np.array([[1.0, 2], [2, 4]])
    kind = ad.linalg.LinAlgError
    assert issubclass(kind, RuntimeError)
    text = refuse(lambda L, a: L.linalg.inv(a), singular, kind=kind)
    assert text.startswith("linalg.inv: The diagonal element 2 is zero")
    text = refuse(lambda L, a: L.linalg.inv(a), np.stack([np.eye(2), singular]), kind=kind)
    assert text.startswith("linalg.inv: (Batch element 1): The diagonal element 2 is zero")
    text = refuse(lambda L, a: L.linalg.solve(a, a), singular, kind=kind)
    assert text == "torch.linalg.solve: The solver failed because the input matrix is singular."
    text = refuse(lambda L, a: L.linalg.cholesky(a), np.diag([1.0, 2, -1, 1]), kind=kind)
    assert text == (
        "linalg.cholesky: The factorization could not be completed because the input is not "
        "positive-definite (the leading minor of order 3 is not positive-definite)."
    )
    agree(lambda L, a: L.linalg.inv_ex(a).info, np.stack([np.eye(2), singular]))
    agree(lambda L, a: L.linalg.cholesky_ex(a).info, np.stack([np.eye(2), -singular]))
    agree(lambda L, a: L.linalg.cholesky_ex(a, upper=True).info, np.diag([1.0, -1]))
    agree(lambda L, a: L.linalg.solve_ex(a, a).info, singular)
    refuse(lambda L, a: L.linalg.inv_ex(a, check_errors=True), singular, kind=kind)
    for value in (np.nan, np.inf):  # of infinities LAPACK itself would never come back
        x = ad.full((2, 2), value)
        for function in (ad.linalg.svd, ad.linalg.pinv, ad.linalg.eigvals):
            with pytest.raises(kind, match="failed to converge"):
                function(x)
        assert ad.linalg.eigvalsh(x).isnan().all()
        assert ad.linalg.det(ad.full((3, 3), value)).isnan()


def test_refused() -> None:
    wide, vector, whole = numbers(2, 3), numbers(3), np.array([[1, 2], [3, 4]])
    for name in ("inv", "det", "slogdet", "cholesky", "eigh", "eig", "matrix_exp"):
        text = refuse(lambda L, a, name=name: getattr(L.linalg, name)(a), wide)
        assert "must be batches of square matrices, but they are 2 by 3 matrices" in text
    for name in ("inv", "det", "slogdet", "cholesky", "eigh", "qr", "svd", "pinv"):
        text = refuse(lambda L, a, name=name: getattr(L.linalg, name)(a), vector)
        assert "must have at least 2 dimensions" in text
        text = refuse(lambda L, a, name=name: getattr(L.linalg, name)(a), whole)
        assert "floating point or complex" in text
    assert "Incompatible shapes" in refuse(
        lambda L, a, b: L.linalg.solve(a, b), regular(3, 3), numbers(2, 2)
    )
    assert "cannot be multiplied" in refuse(lambda L, a: L.linalg.multi_dot([a, a]), wide)
    assert "at least 2" in refuse(lambda L, a: L.linalg.multi_dot([a]), wide)
    assert "not supported" in refuse(lambda L, a: L.linalg.matrix_norm(a, 3), wide)
    assert "different" in refuse(lambda L, a: L.linalg.matrix_norm(a, "fro", (0, 0)), wide)
    assert "1D or 2D" in refuse(lambda L, a: L.linalg.norm(a, 2), numbers(2, 2, 2))
    assert "invalid norm" in refuse(lambda L, a: L.linalg.cond(a, "x"), regular(2, 2))
    assert "square" in refuse(lambda L, a: L.linalg.cond(a, 1), wide)
    assert "identity" in refuse(lambda L, a: L.linalg.vector_norm(a, math.inf), np.zeros((0,)))
    assert "unrecognized mode" in refuse(lambda L, a: L.linalg.qr(a, "x"), wide)
    assert "UPLO" in refuse(lambda L, a: L.linalg.eigh(a, "X"), regular(2, 2))
    assert "nrows > ncols" in refuse(
        lambda L, a: L.linalg.qr(a, "complete")[0].sum().backward(), numbers(3, 2)
    )
    assert "Dimension out of range" in refuse(lambda L, a: L.linalg.vector_norm(a, 2, 5), vector)
    assert "requires square" in refuse(lambda L, a: L.linalg.cond(a, "fro"), wide)
