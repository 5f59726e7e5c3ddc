"""``pad`` in every mode: PyTorch's numbers, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

pytestmark = pytest.mark.torch

CONSTANT: list[tuple[tuple[int, ...], tuple[int, ...], Any]] = [
    ((3,), (1, 2), None),
    ((2, 3), (1, 0), 1.5),
    ((2, 3), (1, 0, 2, 3), -1),
    ((2, 3, 4), (0, 0, 1, 1), 0.0),
    ((2, 3, 4), (-1, 2, 1, -1), 2.0),
    ((2, 3, 4), (-1, -2), None),
    ((2, 3, 4), (), None),
    ((2, 3, 4, 5, 2), (1, 1, 0, 2, 1, 0, 0, 0, 1, 1), 3.0),
    ((0, 3), (1, 1), 1.0),
    ((2, 3), (1, 1, 1, 1), float("inf")),
]


@pytest.mark.parametrize(("shape", "sides", "value"), CONSTANT)
def test_constant(shape: Any, sides: Any, value: Any) -> None:
    agree(lambda L, x: L.nn.functional.pad(x**2, sides, value=value), numbers(*shape))
    agree(lambda L, x: L.nn.functional.pad(x, list(sides), "constant", value), numbers(*shape))


AROUND: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((2, 4), (1, 2)),
    ((2, 3, 4), (3, 3)),
    ((2, 3, 4), (1, 2, 2, 0)),
    ((2, 3, 5, 4), (2, 1, 0, 3)),
    ((2, 3, 5, 4), (-1, 1, 2, -2)),
    ((2, 3, 4, 4), (0, 0, 1, 1, 2, 0)),
    ((1, 2, 4, 3, 4), (1, 2, 2, 1, 3, 0)),
    ((2, 3, 5, 4), (0, 0, 0, 0)),
]


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
@pytest.mark.parametrize(("shape", "sides"), AROUND)
def test_with_its_own_values(mode: str, shape: Any, sides: Any) -> None:
    agree(lambda L, x: L.nn.functional.pad(x**2, sides, mode=mode), numbers(*shape))


def test_replicate_reaches_any_distance_and_circular_once_around() -> None:
    agree(lambda L, x: L.nn.functional.pad(x, (7, 9), mode="replicate"), numbers(1, 2, 3))
    agree(lambda L, x: L.nn.functional.pad(x, (3, 3), mode="circular"), numbers(1, 2, 3))


@pytest.mark.parametrize("dtype", ["int64", "uint8", "bool", "float32"])
def test_types_are_kept(dtype: str) -> None:
    x = np.random.default_rng(0).integers(0, 2, (2, 3, 4)).astype(dtype)
    agree(lambda L, x: L.nn.functional.pad(x, (1, 1), value=1), x)
    agree(lambda L, x: L.nn.functional.pad(x, (1, 1), mode="circular"), x)
    if dtype != "bool":
        agree(lambda L, x: L.nn.functional.pad(x, (1, 1), mode="reflect"), x)


X = numbers(2, 3, 4)
REFUSED: list[tuple[Any, str]] = [
    (lambda F, x: F.pad(x, (1,)), "Padding length must be divisible by 2"),
    (lambda F, x: F.pad(x, (1,) * 8), "Padding length should be less than or equal to two times"),
    (lambda F, x: F.pad(x, (-3, -3)), "narrow(): length must be non-negative"),
    (lambda F, x: F.pad(x, (1, 1), mode="mirror"), "Unrecognised padding mode mirror"),
    (lambda F, x: F.pad(x, (1, 1), mode="reflect", value=1.0), 'Padding mode "reflect" doesn\'t'),
    (lambda F, x: F.pad(x, (4, 0), mode="reflect"), "Padding size should be less than the corr"),
    (lambda F, x: F.pad(x, (5, 0), mode="circular"), "Padding value causes wrapping around more"),
    (lambda F, x: F.pad(x, (-2, -2), mode="replicate"), "The padding (-2, -2) at dimension 2"),
    (lambda F, x: F.pad(x, (1,) * 6, mode="reflect"), "Only 2D, 3D, 4D, 5D padding with non-const"),
    (lambda F, x: F.pad(x[0, 0], (1, 1), mode="reflect"), "Only 2D, 3D, 4D, 5D padding with non"),
]


@pytest.mark.parametrize(("call", "start"), REFUSED, ids=[s for _, s in REFUSED])
def test_refusals(call: Any, start: str) -> None:
    message = refuse(lambda L, x: call(L.nn.functional, x), X)
    assert message.startswith(start), message
