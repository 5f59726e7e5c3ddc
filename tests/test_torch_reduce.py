"""Reductions and scans against PyTorch: every keyword, dtype, NaN, ties, nothing at all."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from expressions import refused, same, whole
from oracle import numbers

import anadrome as ad

pytestmark = pytest.mark.torch

ARRAYS = {
    "matrix": numbers(3, 4),
    "cube": numbers(2, 3, 4, seed=1),
    "single": numbers(),
    "empty": np.zeros((0, 3)),
    "ties": np.array([[1.0, 2.0, 2.0], [3.0, 3.0, 1.0]]),
    "nan": np.array([[1.0, np.nan, 2.0], [3.0, 0.0, 1.0]]),
    "int64": np.array([[1, 2, 0], [3, -1, 1]]),
    "bool": np.array([[True, False, True], [False, False, False]]),
    "float32": numbers(3, 4).astype(np.float32),
    "complex": numbers(3, 4) + 1j * numbers(3, 4, seed=5),
}
X = ARRAYS["matrix"]
FLOATING = ("matrix", "cube", "single", "float32")
ORDERED = ("matrix", "cube", "single", "ties", "float32", "int64")


def fits(text: str, a: Any) -> bool:
    """Whether the array has the dimensions that the text names."""
    return a.ndim > 1 or not any(s in text for s in ("(0, 1)", "(0, -1)", "[1]", "[-1]", "1)"))


DIMS = ("", "0", "-1, True", "dim=(0, -1), keepdim=True", "dim=[1]", "()", "axis=0", "dim=None")


@pytest.mark.parametrize("dims", DIMS)
@pytest.mark.parametrize("name", ("sum", "nansum", "mean", "amax", "amin", "nanmean"))
@pytest.mark.parametrize("array", ARRAYS)
def test_over_dimensions(name: str, array: str, dims: str) -> None:
    a = ARRAYS[array]
    skipped = {
        "nansum": ("complex",),
        "mean": ("int64", "bool"),
        "nanmean": ("int64", "bool", "complex", "empty"),
        "amax": ("complex", "empty"),
        "amin": ("complex", "empty"),
    }
    if array in skipped.get(name, ()) or not fits(dims, a) or (array == "single" and "0" in dims):
        return
    if name in ("amax", "amin") and dims == "dim=None":
        return  # PyTorch has () there
    same(f"x.{name}({dims})", a)
    same(f"L.{name}(x, {dims})", a)


@pytest.mark.parametrize("text", [
    "x.float().sum(dtype=L.float64)",
    "x.sum(0, dtype=L.float64)", "L.sum(x, axis=1, keepdims=True)",
    "L.sum(input=x, dim=1)", "x.prod(1)", "x.prod()", "L.prod(x, 0, True)",
    "L.prod(x, dim=-1, dtype=L.float64)", "x.logsumexp(0)", "L.logsumexp(x, (0, 1))",
    "L.logsumexp(x, -1, keepdim=True)", "x.logsumexp([0])", "L.diff(x)", "x.diff(2, 0)",
    "L.diff(x, n=0)", "x.diff(n=9)", "L.diff(x, prepend=x[:, :1], append=x[:, 1:])",
])  # fmt: skip
@pytest.mark.parametrize("array", ("matrix", "ties", "int64", "float32"))
def test_forms(text: str, array: str) -> None:
    same(text, ARRAYS[array], second=array != "float32")


@pytest.mark.parametrize("rows", (
    [[0.0, 2.0, 3.0], [0.0, 0.0, 4.0], [1.0, 2.0, 3.0]], [[2.0, 0.0]], [[0.0], [3.0]],
))  # fmt: skip
@pytest.mark.parametrize("text", (
    "x.prod()", "x.prod(0)", "x.prod(1)", "x.cumprod(0)", "x.cumprod(1)",
))  # fmt: skip
def test_products_through_zero_have_exact_gradients(text: str, rows: Any) -> None:
    same(text, np.array(rows))


@pytest.mark.parametrize("text", [
    "x.NAME()", "x.NAME(0)", "x.NAME(1, False)", "x.NAME(False)", "L.NAME(x, -1, correction=0)",
    "x.NAME(dim=(0, 1), unbiased=True, keepdim=True)", "L.NAME(x, 1, keepdim=True, correction=2)",
    "L.NAME_mean(x)", "L.NAME_mean(x, dim=1, keepdim=True)", "L.NAME_mean(x, (0, 1), correction=0)",
    "L.NAME(x, dim=None, correction=0)", "L.NAME_mean(x, True)",
])  # fmt: skip
@pytest.mark.parametrize("name", ("var", "std"))
@pytest.mark.parametrize("array", ("matrix", "cube", "float32", "complex"))
def test_spread(name: str, text: str, array: str) -> None:
    same(text.replace("NAME", name), ARRAYS[array])


def test_spread_where_nothing_varies() -> None:
    same("x.std(1)", np.ones((2, 3)))  # the gradient is zero, not NaN
    same("x.var(0)", np.array([1.0]), gradients=False)
    same("x.std(0)", np.zeros((0, 3)), gradients=False)
    assert "only support floating point" in refused("x.var()", ARRAYS["int64"])


@pytest.mark.parametrize("text", [
    "x.max()", "x.min()", "x.max(0)", "L.min(x, dim=-1, keepdim=True)", "L.max(x, 0).indices",
    "L.aminmax(x)", "x.aminmax(dim=-1)", "L.aminmax(x, dim=0, keepdim=True).max", "L.argmax(x)",
    "x.argmin(0)", "L.argmax(x, dim=-1, keepdim=True)", "L.argmin(x, keepdim=True)",
])  # fmt: skip
@pytest.mark.parametrize("array", (*ORDERED, "nan"))
def test_extremes(text: str, array: str) -> None:
    same(text, ARRAYS[array], second=array != "nan")


def test_extremes_of_two() -> None:
    same("L.max(x, y)", X, X[0])
    same("x.min(other=y)", X, X[:1])


@pytest.mark.parametrize("text", [
    "x.NAME()", "x.NAME(0)", "L.NAME(x, -1, keepdim=True)", "L.NAME(x, dim=())", "x.NAME((0, 1))",
])  # fmt: skip
@pytest.mark.parametrize("name", ("all", "any"))
@pytest.mark.parametrize("array", ("matrix", "int64", "bool", "empty", "nan", "single"))
def test_truth(name: str, text: str, array: str) -> None:
    if fits(text, ARRAYS[array]):
        same(text.replace("NAME", name), ARRAYS[array], gradients=False)


def test_truth_of_bytes_is_bytes() -> None:
    same("x.all(0)", np.array([[1, 2], [0, 0]], np.uint8))
    same("x.any()", np.array([[1, 2], [0, 0]], np.uint8))


@pytest.mark.parametrize("name", ("median", "nanmedian"))
@pytest.mark.parametrize("array", (*ORDERED, "nan"))
def test_median(name: str, array: str) -> None:
    a = ARRAYS[array]
    same(f"x.{name}()", a, second=False)
    same(f"L.{name}(x, 0).values", a)
    same(f"L.{name}(x, -1, keepdim=True)[0]", a)
    if array not in ("ties", "int64"):  # of equal values either may be named
        same(f"L.{name}(x, -1).indices", a)


def test_median_shares_among_ties() -> None:
    x = ad.tensor([1.0, 2.0, 2.0, 3.0, 2.0], requires_grad=True)
    x.median().backward()
    assert x.grad.tolist() == pytest.approx([0, 1 / 3, 1 / 3, 0, 1 / 3])


@pytest.mark.parametrize("between", ("linear", "lower", "higher", "midpoint", "nearest"))
@pytest.mark.parametrize("name", ("quantile", "nanquantile"))
@pytest.mark.parametrize("array", ("matrix", "nan", "float32", "single"))
def test_quantile(name: str, array: str, between: str) -> None:
    a = ARRAYS[array]
    same(f"L.{name}(x, 0.3, interpolation='{between}')", a)
    same(f"x.{name}(0.6, dim=-1, keepdim=True, interpolation='{between}')", a)
    if a.dtype == np.float64:
        q = np.array([0.0, 0.25, 0.9])
        same(f"L.{name}(x, y, dim=0, interpolation='{between}')", a, q,
             gradients=between == "linear")  # fmt: skip


@pytest.mark.parametrize("text, said", [
    ("L.quantile(x, 1.5)", "q must be in the range"), ("L.quantile(x.long(), 0.5)", "float or"),
    ("x.quantile(0.5, interpolation='no')", "interpolation must be one of"),
    ("L.quantile(x[:0], 0.5)", "must be non-empty"), ("L.quantile(x, y)", "scalar or 1D"),
])  # fmt: skip
def test_quantile_refuses(text: str, said: str) -> None:
    assert said in refused(text, X, np.full((1, 1), 0.5))


@pytest.mark.parametrize("text", ("x.count_nonzero()", "L.count_nonzero(x, dim=0)"))
@pytest.mark.parametrize("array", ("matrix", "int64", "bool", "single", "empty"))
def test_count_nonzero(text: str, array: str) -> None:
    same(text, ARRAYS[array], gradients=False)


@pytest.mark.parametrize("text", [
    "x.cumsum(0)", "L.cumsum(x, dim=-1)", "x.cumprod(0)", "L.cumprod(x, -1, dtype=L.float64)",
    "x.cummax(0)", "L.cummin(x, dim=-1)", "x.cummin(-1).indices", "x.logcumsumexp(0)",
    "L.logcumsumexp(x, dim=-1)", "(x * 1).cumsum_(0)",
])  # fmt: skip
@pytest.mark.parametrize("array", ("matrix", "cube", "single", "float32", "int64", "empty", "ties"))
def test_scans(text: str, array: str) -> None:
    a = ARRAYS[array]
    if "logcumsumexp" in text and a.dtype.kind != "f":
        return
    same(text, a)


@pytest.mark.parametrize("values", (
    [1.0, np.nan, 3.0, np.nan, 2.0], [3.0, 1.0, 3.0, 2.0, 3.0], [np.inf, -np.inf],
))  # fmt: skip
def test_running_extremes_of_ties_and_nan(values: Any) -> None:
    same("x.cummax(0)", np.array(values))
    same("x.cummin(0)", np.array(values))


def test_logcumsumexp_neither_overflows_nor_loses() -> None:
    same("x.logcumsumexp(0)", np.array([700.0, -800.0, 710.0, 1.0]), second=False)
    same("x.logcumsumexp(0)", np.array([-np.inf, -np.inf]), gradients=False)


@pytest.mark.parametrize("p", ("", "'fro'", "1", "2", "3", "0.5", "1.5", "float('inf')", "0", "-1"))
@pytest.mark.parametrize("array", ("matrix", "complex"))
def test_norm(p: str, array: str) -> None:
    a = ARRAYS[array]
    same(f"x.norm({p})", a)
    if p:
        same(f"L.norm(x, {p}, 1)", a)
        same(f"L.norm(x, p={p}, dim=(0, 1), keepdim=True)", a)
        same(f"x.norm({p}, -1)", np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 3.0]]), second=False)


@pytest.mark.parametrize("text", [
    "L.bincount(x)", "x.bincount(minlength=6)", "L.bincount(x, weights=y)", "L.bincount(x[:0])",
])  # fmt: skip
def test_bincount(text: str) -> None:
    same(text, whole(1, 3, 3, 0), np.array([0.5, 1.0, 2.0, 1.0]), gradients=False)


@pytest.mark.parametrize("text", (
    "L.histc(x)", "x.histc(4)", "L.histc(x, bins=4, min=-1, max=1)", "x[:0].histc(3)",
    "L.histc(L.ones(4), 3)",
))  # fmt: skip
def test_histc(text: str) -> None:
    same(text, X, gradients=False)


@pytest.mark.parametrize("text, said", [
    ("x.sum(2)", "Dimension out of range"), ("x.sum((0, 0))", "dim 0 appears multiple times"),
    ("x.long().mean()", "mean(): could not infer output dtype"), ("x.cumsum(2)", "Dimension out"),
    ("x[:0].max()", "max(): Expected reduction dim to be specified for input.numel() == 0"),
    ("x[:0].amin(0)", "amin(): Expected reduction dim 0 to have non-zero size"),
    ("x[:0].argmax()", "argmax(): Expected reduction dim to be specified"),
    ("x.max((0, 1))", "max(): argument 'dim' must be int"), ("x.histc(0)", "bins must be > 0"),
    ("x.histc(3, 2, 1)", "max must be larger than min"),
    ("L.bincount(x)", "bincount only supports"),
    ("L.bincount(L.tensor([-1]))", "bincount only supports"), ("x.norm('no')", "only valid string"),
    ("x.long().norm()", "Expected a floating point"),
    ("x[0, 0].diff()", "diff expects input to be"),
    ("L.diff(x, prepend=x[0])", "diff expects prepend or append"),
])  # fmt: skip
def test_refusals(text: str, said: str) -> None:
    assert said in refused(text, X)


@pytest.mark.parametrize("text", [
    "L.sum(x, 1, out=L.empty(3, dtype=L.float64))", "L.std(x, 1, out=L.empty(0, dtype=L.float64))",
    "L.max(x, 1, out=(L.empty(3, dtype=L.float64), L.empty(3, dtype=L.int64)))",
    "L.cumsum(x, 0, out=L.empty(0, dtype=L.float64))",
])  # fmt: skip
def test_out(text: str) -> None:
    same(text, X, gradients=False)


@pytest.mark.parametrize("text", [
    "L.ones(1).std()", "L.ones(3, 1).var(1)", "L.std_mean(L.ones(2), correction=2)",
    "L.var(x[0, 0])", "L.var_mean(x, (0, 1), correction=100)", "L.ones(1).var(unbiased=False)",
    "x[:0].std(0)", "L.std(L.ones(0, 3), 1)",
])  # fmt: skip
def test_where_no_value_is_left_it_is_said(text: str) -> None:
    torch = pytest.importorskip("torch")
    said = []
    for L in (ad, torch):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            eval(text, {"L": L, "x": L.ones(3, 4)})
        told = [str(w.message) for w in caught if w.category is UserWarning]
        said.append([text.split(" (Triggered")[0] for text in told])
    assert said[0] == said[1]


def test_no_numbers_have_no_weights() -> None:
    same("L.bincount(L.tensor([], dtype=L.int64), x[:0, 0].detach(), 2)", X, gradients=False)
