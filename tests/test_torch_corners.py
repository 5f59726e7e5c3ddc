"""Corners of functions that the table's samples do not reach, as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

NAN, INF = np.nan, np.inf


def float32(*values: Any) -> np.ndarray:
    return np.array(values, np.float32)


def test_the_slope_of_sinc_where_the_square_is_too_small() -> None:
    near = float32(1e-40, 1e-30, -1e-25, 1e-22, 1e-12, 0.3)
    agree(lambda L, x: L.sinc(x), near, second=False)


def test_a_large_value_through_gelu_by_tanh() -> None:
    agree(lambda L, x: L.nn.functional.gelu(x, approximate="tanh"), float32(3e38, -3e38, 1.0))


@pytest.mark.parametrize("between", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles_beside_an_infinite_value(between: str) -> None:
    x = float32([3, INF, 1], [-INF, 2, 0], [1, 3, INF])
    for dim in (None, 0, 1):
        agree(
            lambda L, x, q, dim=dim: L.quantile(x, q, dim, interpolation=between),
            x,
            float32(0.1, 0.3, 0.5, 0.8),
            second=False,
        )


def test_the_variance_of_nothing_whatever_the_correction() -> None:
    for correction in (-1, 0, 1):
        agree(lambda L, x, c=correction: L.var(x, correction=c), float32(), second=False)


def test_distances_with_ties_and_what_is_not_finite() -> None:
    ties = float32([3, 1, 3, 1], [1, 1, 2, 3], [3, 3, 0, 0])
    agree(lambda L, x: L.nn.functional.pdist(x, INF), ties, second=False)
    odd = float32([INF, 1, 3], [2, 1, NAN], [3, 4, 1])
    agree(lambda L, x: L.nn.functional.pdist(x, 0.0), odd, second=False)
    agree(lambda L, x: L.cdist(x, x.flip(0), 0.0), odd, second=False)


def test_a_grid_takes_part_where_the_nearest_pixel_is_taken() -> None:
    def sampled(L: Any, grid: Any) -> Any:
        x = L.arange(12.0, dtype=grid.dtype).reshape(1, 1, 3, 4)
        return L.nn.functional.grid_sample(x, grid, "nearest", align_corners=False)

    agree(sampled, numbers(1, 2, 2, 2), second=False)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "bool", "int32"])
def test_vander_of_each_type(kind: str) -> None:
    for N in (None, 1, 4):
        found, wanted = (L.vander(L.tensor([1, 2, 0]).to(getattr(L, kind)), N) for L in (ad, torch))
        assert str(found.dtype).split(".")[1] == str(wanted.dtype).split(".")[1]
        assert found.tolist() == wanted.tolist()


def test_tangents_of_a_power_of_zero() -> None:
    for base, exponent in ((0.0, 0.0), (0.0, 1.0), (2.0, 0.0), (INF, 0.0)):
        found, wanted = (
            L.func.jvp(
                L.pow,
                (L.tensor(base), L.tensor(exponent)),
                (L.tensor(1.5), L.tensor(1.25)),
            )[1]
            for L in (ad, torch)
        )
        np.testing.assert_allclose(found.item(), wanted.item(), rtol=1e-6)


MAPPED = {
    "addmm": lambda L, x: L.addmm(x[:, :3], x, x.mT, beta=0.5, alpha=2),
    "addmv": lambda L, x: L.addmv(x[:, 0], x, x[0], beta=0.5, alpha=2),
    "addr": lambda L, x: L.addr(x, x[:, 0], x[0], beta=2, alpha=2),
    "baddbmm": lambda L, x: L.baddbmm(x[None, :, :3], x[None], x.mT[None], beta=0.5, alpha=2),
    "dot": lambda L, x: L.dot(x[0], x[1]),
}


@pytest.mark.parametrize("name", MAPPED)
def test_products_keep_their_type_under_vmap(name: str) -> None:
    kinds = ["bfloat16", "float16", "float32"] + ["uint8", "int32"] * (name == "dot")
    for kind in kinds:
        found, wanted = (
            L.func.vmap(lambda x, L=L: MAPPED[name](L, x))(
                L.arange(24).reshape(2, 3, 4).to(getattr(L, kind))
            )
            for L in (ad, torch)
        )
        assert str(found.dtype).split(".")[1] == kind
        np.testing.assert_allclose(found.double().numpy(), wanted.double().numpy(), rtol=1e-2)


@pytest.mark.parametrize("bound", [1.0, 0.3, INF, 1e-30])
def test_smooth_losses_at_their_bound_and_far_from_it(bound: float) -> None:
    x = np.array([0.0, -0.0, 1.0, -0.3, 0.3, 1e-10, -1e-20, 5.0, INF])
    for name, key in (("huber_loss", "delta"), ("smooth_l1_loss", "beta")):
        if bound == INF and name == "smooth_l1_loss":
            continue  # 0.5 x / inf, of which PyTorch makes NaN where x is infinite
        agree(
            lambda L, x, name=name, key=key: getattr(L.nn.functional, name)(
                x, L.zeros_like(x), reduction="none", **{key: bound}
            ),
            x[:-1] if bound == INF else x,
        )
