"""Gathering, scattering and their kin against PyTorch."""

from __future__ import annotations

import time

import numpy as np
import pytest
from expressions import refused, same, whole
from oracle import numbers

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")

X = numbers(3, 4)
V = numbers(6, seed=2)
REPEATED = np.array([[0, 2], [1, 0], [2, 2]])
ONCE = np.array([[0, 2], [1, 0], [2, 3]])
SOURCE = numbers(3, 2, seed=5)


@pytest.mark.parametrize("text", [
    "L.gather(x, 1, y)", "x.gather(0, y)", "L.gather(x, dim=-1, index=y[:2])",
    "x.gather(1, y[:0])", "x.gather(1, y, sparse_grad=False)", "x.long().gather(1, y)",
    "x[0].gather(0, y[0])", "x[0].gather(0, y[0, 1])", "x[0, 0].gather(0, y[0, :1])",
    "L.take(x, y)", "x.take(-y)", "x.take(y[0, 1])", "x.take(y[:0])", "L.take_along_dim(x, y, 1)",
    "x.take_along_dim(y)", "L.take_along_dim(x, y[:1, :1], dim=0)", "x.take_along_dim(-y, -1)",
    "L.gather(x[None].expand(2, 3, 4), 2, y[None])",
])  # fmt: skip
def test_taking(text: str) -> None:
    same(text, X, REPEATED)


@pytest.mark.parametrize("text", [
    "L.scatter(x, 1, y, z)", "(x * 1).scatter_(1, y, z)", "L.scatter(x, 1, y, 0.5)",
    "x.scatter(1, y, value=2)", "(x * 1).scatter_(1, y, 3.0)", "x.scatter(-1, index=y, src=z)",
    "x.scatter(dim=1, index=y, value=2.0)", "x.scatter(0, y, z)", "x[0].scatter(0, y[0], z[0])",
    "x[0, 0].scatter(0, y[0, 0], z[0, 0])", "L.zeros(3, 4).scatter_(1, y, 1.0)",
    "x.put(y, z)", "(x * 1).put_(-y, z)", "x.put(y[:0], z[:0])",
])  # fmt: skip
def test_writing(text: str) -> None:
    index = np.array([[0, 1], [1, 0], [2, 2]]) if "0, y, z" in text else ONCE
    same(text, X, index + (np.arange(3)[:, None] * 4 if "put" in text else 0), SOURCE)


@pytest.mark.parametrize("reduce", ("add", "multiply"))
def test_scatter_with_reduce(reduce: str) -> None:
    same(f"(x * 1).scatter_(1, y, z, reduce='{reduce}')", X, REPEATED, SOURCE, gradients=False)
    same(f"x.scatter(1, y, 2.0, reduce='{reduce}')", X, REPEATED, gradients=False)


@pytest.mark.parametrize("text", [
    "L.scatter_add(x, 1, y, z)", "(x * 1).scatter_add_(1, y, z)", "x.put(y, z, accumulate=True)",
    "x.scatter_add(dim=-1, index=y, src=z)", "x[0, 0].scatter_add(0, y[0, 0], z[0, 0])",
    "(x * 1).put_(y, z, True)", "x.scatter_add(1, y[:0], z[:0])",
])  # fmt: skip
def test_adding(text: str) -> None:
    same(text, X, REPEATED, SOURCE)


@pytest.mark.parametrize("include_self", (True, False))
@pytest.mark.parametrize("reduce", ("sum", "prod", "mean", "amax", "amin"))
def test_scatter_reduce(reduce: str, include_self: bool) -> None:
    rest = f"reduce='{reduce}', include_self={include_self})"
    same(f"L.scatter_reduce(x, 1, y, z, {rest}", X, REPEATED, SOURCE)
    same(f"(x * 1).scatter_reduce_(0, y, z, {rest}", X, REPEATED[:, :1], SOURCE[:, :1])
    ties = (whole(0, 0, 3, 3, 3), np.array([1.0, 1.0, 2.0, 5.0, 5.0]))
    same(f"x.scatter_reduce(0, y, z, {rest}", V, *ties, second=reduce != "prod")
    zeros = (np.array([1.0, 2.0, 0.0]), whole(0, 0, 1, 1, 1), np.array([0.0, 3.0, 2.0, 0.0, 0.0]))
    same(f"x.scatter_reduce(0, y, z, {rest}", *zeros, second=False)
    same(f"x.scatter_reduce(0, y, z, {rest}", whole(3, 1, 2), whole(1, 0, 1), whole(2, 3, 4))
    half = f"x.half().scatter_reduce(0, y, z.half(), {rest}"
    same(half, np.ones(3), whole(1, 0, 1), np.array([2.0, 3.0, 4.0]), gradients=False)


@pytest.mark.parametrize("text", [
    "L.index_add(x, 0, y, z)", "x.index_add(0, y, z, alpha=2.5)", "(x * 1).index_add_(0, y, z)",
    "x.index_add(dim=0, index=y, source=z)", "x.t().index_add(1, y, z.t())",
    "x[:, 0].index_add(0, y, z[:, 0])", "x.long().index_add(0, y, z.long(), alpha=3)",
    "x.index_add(0, y.int(), z)",
])  # fmt: skip
def test_index_add(text: str) -> None:
    same(text, X, whole(2, 0, 2, 2), numbers(4, 4, seed=7))


@pytest.mark.parametrize("text", [
    "L.index_copy(x, 0, y, z)", "(x * 1).index_copy_(0, y, z)", "x.index_copy(-2, y, z)",
    "x.t().index_copy(1, y, z.t())", "L.index_fill(x, 0, y, 2.0)", "x.index_fill(1, y, -1)",
    "(x * 1).index_fill_(0, y, 3)", "x.index_fill(0, y, z[0, 0])", "x.index_fill(0, y[:0], 1.0)",
    "(x * 1).index_fill_(-1, y, z[0, 0])", "x.index_fill(0, -y, 2.0)",
    "x.long().index_fill(0, y, 1)",
])  # fmt: skip
def test_whole_slices(text: str) -> None:
    same(text, X, whole(2, 0), numbers(2, 4, seed=7))


@pytest.mark.parametrize("text, said", [
    ("x.gather(1, L.tensor([[4]]))", "index 4 is out of bounds for dimension 1 with size 4"),
    ("x.gather(1, L.tensor([[-1]]))", "index -1 is out of bounds for dimension 1"),
    ("x.gather(1, L.tensor([0]))", "Index tensor must have the same number of dimensions"),
    ("x.gather(1, L.ones(1, 1))", "gather(): Expected dtype int32/int64 for index"),
    ("x.gather(1, L.zeros(4, 1).long())", "to be no larger than self"),
    ("x.scatter(1, L.tensor([[4]]), z)", "index 4 is out of bounds for dimension 1"),
    ("x.scatter(1, y, z[:2])", "to be no larger than src"),
    ("x.scatter(1, y, z.float())", "scatter(): Expected self.dtype to be equal to src.dtype"),
    ("x.scatter(1, y, z, reduce='no')", "reduce argument must be either add or multiply"),
    ("x.scatter_reduce(1, y, z, 'no')", "reduce argument must be either sum, prod, mean, amax"),
    ("x.scatter_add(1, y.double(), z)", "scatter_add(): Expected dtype int32/int64 for index"),
    ("x.index_add(0, L.tensor([3]), x[:1])", "index 3 is out of bounds"),
    ("x.index_add(0, L.tensor([0]), x[:2])", "index_add(): "),
    ("x.index_add(0, y, x[:1])", "Index is supposed to be a vector"),
    ("x.index_copy(0, L.tensor([3]), x[:1])", "index 3 is out of bounds"),
    ("x.index_fill(0, L.tensor([3]), 1.0)", "index 3 is out of bounds"),
    ("x.index_fill(0, L.tensor([0]), z)", "only supports a 0-dimensional value tensor"),
    ("x.take(L.tensor([12]))", "out of range: tried to access index 12 on a tensor of 12 elements"),
    ("x.put(L.tensor([1]), z)", "Expected source and index to have the same number of elements"),
    ("x.take_along_dim(L.tensor([1]), 1)", "same number of dimensions"),
])  # fmt: skip
def test_refusals(text: str, said: str) -> None:
    assert said in refused(text, X, REPEATED, SOURCE)


@pytest.mark.parametrize("text", [
    "L.gather(x, 1, y, out=L.empty(0, dtype=L.float64))",
    "L.take(x, y, out=L.empty(0, dtype=L.float64))",
    "L.index_select(x, 0, y[:, 0], out=L.empty(0, dtype=L.float64))",
])  # fmt: skip
def test_out(text: str) -> None:
    same(text, X, REPEATED, gradients=False)


NO_PLACES = {
    "index_copy": lambda L, i, s: L.zeros(4, 2).index_copy(0, i, s),
    "index_copy_": lambda L, i, s: L.zeros(4, 2).index_copy_(0, i, s),
    "scatter": lambda L, i, s: L.zeros(4, 2).scatter(0, i.reshape(0, 2), s),
    "scatter_add_": lambda L, i, s: L.zeros(4, 2).scatter_add_(0, i.reshape(0, 2), s),
    "scatter_reduce": lambda L, i, s: L.zeros(4, 2).scatter_reduce(0, i.reshape(0, 2), s, "sum"),
    "masked_scatter": lambda L, i, s: L.zeros(4, 2).masked_scatter(L.zeros(4, 2) > 1, s),
    "put": lambda L, i, s: L.zeros(4, 2).put(i, s.reshape(-1)),
}  # fmt: skip


@pytest.mark.parametrize("what", NO_PLACES)
def test_what_is_written_nowhere_has_a_gradient_of_zero(what: str) -> None:
    """An optimizer passes over a gradient of None; with one of zero it decays the weight."""
    for L in (torch, ad):
        weight = L.ones(3, 2, requires_grad=True)
        none = L.zeros(0, dtype=L.int64)
        out = NO_PLACES[what](L, none, weight.index_select(0, none))
        assert out.tolist() == [[0.0, 0.0]] * 4
        out.sum().backward()
        assert weight.grad.tolist() == [[0.0, 0.0]] * 3


def test_no_loop_over_elements() -> None:
    """A million values are a matter of a blink, forward and backward."""
    x = ad.zeros(1000, 1000, requires_grad=True)
    index = ad.tensor(np.random.default_rng(0).integers(0, 1000, (1000, 1000)))
    src = ad.ones(1000, 1000, requires_grad=True)
    start = time.perf_counter()
    x.scatter_add(0, index, src).sum().backward()
    x.scatter_reduce(0, index, src, "amax").sum().backward()
    x.gather(1, index).sum().backward()
    x[index[0]].sum().backward()
    x[:, index[0]].sum().backward()
    x.index_add(1, index[0], src).sum().backward()
    assert time.perf_counter() - start < 5
