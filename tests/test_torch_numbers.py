"""Incomplete gamma functions, neighbours, mantissas, differences, compared with PyTorch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, math.inf, -math.inf, math.nan, 5e-324, 1e308, 1.0 - 2**-53, 3.0]


@pytest.mark.parametrize("name", ["igamma", "igammac"])
def test_incomplete_gamma_functions(name: str) -> None:
    a = np.abs(numbers(3, 4, low=0.2, high=20.0))

    def call(L: Any, x: Any) -> Any:
        at = L.tensor(a)
        return (getattr(L, name)(at, x), getattr(L.special, name.replace("igamma", "gammainc"))(
            at, x), getattr(at, name)(x))  # fmt: skip

    agree(call, numbers(3, 4, seed=2, low=0.1, high=25.0))
    agree(lambda L, x: getattr(L, name)(L.tensor(2.5), x), numbers(4, seed=3, low=0.1, high=9.0))


@pytest.mark.parametrize("name", ["igamma", "igammac"])
def test_their_edges(name: str) -> None:
    pairs = np.array([(a, x) for a in EDGES[:8] for x in EDGES[:8]])
    call = lambda L, p: getattr(L, name)(L.tensor(p.T[0].copy()), L.tensor(p.T[1].copy()))
    np.testing.assert_allclose(call(ad, pairs).numpy(), call(torch, pairs).numpy(), rtol=1e-7)


def test_incomplete_gamma_is_exact_where_pytorch_is_not() -> None:
    """Against values of mpmath, to 17 digits; PyTorch's differ from them by up to 1e-9."""
    for a, x, exact in (
        (31.0, 31.0, 0.52388802018787423),
        (200.0, 180.0, 0.074858034984159582),
        (1e4, 1e4, 0.50132980833995520),
        (0.3, 0.01, 0.27924099635901486),
    ):
        found = ad.igamma(ad.tensor(a, dtype=ad.float64), ad.tensor(x, dtype=ad.float64))
        assert abs(found.item() / exact - 1) < 1e-13


def test_incomplete_gamma_in_place_and_refused() -> None:
    def call(L: Any) -> Any:
        return L.tensor([1.0, 2.0]).igamma_(L.tensor([0.5, 3.0])).tolist()

    assert call(ad) == pytest.approx(call(torch))
    refuse(lambda L, a: L.igamma(a, L.ones(2)).sum().backward(), numbers(2, low=1.0))
    refuse(lambda L: L.igamma(L.tensor([1]), L.tensor([2])))


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64"])
def test_the_next_number(kind: str) -> None:
    def call(L: Any) -> Any:
        values = L.tensor([v for v in EDGES if v not in (5e-324, 1e308)]).to(getattr(L, kind))
        out = L.nextafter(values.unsqueeze(1), values)
        return str(out.dtype).rpartition(".")[2], out.to(L.float64).numpy()

    ours, theirs = call(ad), call(torch)
    assert ours[0] == theirs[0]
    np.testing.assert_array_equal(ours[1], theirs[1])


def test_gradients_and_types_of_the_next_number() -> None:
    agree(lambda L, a, b: L.nextafter(a, b), np.array([1.0, 2.0, 0.0]), np.array([1.0, 1.0, 5.0]))

    def call(L: Any) -> Any:
        mixed = L.nextafter(L.tensor([1.0]), L.tensor([2.0], dtype=L.float64))
        return mixed.tolist(), L.tensor([1.0]).nextafter_(L.tensor([0.0])).tolist()

    assert call(ad) == call(torch)
    refuse(lambda L: L.nextafter(L.tensor([1]), L.tensor([2])))


def test_mantissa_and_exponent() -> None:
    values = np.array([*EDGES, -8.0, 2.0**-1022, 1e-310, 7.9999])
    ours, theirs = ad.frexp(ad.tensor(values)), torch.frexp(torch.tensor(values))
    np.testing.assert_array_equal(ours.mantissa.numpy(), theirs.mantissa.numpy())
    np.testing.assert_array_equal(ours.exponent.numpy()[:5], theirs.exponent.numpy()[:5])
    finite = np.isfinite(values)
    np.testing.assert_array_equal(ours.exponent.numpy()[finite], theirs.exponent.numpy()[finite])
    assert str(ours.exponent.dtype).endswith("int32")
    agree(lambda L, x: L.frexp(x)[0], numbers(3, 4))
    refuse(lambda L: L.frexp(L.tensor([1])))


SPACINGS: list[Any] = [
    {}, {"spacing": 0.5}, {"dim": 1}, {"dim": (0, -1)}, {"dim": -1, "spacing": 2.0},
    {"spacing": [0.5, 2.0]}, {"dim": (1, 0), "spacing": [0.5, 2.0]},
]  # fmt: skip


@pytest.mark.parametrize("edge_order", [1, 2])
@pytest.mark.parametrize("given", SPACINGS)
def test_differences(given: Any, edge_order: int) -> None:
    agree(lambda L, x: L.gradient(x, edge_order=edge_order, **given), numbers(4, 5))


@pytest.mark.parametrize("edge_order", [1, 2])
def test_differences_of_uneven_places(edge_order: int) -> None:
    places = [[0.0, 1.0, 1.5, 4.0], [0.0, 0.5, 2.0, 2.5, 7.0]]

    def call(L: Any, x: Any) -> Any:
        space = [L.tensor(p, dtype=L.float64) for p in places]
        return (
            L.gradient(x, spacing=space, edge_order=edge_order),
            L.gradient(x, spacing=(space[1],), dim=1, edge_order=edge_order),
        )

    agree(call, numbers(4, 5))
    agree(lambda L, x: L.gradient(x), numbers(2, 2))


def test_wrong_differences() -> None:
    for call in (
        lambda L, x: L.gradient(x, edge_order=3),
        lambda L, x: L.gradient(x, dim=(0, 0)),
        lambda L, x: L.gradient(x, dim=2),
        lambda L, x: L.gradient(x, spacing=[1.0]),
        lambda L, x: L.gradient(x[:1]),
    ):
        refuse(call, numbers(4, 5))


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("length", [0, 1, 5, 8])
def test_kaisers_window(length: int, periodic: bool) -> None:
    def call(L: Any) -> Any:
        return (
            L.kaiser_window(length, periodic, dtype=L.float64),
            L.kaiser_window(length, periodic, beta=3.0, dtype=L.float64),
        )

    agree(call)


def test_methods_in_place_that_are_loaded_late() -> None:
    def call(L: Any) -> Any:
        x = L.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=L.float64)
        return [
            x.clone().i0_().tolist(),
            (x + 1).mvlgamma_(2).tolist(),
            x.clone().renorm_(2, 0, 2.0).tolist(),
        ]

    for ours, theirs in zip(call(ad), call(torch)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7)
