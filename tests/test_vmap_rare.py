"""``vmap`` of functions that look at numbers, or write their inputs: as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

A = np.random.default_rng(0).standard_normal((2, 3, 4, 4))
A = A @ A.swapaxes(-1, -2) + np.eye(4)

LOOKING: dict[str, Callable[[Any, Any], Any]] = {
    "lu_solve": lambda L, a: L.linalg.lu_solve(*L.linalg.lu_factor(a), a[:, :2]),
    "lu_solve on the right": lambda L, a: L.linalg.lu_solve(
        *L.linalg.lu_factor(a), a[:2], left=False, adjoint=True
    ),
    "lu_unpack": lambda L, a: L.lu_unpack(*L.linalg.lu_factor(a))[:2],
    "ldl_factor": lambda L, a: tuple(L.linalg.ldl_factor(a)),
    "ldl_solve": lambda L, a: L.linalg.ldl_solve(*L.linalg.ldl_factor(a - 4), a[:, :1]),
    "bincount": lambda L, a: L.bincount(a[0].abs().long(), minlength=40),
    "weights of bincount": lambda L, a: L.bincount(a[0].abs().long(), a[1], 40),
    "another type": lambda L, a: (a.view(L.int64), a.view(L.uint8)),
}


def numbers(found: Any) -> list[Any]:
    return [t.numpy() for t in (found if isinstance(found, tuple) else (found,))]


@pytest.mark.parametrize("name", LOOKING)
def test_functions_that_look_at_numbers(name: str) -> None:
    def run(L: Any, levels: int) -> list[Any]:
        call = lambda a: LOOKING[name](L, a)
        if levels == 1:
            return numbers(L.func.vmap(call)(L.tensor(A[0])))
        return numbers(L.func.vmap(L.func.vmap(call), in_dims=1)(L.tensor(A)))

    for levels in (1, 2) if "bincount" not in name else (1,):
        for found, wanted in zip(run(ad, levels), run(torch, levels), strict=True):
            assert str(found.dtype) == str(wanted.dtype)
            np.testing.assert_allclose(found, wanted, atol=1e-9)


def test_gradients_of_a_solution_from_factors() -> None:
    def run(L: Any) -> Any:
        loss = lambda a: L.linalg.lu_solve(*L.linalg.lu_factor(a), a[:, :2] ** 2).sin().sum()
        return L.func.vmap(L.func.grad(loss))(L.tensor(A[0])).numpy()

    np.testing.assert_allclose(run(ad), run(torch), rtol=1e-6)


def test_a_singular_example_is_refused() -> None:
    x = ad.eye(2).expand(3, 2, 2).clone()
    x[1] = 0
    with pytest.raises(RuntimeError, match="Batch element 1.*singular"):
        ad.func.vmap(ad.linalg.ldl_factor)(x)


def test_running_statistics_of_each_example() -> None:
    def one(x: Any, mean: Any, var: Any) -> Any:
        L = ad if isinstance(x, ad.Tensor) else torch
        return L.nn.functional.batch_norm(x, mean, var, training=True, momentum=0.3)

    def run(L: Any, call: Any, *indices: Any) -> list[Any]:
        x, mean = L.tensor(A), L.arange(24.0, dtype=L.float64).reshape(2, 3, 4)
        var = mean + 1
        for i in indices:
            call(x[i], mean[i], var[i])
        return [mean.numpy(), var.numpy()]

    pairs = [(i, j) for i in range(2) for j in range(3)]
    wanted = run(torch, one, *pairs)
    for found in (
        run(torch, torch.func.vmap(one), 0, 1),
        run(ad, ad.func.vmap(one), 0, 1),
        run(ad, ad.func.vmap(ad.func.vmap(one), in_dims=1), ...),
    ):
        for one_of_ours, theirs in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one_of_ours, theirs, rtol=1e-9)


def test_running_statistics_that_all_examples_would_write() -> None:
    for L in (ad, torch):
        mean, var = L.zeros(4, dtype=L.float64), L.ones(4, dtype=L.float64)
        call = L.func.vmap(lambda x: L.nn.functional.batch_norm(x, mean, var, training=True))
        with pytest.raises(RuntimeError, match="(?i)batch norm|running_mean"):
            call(L.tensor(A[0]))
