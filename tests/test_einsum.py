"""einsum against NumPy's, its gradients against finite differences, its errors."""

from __future__ import annotations

import numpy as np
import pytest

import anadrome as ad
from anadrome import testing

CASES = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,kj->ik", (2, 3), (4, 3)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ba,ca", (2, 3), (4, 3)),
    ("ij->ji", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij->j", (3, 3, 2)),
    ("i,j->ij", (2,), (3,)),
    ("i,i->", (3,), (3,)),
    ("ij,ij->ij", (2, 3), (2, 3)),
    ("...ij,...jk->...ik", (5, 2, 3), (3, 4)),
    ("...ij,...jk", (2, 1, 2, 3), (5, 3, 4)),
    ("i...,i...->...", (2, 3), (2, 3)),
    ("...->...", (2, 3)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 2)),
    ("i,ij,j->", (2,), (2, 3), (3,)),
    ("bhqd,bhkd->bhqk", (2, 2, 3, 4), (2, 2, 5, 4)),
    ("ij,k->j", (2, 3), (4,)),
    (",i->i", (), (3,)),
    ("ij, jk -> ik", (2, 0), (0, 3)),
    ("aB,Ba->aB", (2, 3), (3, 2)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c[0])
def test_against_numpy(case: tuple) -> None:
    equation, *shapes = case
    arrays = [np.random.default_rng(i).standard_normal(s) for i, s in enumerate(shapes)]
    found = ad.einsum(equation, *[ad.tensor(a) for a in arrays])
    testing.assert_close(found, np.einsum(equation, *arrays), rtol=1e-12, atol=1e-12)
    listed = ad.einsum(equation, [ad.tensor(a) for a in arrays])
    testing.assert_close(found, listed)


@pytest.mark.parametrize("case", CASES[::2], ids=lambda c: c[0])
def test_gradients(case: tuple) -> None:
    equation, *shapes = case
    args = [ad.randn(s, dtype=ad.float64, requires_grad=True) for s in shapes]
    assert ad.autograd.gradcheck(lambda *xs: ad.einsum(equation, *xs), args)


@pytest.mark.torch
def test_sizes_of_one_broadcast_as_in_torch() -> None:
    import torch

    a, b = np.random.default_rng(0).random((2, 1)), np.random.default_rng(1).random((3, 4))
    for equation in ("ij,jk->ik", "ij,jk->ijk", "ij,jk->k"):
        found = ad.einsum(equation, ad.tensor(a), ad.tensor(b))
        wanted = torch.einsum(equation, torch.tensor(a), torch.tensor(b)).numpy()
        testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("equation", "shapes", "text"),
    [
        ("ij,jk->ik", [(2, 3)], "has 2 operands, but 1 were given"),
        ("ij->i", [(2, 3, 4)], r"number of subscripts in the equation \(2\) does not match the "
                              r"number of dimensions \(3\)"),
        ("ij,jk->ik", [(2, 3), (4, 5)], "subscript j has size 4 .* previously seen size 3"),
        ("ij->k", [(2, 3)], "output subscript k does not appear"),
        ("ij->ii", [(2, 3)], "output subscript i appears more than once"),
        ("ii->i", [(2, 3)], "subscript i is repeated for an operand but the sizes don't match"),
        ("i1->i", [(2, 3)], "invalid subscript"),
    ],
)  # fmt: skip
def test_errors(equation: str, shapes: list, text: str) -> None:
    with pytest.raises(RuntimeError, match=text):
        ad.einsum(equation, *[ad.ones(s) for s in shapes])
