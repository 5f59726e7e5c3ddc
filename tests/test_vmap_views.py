"""What is written through a view in ``vmap`` reaches the memory that it views, as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

X = np.arange(54.0).reshape(2, 3, 3, 3)
V = np.array([[1.0, 2.0, 3.0], [-4.0, -5.0, -6.0]])

VIEWS: dict[str, Callable[[Any, Any], Any]] = {
    "diagonal": lambda L, x: x[0].diagonal(),
    "beside the diagonal": lambda L, x: x.diagonal(1, 0, 2)[0],
    "of a transposed one": lambda L, x: x[1].t().diagonal(0),
    "a diagonal of all": lambda L, x: x.diagonal(0, -1, -2)[:, :],
    "windows": lambda L, x: x[0].unfold(0, 2, 2),
    "windows behind": lambda L, x: x.unfold(2, 1, 2)[0, 0, :, 0],
    "strided": lambda L, x: x[0, 1].as_strided((2,), (2,)),
    "a window of strides": lambda L, x: x.as_strided((2, 3), (9, 4)),
}


@pytest.mark.parametrize("written", ["fill", "add", "assign"])
@pytest.mark.parametrize("view", VIEWS)
def test_writes_reach_the_memory(view: str, written: str) -> None:
    def run(L: Any) -> Any:
        def one(x: Any, v: Any) -> Any:
            x = x.clone()
            part = VIEWS[view](L, x)
            if written == "fill":
                part.fill_(7.0)
            elif written == "add":
                part.add_(v[0])
            else:
                part[..., :] = v[1] * 2
            return x

        return L.func.vmap(one)(L.tensor(X), L.tensor(V)).tolist()

    assert run(ad) == run(torch)


LAYOUTS: dict[str, Callable[[Any], Any]] = {
    "as it is": lambda x: x,
    "by columns": lambda x: x.transpose(-1, -2),
    "the batch second": lambda x: x.transpose(0, 1),
    "every other row": lambda x: x[:, :, ::2],
    "a part": lambda x: x[:, :, 1:, 1:],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_writes_reach_memory_of_any_layout(layout: str) -> None:
    """Also where it was not made inside, and in ``vmap`` of ``vmap``."""

    def run(L: Any) -> Any:
        x = LAYOUTS[layout](L.arange(54.0).reshape(2, 3, 3, 3).clone())
        vmap = L.func.vmap
        vmap(lambda a: L.as_strided(a, (2,), (1,)).mul_(3.0))(x)
        vmap(vmap(lambda a: a.fill_diagonal_(-1.0)))(x)
        vmap(vmap(lambda a: a.as_strided((2,), a.stride()[-1:]).add_(100.0)))(x)
        vmap(lambda a: L.as_strided(a[1], (2,), (1,), a[1].storage_offset()).add_(1.0))(x)
        return x.tolist()

    assert run(ad) == run(torch)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradients_of_strides_of_any_layout(layout: str) -> None:
    def run(L: Any) -> Any:
        loss = lambda x: (L.as_strided(x, (2, 2), (1, 2)) ** 2).sum()
        x = LAYOUTS[layout](L.arange(54.0).reshape(2, 3, 3, 3).clone())
        return L.func.vmap(L.func.grad(loss))(x).tolist()

    assert run(ad) == run(torch)


@pytest.mark.parametrize("name", ["diagonal", "windows", "strided", "a window of strides"])
def test_their_gradients(name: str) -> None:
    def run(L: Any) -> Any:
        loss = lambda x, v: (VIEWS[name](L, x * x) ** 2).sum() * v.sum()
        return L.func.vmap(L.func.grad(loss))(L.tensor(X), L.tensor(V)).tolist()

    np.testing.assert_allclose(run(ad), run(torch), rtol=1e-12)


@pytest.mark.parametrize("index", [
    lambda L: (slice(None), L.tensor([[0, 1], [1, 0]])),
    lambda L: (slice(None), [0, 2], 1),
    lambda L: (..., [0, 1]),
    lambda L: (L.tensor([0, 1]), slice(None), L.tensor([1, 2])),
    lambda L: (1, L.tensor([0, 2])),
    lambda L: L.tensor([True, False, True]),
])  # fmt: skip
def test_writes_at_index_arrays(index: Any) -> None:
    def run(L: Any) -> Any:
        def one(x: Any) -> Any:
            x = x.clone()
            shape = x[index(L)].shape
            x[index(L)] = L.arange(shape.numel(), dtype=L.float64).reshape(shape) + x[0, 0, 0]
            x[index(L)] *= 2
            return x

        return L.func.vmap(one)(L.tensor(X)).tolist()

    if index(torch).__class__ is torch.Tensor:  # a mask, which PyTorch does not map over
        expected = [x.copy() for x in X]
        for x in expected:
            at = np.array([True, False, True])
            x[at] = (np.arange(18).reshape(2, 3, 3) + x[0, 0, 0]) * 2
        assert run(ad) == [x.tolist() for x in expected]
    else:
        assert run(ad) == run(torch)
