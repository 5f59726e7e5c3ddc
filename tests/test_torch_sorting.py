"""Order, ranks and distinct values against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from expressions import refused, same, whole
from oracle import numbers, refuse

import anadrome as ad

pytestmark = pytest.mark.torch

V = numbers(6, seed=2)
X = numbers(3, 4)
ARRAYS = {
    "matrix": X,
    "cube": numbers(2, 3, 4, seed=1),
    "vector": V,
    "single": numbers(),
    "float32": X.astype(np.float32),
    "int64": np.array([[3, 1, 2, 1], [0, -1, 5, 5]]),
    "empty": np.zeros((0, 3)),
    "ties": np.array([[1.0, 2.0, 2.0, 0.0], [3.0, 3.0, 1.0, 1.0]]),
    "nan": np.array([[1.0, np.nan, 2.0, 0.0], [3.0, 0.0, np.nan, np.nan]]),
    "bool": np.array([[True, False, True], [False, False, True]]),
}
ROWS = np.array([[1, 2, 1], [1, 2, 1], [0, 5, 5], [1, 0, 9], [1, 2, 0]])


@pytest.mark.parametrize("keywords", [
    "stable=True", "dim=0, stable=True", "descending=True, stable=True",
    "dim=-1, descending=True, stable=True",
])  # fmt: skip
@pytest.mark.parametrize("array", ARRAYS)
def test_sort_is_stable_and_nan_is_largest(array: str, keywords: str) -> None:
    same(f"L.sort(x, {keywords})", ARRAYS[array])
    same(f"x.argsort({keywords})", ARRAYS[array])


def test_sort_by_position_and_msort() -> None:
    same("L.sort(x, 0, True)", X)
    same("L.msort(x)", X)
    same("x.sort().values[0] + x.topk(2).values.sum()", V)


@pytest.mark.parametrize("keywords", ["2", "k=1", "2, -1", "3, -1, False", "k=2, sorted=True",
                                      "2, dim=-1, largest=False", "k=0"])  # fmt: skip
@pytest.mark.parametrize("array", ("matrix", "cube", "vector", "float32"))
def test_topk(array: str, keywords: str) -> None:
    same(f"L.topk(x, {keywords})", ARRAYS[array])


@pytest.mark.parametrize("largest", (True, False))
@pytest.mark.parametrize("k", (1, 7, 300))
@pytest.mark.parametrize("dtype", (np.float32, np.float64))
def test_topk_of_long_rows(k: int, largest: bool, dtype: type) -> None:
    rows = np.random.default_rng(0).permutation(3 * 1000).reshape(3, 1000).astype(dtype)
    same(f"L.topk(x, {k}, largest={largest})", rows, second=False)


@pytest.mark.parametrize("keywords", ["1", "k=2", "2, -1", "1, -1, True", "k=2, keepdim=True"])
@pytest.mark.parametrize("array", ("matrix", "cube", "vector", "float32"))
def test_kthvalue(array: str, keywords: str) -> None:
    same(f"L.kthvalue(x, {keywords})", ARRAYS[array])


def test_of_single_values_and_of_nan() -> None:
    for text in ("x.topk(1)", "x.kthvalue(1)", "x.sort()", "x.mode()"):
        same(text, ARRAYS["single"])
    for text in ("x.topk(2)[0]", "x.topk(2, largest=False)[0]", "x.kthvalue(2)[0]"):
        same(text, ARRAYS["nan"])


@pytest.mark.parametrize("array", ("ties", "int64", "vector", "cube"))
def test_mode(array: str) -> None:
    same("L.mode(x)[0]", ARRAYS[array])
    same("x.mode(-1, True).values", ARRAYS[array])


def test_mode_names_the_last_of_equal_values() -> None:
    same("L.mode(x).indices", whole(1, 2, 2, 3, 2))
    same("L.mode(x)", np.array([2.0, 1.0, 1.0, 2.0]))


@pytest.mark.parametrize("keywords", [
    "", "return_inverse=True", "return_counts=True", "True, True, True",
])  # fmt: skip
@pytest.mark.parametrize("array", ("ties", "int64", "bool", "empty", "vector"))
def test_unique(array: str, keywords: str) -> None:
    same(f"L.unique(x, {keywords})", ARRAYS[array], gradients=False)


@pytest.mark.parametrize("keywords", ["", "return_inverse=True", "True, True"])
@pytest.mark.parametrize("array", ("ties", "int64", "bool", "empty", "vector"))
def test_unique_consecutive(array: str, keywords: str) -> None:
    same(f"L.unique_consecutive(x, {keywords})", ARRAYS[array], gradients=False)


@pytest.mark.parametrize("dim", (0, 1, -1))
def test_unique_slices(dim: int) -> None:
    same(f"L.unique(x, dim={dim}, return_inverse=True, return_counts=True)", ROWS)
    same(f"x.unique_consecutive(dim={dim}, return_inverse=True, return_counts=True)", ROWS)
    same(f"L.unique(x, dim={dim})", np.random.default_rng(0).integers(0, 2, (2, 6, 3)))


@pytest.mark.parametrize("keywords", [
    "", "right=True", "side='right'", "side='left'", "out_int32=True",
])  # fmt: skip
def test_searchsorted(keywords: str) -> None:
    sought = numbers(2, 3, seed=9)
    same(f"L.searchsorted(x, y, {keywords})", np.sort(V), sought, gradients=False)
    rows = np.sort(X, 1)
    same(f"L.searchsorted(x, y, {keywords})", rows, numbers(3, 2, seed=4), gradients=False)
    equal = np.array([[1.0, 1.0, 2.0], [2.0, 2.0, 3.0]])
    same(f"L.searchsorted(x, y, {keywords})", equal, np.array([[1.0], [2.0]]), gradients=False)
    holes = np.array([[np.nan, 2.5, np.inf], [np.nan, 0.0, -np.inf]])
    for values in (np.arange(3.0), np.array([[1.0, 2.0, 3.0], [0.0, 1.0, np.nan]])):
        same(f"L.searchsorted(x, y, {keywords})", values, holes, gradients=False)


@pytest.mark.parametrize("text", [
    "L.searchsorted(x, 3)", "L.searchsorted(x, x)", "L.searchsorted(x, x, right=True)",
    "L.bucketize(x, x)", "L.bucketize(L.tensor([0, 4]), x, right=True)", "L.bucketize(3, x)",
    "L.bucketize(x, x, out_int32=True)", "L.searchsorted(x[:0], x)",
    "L.searchsorted(x, 3.5)", "L.bucketize(1.5, x, right=True)", "L.searchsorted(x, 4.5)",
    "L.searchsorted(x.flip(0), x, sorter=L.tensor([3, 2, 1, 0]))",
])  # fmt: skip
def test_searchsorted_among_whole_numbers(text: str) -> None:
    same(text, whole(1, 3, 3, 5))


@pytest.mark.parametrize("text", [
    "L.isin(x, y)", "L.isin(x, y, invert=True)", "L.isin(x, 3)", "L.isin(3, x)", "L.isin(x, y[:0])",
    "L.isin(y, x, assume_unique=True)",
])  # fmt: skip
def test_isin(text: str) -> None:
    same(text, ARRAYS["int64"], whole(1, 5))


@pytest.mark.parametrize("text, said", [
    ("x.topk(9)", "selected index k out of range"), ("x.topk(-1)", "selected index k out of range"),
    ("x.kthvalue(0)", "kthvalue(): selected number k out of range for dimension -1"),
    ("x.sort(3)", "Dimension out of range"), ("x.topk(1, 5)", "Dimension out of range"),
    ("L.searchsorted(x, x, side='left', right=True)", "can't be set to opposites"),
    ("L.searchsorted(x, x, side='a')", "side can only be 'left' or 'right'"),
    ("L.searchsorted(L.ones(2, 3), x)", "boundaries tensor should be 1 dimension"),
    ("L.bucketize(x, L.ones(2, 3))", "boundaries tensor must be 1 dimension"),
])  # fmt: skip
def test_refusals(text: str, said: str) -> None:
    assert said in refused(text, V)


@pytest.mark.parametrize("name", ("sort(x, 1", "topk(x, 1"))
def test_out(name: str) -> None:
    same(f"L.{name}, out=(L.empty(0, dtype=L.float64), L.empty(0, dtype=L.int64)))", X,
         gradients=False)  # fmt: skip


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float32"])
def test_unique_among_nan(kind):
    torch = pytest.importorskip("torch")

    def seen(L):
        x = L.tensor([np.nan, 1.0, np.nan, 2.0, 1.0], dtype=getattr(L, kind))
        found = L.unique(x, return_inverse=True, return_counts=True)
        return [str(t.tolist()) for t in found]

    assert seen(ad) == seen(torch)


@pytest.mark.parametrize("name", ["median", "nanmedian"])
def test_no_median_of_truths(name):
    refuse(lambda L, x: getattr(L, name)(x), np.ones(3) > 0)
    refuse(lambda L, x: getattr(L, name)(x, 0), np.ones(3) > 0)
