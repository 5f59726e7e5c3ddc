"""Functions in place on views whose elements are some way apart in memory."""

from __future__ import annotations

import numpy as np
import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


FLOATS = ["float16", "float32", "float64"]
CALLS = [(n, k) for n in ("neg_", "add_", "mul_") for k in ("int32", "int64", "uint8", *FLOATS)]
CALLS += [(n, k) for n in ("exp_", "sqrt_", "div_") for k in FLOATS]  # no result fits integers


@pytest.mark.parametrize("step", [2, 3, 4, 5, 8])
@pytest.mark.parametrize(("name", "kind"), CALLS)
def test_strided_memory(kind: str, step: int, name: str) -> None:
    """NumPy's negative went wrong from strides to strides."""
    found = []
    for L in (ad, torch):
        x = (L.arange(40 * step) % 7 + 1).to(getattr(L, kind)).reshape(40, step)
        getattr(x[:, 0], name)(*([2] if name in ("add_", "mul_", "div_") else []))
        found.append(x.double())
    assert np.allclose(found[0].numpy(), found[1].numpy(), 1e-3)


@pytest.mark.parametrize("repeats", [1, 2])
@pytest.mark.parametrize("shape", [(1,), (1, 2), (3, 1)])
def test_what_is_repeated_shares_no_memory(shape, repeats):
    torch = pytest.importorskip("torch")

    def seen(L):
        x = L.ones(shape)
        out = x.repeat_interleave(repeats, 0)
        out.view(-1)[0] = 7
        return x.tolist(), out.tolist(), out.stride()

    assert seen(ad) == seen(torch)


@pytest.mark.parametrize("kind", ["float64", "complex128"])
@pytest.mark.parametrize("write", [
    lambda y: y.as_strided((2,), (4,)).fill_(4), lambda y: y.as_strided((2,), (1,), 1).mul_(3),
    lambda y: y.fill_diagonal_(4), lambda y: y.t().as_strided((2,), (4,)).mul_(3),
    lambda y: y.as_strided((2, 2), (3, 1))[1].zero_(),
])  # fmt: skip
def test_gradient_of_what_is_written_by_strides_of_a_transposed_memory(write, kind) -> None:
    """Its gradient lies row by row, where the memory that was written did not."""
    found = []
    for L in (ad, torch):
        x = L.arange(1, 7).to(getattr(L, kind)).reshape(2, 3).requires_grad_()
        y = x.t() * 1
        write(y)
        (y * L.arange(10, 16).to(y.dtype).reshape(3, 2)).sum().abs().backward()
        found.append((y.tolist(), x.grad.tolist(), y.stride()))
    assert np.allclose(found[0][0], found[1][0]) and np.allclose(found[0][1], found[1][1])
    assert found[0][2] == found[1][2]


@pytest.mark.parametrize("result", [
    lambda x: x.t().softmax(0), lambda x: x.t().log_softmax(1), lambda x: x.t().softmax(0) * 1,
])  # fmt: skip
def test_what_is_written_through_a_view_of_a_result_is_written_into_it(result) -> None:
    """NumPy lays out the softmax of a transposed array as that one; its view was a copy."""
    found = []
    for L in (ad, torch):
        y = result(L.arange(12.0).reshape(4, 3) / 4)
        flat = y.view(-1)
        flat[1] = 7
        y[0, 2] = 5
        found.append((y.tolist(), flat.tolist(), flat._is_view(), y.is_contiguous()))
        x = L.arange(12.0).reshape(4, 3).requires_grad_()
        y = result(x) + 0
        y.view(2, 6)[0].mul_(3)
        (y * L.arange(12.0).reshape(3, 4)).sum().backward()
        found[-1] += (x.grad.tolist(),)
    for mine, oracle in zip(*found):
        assert np.allclose(mine, oracle, atol=1e-6)


def test_a_result_whose_memory_another_has_keeps_it_when_it_is_viewed() -> None:
    """The other is a Tensor outside the graph, a view, or NumPy's array: they do not part."""
    for other in (lambda y: y.detach(), lambda y: y.data, lambda y: y[:], lambda y: y.numpy()):
        y = ad.arange(12.0).reshape(4, 3).t().softmax(0)
        shared = other(y)
        assert y.view(3, 2, 2).reshape(3, 4).tolist() == y.tolist()
        shared[0, 0] = 9
        assert y[0, 0] == 9
