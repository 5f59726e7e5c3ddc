"""Products of matrices, vectors and tensors as in PyTorch: values, gradients, shapes, errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = pytest.mark.torch


def complexes(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(numbers(*shape, seed=seed) + 1j * numbers(*shape, seed=seed + 50))


def whole(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-4, 5, shape)


MAKERS = pytest.mark.parametrize("make", [numbers, complexes, whole])

SHAPES = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3,)),
    ((5, 2, 3), (3, 4)), ((3,), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)),
    ((1, 2, 3), (5, 3, 4)), ((4, 1, 2, 3), (5, 3, 2)), ((2, 0), (0, 3)), ((0, 3), (3, 2)),
    ((0, 2, 3), (3, 4)), ((2, 3, 0), (0, 2)), ((1, 1), (1,)), ((2, 2, 2, 3), (3,)),
    ((0,), (0,)), ((2, 3), (0, 3, 2)),
]  # fmt: skip


@MAKERS
@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_matmul(make: Any, a: Any, b: Any) -> None:
    agree(lambda L, x, y: L.matmul(x, y), make(*a), make(*b, seed=1))
    agree(lambda L, x, y: x @ y, make(*a), make(*b, seed=1))


@MAKERS
def test_products_by_name(make: Any) -> None:
    a, b, v, w = make(2, 3), make(3, 4, seed=1), make(3, seed=2), make(2, seed=3)
    agree(lambda L, a, b: L.mm(a, b) + a.mm(b), a, b)
    agree(lambda L, a, v: L.mv(a, v) + a.mv(v), a, v)
    agree(lambda L, v: L.dot(v, v) * v.dot(v), v)
    agree(lambda L, v, u: L.vdot(v, u) + v.vdot(u), v, make(3, seed=5))
    agree(lambda L, v, w: L.outer(v, w) + v.outer(w) + L.ger(v, w), v, w)
    agree(lambda L, a, b: L.bmm(a, b) + a.bmm(b), make(2, 2, 3), make(2, 3, 4, seed=1))
    agree(lambda L, a: L.trace(a) * a.trace(), make(3, 4))
    agree(lambda L, a: L.trace(a), make(0, 0))


@MAKERS
@pytest.mark.parametrize("shape", [(2, 4), (4,), (), (1, 4), (2, 1)])
def test_products_that_are_added(make: Any, shape: Any) -> None:
    x, a, b = make(*shape), make(2, 3, seed=1), make(3, 4, seed=2)
    for kw in ({}, {"beta": 2}, {"alpha": 3}, {"beta": 0, "alpha": 2}):
        agree(lambda L, x, a, b, kw=kw: L.addmm(x, a, b, **kw) * x.addmm(a, b, **kw), x, a, b)
        agree(
            lambda L, x, a, b, kw=kw: L.baddbmm(x, a, b, **kw) + x.baddbmm(a, b, **kw),
            x, np.stack([a, a * 2]), np.stack([b, b + 1]),
        )  # fmt: skip
        agree(
            lambda L, x, a, b, kw=kw: L.addbmm(x, a, b, **kw) + x.addbmm(a, b, **kw),
            x, np.stack([a, a * 2]), np.stack([b, b + 1]),
        )  # fmt: skip
        if len(shape) < 2:
            y = make(*((2,) if shape else ()))
            agree(lambda L, y, a, v, kw=kw: L.addmv(y, a, v, **kw) + y.addmv(a, v, **kw),
                  y, a, make(3, seed=4))  # fmt: skip
        agree(lambda L, x, v, w, kw=kw: L.addr(x, v, w, **kw) + x.addr(v, w, **kw),
              x, make(2, seed=5), make(4, seed=6))  # fmt: skip


def test_beta_of_zero_reads_nothing() -> None:
    for name in ("addmm", "addr", "addmv", "baddbmm", "addbmm"):
        parts = {
            "addmm": (numbers(2, 3), numbers(3, 2)), "addr": (numbers(2), numbers(2)),
            "addmv": (numbers(2, 3), numbers(3)), "baddbmm": (numbers(2, 2, 3), numbers(2, 3, 2)),
            "addbmm": (numbers(2, 2, 3), numbers(2, 3, 2)),
        }[name]  # fmt: skip
        agree(
            lambda L, x, a, b, name=name: getattr(L, name)(x, a, b, beta=0),
            np.full((2,), np.nan), *parts, second=False,
        )  # fmt: skip
    agree(lambda L, x, a: L.addmm(x, a, a, beta=0.5, alpha=0.25), numbers(2, 2), numbers(2, 2))


@MAKERS
def test_factors_of_integers(make: Any) -> None:
    agree(lambda L, a: L.addmm(a, a, a, beta=2.5, alpha=1.5), make(2, 2))
    agree(lambda L, a: L.addmv(a[0], a, a[0], beta=0.5), make(2, 2))


@MAKERS
def test_contractions(make: Any) -> None:
    agree(lambda L, a, b: L.tensordot(a, b), make(2, 3, 4), make(3, 4, 5, seed=1))
    agree(lambda L, a, b: L.tensordot(a, b, dims=1), make(2, 3), make(3, 4, 5, seed=1))
    agree(lambda L, a, b: L.tensordot(a, b, 0), make(2), make(3, seed=1))
    agree(lambda L, a, b: L.tensordot(a, b, ([0, 2], [1, 0])), make(2, 3, 4), make(4, 2, 5, seed=1))
    agree(lambda L, a, b: L.tensordot(a, b, dims=([-1], [0])), make(2, 3), make(3, 4, seed=1))
    agree(lambda L, a, b: L.tensordot(a, b, ([1], [0])), make(2, 1), make(3, 4, seed=1))
    agree(lambda L, a, b: L.tensordot(a, b, 2), make(3, 4), make(3, 4, seed=1))
    for a, b in (((3,), (3,)), ((2, 3), (3,)), ((2, 3), (4, 3)), ((), (2, 3)), ((), ()),
                 ((2, 1, 3), (4, 3))):  # fmt: skip
        agree(lambda L, x, y: L.inner(x, y), make(*a), make(*b, seed=1))
    for a, b in (((2, 3), (3, 2)), ((2,), (3, 2)), ((2, 1, 3), (2,)), ((), (3,)), ((), ()),
                 ((2, 0), (1, 2))):  # fmt: skip
        agree(lambda L, x, y: L.kron(x, y), make(*a), make(*b, seed=1))
    agree(lambda L, a, b: L.linalg.cross(a, b), make(4, 3), make(4, 3, seed=1))
    agree(lambda L, a, b: L.linalg.cross(a, b, dim=0), make(3, 2), make(3, 1, seed=1))
    agree(lambda L, a, b: L.cross(a, b, dim=-1) + a.cross(b, 1), make(4, 3), make(1, 3, seed=1))


EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ij->ji", (2, 3)), ("ba", (2, 3)),
    ("ii->i", (3, 3)), ("ii", (3, 3)), ("iji->j", (3, 2, 3)), ("...ii->...i", (2, 3, 3)),
    ("...ij->...ji", (2, 3, 4)), ("i,i", (3,), (3,)), ("i,j->ij", (2,), (3,)), ("ij->", (2, 3)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 2)), ("...ij,...jk", (2, 3, 4), (4, 2)),
    ("i...,i...->...", (2, 3), (2, 3)), ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("bn,anm,bm->ba", (2, 3), (4, 3, 5), (2, 5)), ("aB,Ba->aB", (2, 3), (3, 2)),
    ("a...b,b...c->a...c", (2, 5, 3), (3, 5, 4)), ("ij , jk -> ik", (2, 3), (3, 4)),
    ("ij,ij->ij", (2, 3), (1, 3)), ("...,...->...", (2, 3), (3,)), (",ij->ij", (), (2, 3)),
    ("iii->i", (2, 2, 2)), ("iijj->ij", (2, 2, 3, 3)), ("ij,kj->", (2, 3), (4, 3)),
    ("zyx,Zx", (2, 3, 4), (2, 4)), ("i...->...", (2, 3)), ("ij,jk->ik", (0, 3), (3, 2)),
]  # fmt: skip


@MAKERS
@pytest.mark.parametrize("case", EQUATIONS, ids=lambda c: c[0])
def test_einsum(make: Any, case: Any) -> None:
    equation, *shapes = case
    arrays = [make(*s, seed=i) for i, s in enumerate(shapes)]
    agree(lambda L, *xs: L.einsum(equation, *xs), *arrays)
    agree(lambda L, *xs: L.einsum(equation, list(xs)), *arrays, second=False)


def test_einsum_with_lists_of_subscripts() -> None:
    a, b = numbers(2, 3), numbers(3, 4, seed=1)
    agree(lambda L, a, b: L.einsum(a, [0, 1], b, [1, 2], [0, 2]), a, b)
    agree(lambda L, a, b: L.einsum(a, [0, 1], b, [1, 2]), a, b)
    agree(lambda L, a: L.einsum(a, [..., 0, 1], [..., 1, 0]), numbers(2, 3, 4))
    agree(lambda L, a: L.einsum(a, [51, 0]), a)
    assert "valid range" in refuse(lambda L, a: L.einsum(a, [0, 99]), a)


@pytest.mark.parametrize("p", [0, 1, 2, 3, 1.5, math.inf])
def test_distances(p: float) -> None:
    second = p == 2
    agree(lambda L, a, b: L.cdist(a, b, p=p), numbers(3, 4), numbers(5, 4, seed=1), second=False)
    agree(lambda L, a, b: L.cdist(a, b, p=p), numbers(2, 3, 4), numbers(5, 4, seed=1), second=False)
    agree(lambda L, a, b: L.cdist(a, b, p), numbers(2, 1, 3, 4), numbers(3, 5, 4, seed=1),
          second=False)  # fmt: skip
    agree(lambda L, a, b: L.cdist(a, b, p), numbers(0, 4), numbers(5, 4), second=False)
    agree(lambda L, a, b: L.cdist(a, b, p), numbers(3, 0), numbers(5, 0), second=False)
    agree(lambda L, a: L.cdist(a, a, p), numbers(3, 2), second=False)
    agree(lambda L, a: L.pdist(a, p), numbers(4, 3), second=False)
    agree(lambda L, a: L.nn.functional.pdist(a, p), numbers(4, 3), second=False)
    agree(lambda L, a, b: L.cdist(a, b, p), numbers(30, 4), numbers(5, 4, seed=1), second=second)
    x = ad.tensor(numbers(3, 2), requires_grad=True)
    y = ad.tensor(numbers(4, 2, seed=1), requires_grad=True)
    if p in (1.5, 2, 3):
        assert ad.autograd.gradgradcheck(lambda x, y: ad.cdist(x, y, p), (x, y))


def test_how_distances_are_computed() -> None:
    for mode in ("use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"):
        agree(lambda L, a, b, m=mode: L.cdist(a, b, compute_mode=m), numbers(3, 4),
              numbers(5, 4, seed=1), second=mode[0] == "u")  # fmt: skip


def test_in_place() -> None:
    def added(L: Any, x: Any, a: Any) -> Any:
        y = x * 1
        y.addmm_(a, a, beta=2).addr_(a[0], a[1], alpha=0.5)
        y[0].addmv_(a, a[0])
        z = y.unsqueeze(0) * 1
        return z.baddbmm_(a.unsqueeze(0), a.unsqueeze(0)) + y.addbmm_(a[None], a[None])

    agree(added, numbers(2, 2), numbers(2, 2, seed=1))


def test_out() -> None:
    out = ad.empty(2, 2)
    for call in (
        lambda: ad.mm(ad.eye(2), ad.eye(2), out=out),
        lambda: ad.matmul(ad.eye(2), ad.eye(2), out=out),
        lambda: ad.addmm(ad.zeros(2), ad.eye(2), ad.eye(2), out=out),
        lambda: ad.kron(ad.eye(2), ad.eye(1), out=out),
    ):
        out.zero_()
        assert call() is out
        assert out.tolist() == [[1, 0], [0, 1]]


REFUSED: list[tuple[str, Any, tuple[Any, ...]]] = [
    ("self must be a matrix", lambda L, a, b: L.mm(a, b), (numbers(3), numbers(3, 2))),
    ("mat2 must be a matrix", lambda L, a, b: L.mm(a, b), (numbers(2, 3), numbers(3))),
    ("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)", lambda L, a: L.mm(a, a),
     (numbers(2, 3),)),
    ("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)", lambda L, a: a @ a,
     (numbers(2, 3),)),
    ("both arguments to matmul need to be at least 1D, but they are 0D and 1D",
     lambda L, a, b: L.matmul(a, b), (numbers(), numbers(3))),
    ("expected m1 and m2 to have the same dtype", lambda L, a: a @ a.float(), (numbers(2, 2),)),
    ("batch1 must be a 3D tensor", lambda L, a: L.bmm(a, a), (numbers(2, 2),)),
    ("Expected size for first two dimensions of batch2 tensor to be: [2, 3] but got: [2, 2]",
     lambda L, a: L.bmm(a, a), (numbers(2, 2, 3),)),
    ("size mismatch, got input (2), mat (2x3), vec (2)", lambda L, a, v: L.mv(a, v),
     (numbers(2, 3), numbers(2))),
    ("vector + matrix @ vector expected, got 1, 1, 1", lambda L, v: L.mv(v, v), (numbers(2),)),
    ("1D tensors expected, but got 2D and 2D tensors", lambda L, a: L.dot(a, a), (numbers(2, 2),)),
    ("inconsistent tensor size, expected tensor [2] and src [3]", lambda L, a, b: L.dot(a, b),
     (numbers(2), numbers(3))),
    ("outer: Expected 1-D argument self, but got 2-D", lambda L, a: L.outer(a, a),
     (numbers(2, 2),)),
    ("mat1 must be a matrix, got 3-D tensor", lambda L, a: L.addmm(a, a, a), (numbers(2, 2, 2),)),
    ("The expanded size of the tensor (2) must match the existing size (3)",
     lambda L, x, a: L.addmm(x, a, a), (numbers(3), numbers(2, 2))),
    ("For integral input tensors, argument beta must not be a floating point number.",
     lambda L, a: L.addr(a, a[0], a[0], beta=0.5), (whole(2, 2),)),
    ("contracted dimensions need to match", lambda L, a: L.tensordot(a, a, 1), (numbers(2, 3),)),
    ("tensordot expects dims >= 0", lambda L, a: L.tensordot(a, a, -1), (numbers(2, 3),)),
    ("both dimension lists", lambda L, a: L.tensordot(a, a, ([0], [0, 1])), (numbers(2, 3),)),
    ("the last dimension must match", lambda L, a: L.inner(a, a.T), (numbers(2, 3),)),
    ("not implemented for bool", lambda L, a: a @ a, (np.ones((2, 2), bool),)),
    ("not implemented for bool", lambda L, a: L.dot(a, a), (np.ones(2, bool),)),
    ("not implemented for bool", lambda L, a: L.addmm(a, a, a), (np.ones((2, 2), bool),)),
    ("not implemented for float16", lambda L, a: L.cdist(a, a), (np.ones((2, 2), np.float16),)),
    ("trace: expected a matrix", lambda L, a: L.trace(a), (numbers(3),)),
    ("must have length 3", lambda L, a: L.linalg.cross(a, a), (numbers(2, 2),)),
    ("X1 got: 1D", lambda L, a: L.cdist(a, a), (numbers(3),)),
    ("same number of columns. X1: 3 X2: 2", lambda L, a: L.cdist(a, a[:, :2]), (numbers(2, 3),)),
    ("non-negative p", lambda L, a: L.cdist(a, a, p=-1), (numbers(2, 3),)),
    ("2D tensors, got: 3D", lambda L, a: L.pdist(a), (numbers(2, 3, 1),)),
    ("einsum()", lambda L, a: L.einsum("ij,jk->ik", a), (numbers(2, 3),)),
    ("einsum()", lambda L, a: L.einsum("ijk->i", a), (numbers(2, 3),)),
    ("einsum()", lambda L, a: L.einsum("ij->iz", a), (numbers(2, 3),)),
    ("einsum()", lambda L, a: L.einsum("ij->ii", a), (numbers(2, 3),)),
    ("einsum()", lambda L, a: L.einsum("ii->i", a), (numbers(2, 3),)),
    ("einsum()", lambda L, a, b: L.einsum("ij,jk->ik", a, b), (numbers(2, 3), numbers(4, 2))),
    ("einsum()", lambda L, a: L.einsum("i1->i", a), (numbers(2, 3),)),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refused(number: int) -> None:
    text, call, arrays = REFUSED[number]
    assert text in refuse(call, *arrays)
