"""Reductions over runs of neighbours, and rows told by where they begin, beside PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

#: Of which each is reduced in each way.
CASES = """
L.segment_reduce(x, R, lengths=L.tensor([2, 0, 4]))
L.segment_reduce(x, R, lengths=L.tensor([2, 0, 4]), initial=2.0)
L.segment_reduce(x, R, offsets=L.tensor([1, 2, 2, 5]))
L.segment_reduce(x, R, lengths=L.tensor([1, 2]), unsafe=True)
L.segment_reduce(x.reshape(2, 3), R, lengths=L.tensor([[1, 2], [0, 3]]), axis=1)
L.segment_reduce(x.reshape(2, 3), R, offsets=L.tensor([[0, 1, 3], [0, 2, 2]]), axis=-1)
L.segment_reduce(x.reshape(3, 2), R, lengths=L.tensor([1, 2]))
""".strip().splitlines()


def results(lib: Any, text: str, reduce: str) -> tuple[np.ndarray, np.ndarray]:
    x = lib.tensor([1.0, 2.0, 2.0, 4.0, 0.0, -6.0], dtype=lib.float64, requires_grad=True)
    y = eval(text, {"L": lib, "x": x, "R": reduce})
    weight = lib.arange(1.0, 1.0 + y.numel(), dtype=lib.float64).reshape(y.shape)
    finite = lib.where(y.isfinite(), y, y.detach() * 0)
    (finite * weight).sum().backward()
    return y.detach().numpy(), x.grad.numpy()


@pytest.mark.parametrize("reduce", ["sum", "mean", "prod", "max", "min"])
@pytest.mark.parametrize("text", CASES)
def test_values_and_gradients(text: str, reduce: str) -> None:
    for found, wanted in zip(results(ad, text, reduce), results(torch, text, reduce)):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "L._convert_indices_from_coo_to_csr(L.tensor([0, 0, 2, 2, 2]), 4)",
        "L._convert_indices_from_coo_to_csr(L.tensor([0, 1]).int(), size=2, out_int32=True)",
        "L._convert_indices_from_coo_to_csr(L.tensor([]).long(), 2)",
        "L._convert_indices_from_csr_to_coo(L.tensor([0, 2, 2, 3]), L.tensor([1, 2, 0]))",
        "L._convert_indices_from_csr_to_coo(L.tensor([0, 2]), L.tensor([1, 2]), transpose=True)",
    ],
)
def test_rows_by_where_they_begin(text: str) -> None:
    found, wanted = (eval(text, {"L": lib}) for lib in (ad, torch))
    assert str(found.dtype).split(".")[1] == str(wanted.dtype).split(".")[1]
    np.testing.assert_array_equal(found.numpy(), wanted.numpy())


@pytest.mark.parametrize(
    "text",
    [
        "L.segment_reduce(x, 'other', lengths=n)",
        "L.segment_reduce(x, 'sum')",
        "L.segment_reduce(x, 'sum', indices=n)",
        "L.segment_reduce(x, 'sum', lengths=L.tensor([1, 2]))",
        "L.segment_reduce(x, 'sum', lengths=L.tensor([-1, 7]))",
        "L.segment_reduce(x, 'sum', lengths=n.float())",
        "L.segment_reduce(x.long(), 'sum', lengths=n)",
        "L.segment_reduce(x.reshape(2, 3), 'sum', lengths=L.tensor([[1, 2], [0, 3]]))",
        "L.segment_reduce(x[0], 'sum', lengths=L.tensor([1]))",
        "L._convert_indices_from_coo_to_csr(L.tensor([[0, 1]]), 2)",
    ],
)
def test_what_does_not_fit_is_refused_as_there(text: str) -> None:
    for lib in (ad, torch):
        with pytest.raises((RuntimeError, NotImplementedError)):
            eval(text, {"L": lib, "x": lib.ones(6), "n": lib.tensor([2, 0, 4])})


@pytest.mark.parametrize("bounds", [{"high": 5}, {"low": 2, "high": 5}])
def test_integers_like_a_tensor_take_their_bounds_by_name(bounds: dict[str, int]) -> None:
    for lib in (ad, torch):
        drawn = lib.randint_like(lib.zeros(200), **bounds)
        assert drawn.dtype == lib.float32 and drawn.shape == (200,)
        assert bounds.get("low", 0) == drawn.min() and drawn.max() == 4
