"""Ops against formulas in NumPy, in float64, on what hypothesis thinks of.

Shapes with empty and no dimensions, broadcasting, strides, NaN and infinity. Where PyTorch's result
differs from NumPy's by definition, the formula here is PyTorch's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import anadrome as ad
from anadrome import testing

_ERF = np.vectorize(math.erf, otypes=[float])

#: name: (formula in NumPy, interval in which it is tried besides the special values)
UNARY: dict[str, tuple[Callable[..., Any], tuple[float, float]]] = {
    "abs": (np.abs, (-9, 9)), "neg": (np.negative, (-9, 9)),
    "sign": (lambda x: np.nan_to_num(np.sign(x)), (-9, 9)),  # of NaN, 0 as in PyTorch

    "exp": (np.exp, (-20, 20)), "expm1": (np.expm1, (-20, 20)), "log": (np.log, (-1, 99)),
    "log1p": (np.log1p, (-2, 99)), "log2": (np.log2, (-1, 99)), "log10": (np.log10, (-1, 99)),
    "sqrt": (np.sqrt, (-1, 99)), "rsqrt": (lambda x: 1 / np.sqrt(x), (0, 99)),
    "square": (np.square, (-9, 9)), "reciprocal": (lambda x: 1 / x, (-9, 9)),
    "sin": (np.sin, (-9, 9)), "cos": (np.cos, (-9, 9)), "tan": (np.tan, (-1.4, 1.4)),
    "asin": (np.arcsin, (-1, 1)), "acos": (np.arccos, (-1, 1)), "atan": (np.arctan, (-9, 9)),
    "sinh": (np.sinh, (-9, 9)), "cosh": (np.cosh, (-9, 9)), "tanh": (np.tanh, (-9, 9)),
    "erf": (_ERF, (-9, 9)), "floor": (np.floor, (-9, 9)), "ceil": (np.ceil, (-9, 9)),
    "trunc": (np.trunc, (-9, 9)), "round": (np.round, (-9, 9)), "isnan": (np.isnan, (-9, 9)),
    "isinf": (np.isinf, (-9, 9)), "isfinite": (np.isfinite, (-9, 9)),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), (-30, 30)),
    "relu": (lambda x: np.where(np.isnan(x), x, np.maximum(x, 0)), (-9, 9)),
    "nan_to_num": (np.nan_to_num, (-9, 9)),
}  # fmt: skip

BINARY: dict[str, tuple[Callable[..., Any], tuple[float, float]]] = {
    "add": (np.add, (-9, 9)), "sub": (np.subtract, (-9, 9)), "mul": (np.multiply, (-9, 9)),
    "div": (np.divide, (-9, 9)), "maximum": (np.maximum, (-9, 9)),
    "minimum": (np.minimum, (-9, 9)), "atan2": (np.arctan2, (-9, 9)),
    "logaddexp": (np.logaddexp, (-9, 9)), "floor_divide": (np.floor_divide, (-9, 9)),
    "remainder": (np.remainder, (-9, 9)), "pow": (np.power, (0.25, 4)),
    "eq": (np.equal, (-9, 9)), "ne": (np.not_equal, (-9, 9)), "lt": (np.less, (-9, 9)),
    "le": (np.less_equal, (-9, 9)), "gt": (np.greater, (-9, 9)), "ge": (np.greater_equal, (-9, 9)),
    "logical_and": (np.logical_and, (-1, 1)), "logical_or": (np.logical_or, (-1, 1)),
    "logical_xor": (np.logical_xor, (-1, 1)),
}  # fmt: skip
#: With infinities these depend on the library's own conventions.
FINITE = {"floor_divide", "remainder", "pow"}


def values(low: float, high: float, special: bool = True) -> st.SearchStrategy[float]:
    # Multiples of 1/64 are exact in single precision too, so both see the same numbers.
    grid = st.integers(math.ceil(low * 64), math.floor(high * 64)).map(lambda n: n / 64)
    if not special:
        return grid
    return grid | st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -0.0])


def arrays(shape: Any, elements: Any) -> st.SearchStrategy[np.ndarray]:
    """Arrays with gaps, reversed, transposed, or plain."""
    plain = hnp.arrays(np.float64, shape, elements=elements)
    return st.tuples(plain, st.sampled_from([_plain, _gaps, _reversed, _turned])).map(
        lambda pair: pair[1](pair[0])
    )


def _plain(a: np.ndarray) -> np.ndarray:
    return a


def _gaps(a: np.ndarray) -> np.ndarray:
    if not a.ndim:
        return a
    out = np.repeat(a, 2, axis=-1)[..., ::2]
    assert not a.size or out.strides[-1] == 16
    return out


def _reversed(a: np.ndarray) -> np.ndarray:
    if not a.ndim:
        return a
    return a[(slice(None, None, -1),) * a.ndim].copy()[(slice(None, None, -1),) * a.ndim]


def _turned(a: np.ndarray) -> np.ndarray:
    return np.asfortranarray(a)


SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
#: (dtype, tolerance against the formula in float64)
KINDS = [(ad.float64, 1e-12), (ad.float32, 2e-6)]


def ours(a: np.ndarray, dtype: Any) -> ad.Tensor:
    """A Tensor with the strides of ``a``."""
    native = np.float32 if dtype is ad.float32 else np.float64
    return ad.from_numpy(a.astype(native, order="K") if dtype is ad.float32 else a)


def check(found: ad.Tensor, wanted: Any, tolerance: float) -> None:
    testing.assert_close(
        found, np.asarray(wanted), rtol=tolerance, atol=tolerance, equal_nan=True,
        check_dtype=False,
    )  # fmt: skip


def settled(test: Callable[..., None]) -> None:
    with np.errstate(all="ignore"):
        test()


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k[0].name)
def test_unary(name: str, kind: Any) -> None:
    formula, (low, high) = UNARY[name]
    dtype, tolerance = kind

    @given(SHAPES.flatmap(lambda s: arrays(s, values(low, high))))
    def test(a: np.ndarray) -> None:
        if name == "nan_to_num":
            top = ad.finfo(dtype).max
            check(ad.nan_to_num(ours(a, dtype)), np.nan_to_num(a, posinf=top, neginf=-top), 0.0)
        else:
            check(getattr(ad, name)(ours(a, dtype)), formula(a), tolerance)

    settled(test)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k[0].name)
def test_binary(name: str, kind: Any) -> None:
    formula, (low, high) = BINARY[name]
    dtype, tolerance = kind
    pairs = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=3, min_side=0, max_side=4)
    elements = values(low, high, name not in FINITE)

    @given(pairs.flatmap(lambda p: st.tuples(*[arrays(s, elements) for s in p.input_shapes])))
    def test(pair: Any) -> None:
        a, b = pair
        if name in FINITE:  # and what is divided by zero is the library's own affair
            b = np.where(b == 0, 1.0, b)
        check(getattr(ad, name)(ours(a, dtype), ours(b, dtype)), formula(a, b), tolerance)

    settled(test)


@st.composite
def reductions(draw: Any, special: bool = True, empty: bool = True) -> tuple[Any, Any, bool]:
    side = 0 if empty else 1
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=side, max_side=4))
    a = draw(arrays(shape, values(-3, 3, special)))
    dims = range(-len(shape), len(shape))
    dim = draw(st.none() | (st.sampled_from(dims) if shape else st.none()))
    return a, dim, draw(st.booleans())


REDUCE: dict[str, tuple[Callable[..., Any], bool]] = {
    "sum": (np.sum, True), "prod": (np.prod, True), "mean": (np.mean, True),
    "amax": (np.max, False), "amin": (np.min, False),
    "var": (lambda a, axis, keepdims: np.var(a, axis=axis, keepdims=keepdims, ddof=1), True),
    "std": (lambda a, axis, keepdims: np.std(a, axis=axis, keepdims=keepdims, ddof=1), True),
    "all": (np.all, True), "any": (np.any, True),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", REDUCE)
def test_reduce(name: str) -> None:
    formula, empty = REDUCE[name]

    @given(reductions(empty=empty))
    def test(case: Any) -> None:
        a, dim, keepdim = case
        found = getattr(ad, name)(ad.from_numpy(a), **_dims(name, dim, keepdim))
        check(found, formula(a, axis=dim, keepdims=keepdim), 1e-11)

    settled(test)


def _dims(name: str, dim: Any, keepdim: bool) -> dict[str, Any]:
    return {"dim": dim, "keepdim": keepdim}


@given(reductions(special=False, empty=False))
def test_argmax_max_and_cumsum(case: Any) -> None:
    a, dim, keepdim = case
    x = ad.from_numpy(a)
    assert ad.argmax(x).item() == np.argmax(a) and ad.argmin(x).item() == np.argmin(a)
    assert ad.max(x).item() == a.max() and ad.min(x).item() == a.min()
    if dim is not None:
        for function, best, where in ((ad.max, np.max, np.argmax), (ad.min, np.min, np.argmin)):
            top, indices = function(x, dim, keepdim)
            check(top, best(a, axis=dim, keepdims=keepdim), 0.0)
            check(indices, where(a, axis=dim, keepdims=keepdim), 0.0)
        check(ad.cumsum(x, dim), np.cumsum(a, axis=dim), 1e-12)
        check(ad.argmax(x, dim, keepdim), np.argmax(a, axis=dim, keepdims=keepdim), 0.0)


@given(reductions())
def test_logsumexp_and_softmax(case: Any) -> None:
    a, dim, _ = case
    if dim is None or a.shape[dim] == 0:
        return
    x = ad.from_numpy(a)
    with np.errstate(all="ignore"):
        top = a.max(axis=dim, keepdims=True)
        top = np.where(np.isfinite(top), top, 0)
        lse = np.log(np.exp(a - top).sum(axis=dim, keepdims=True)) + top
        check(ad.logsumexp(x, dim, True), lse, 1e-12)
        check(ad.logsumexp(x, dim), np.squeeze(lse, axis=dim), 1e-12)
        rows = np.isfinite(a).all(axis=dim, keepdims=True)
        soft = np.where(rows, np.exp(a - lse), np.nan)
        found = ad.softmax(x, dim).numpy()
        np.testing.assert_allclose(np.where(rows, found, np.nan), soft, rtol=1e-12)


@given(
    st.data(),
    hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4),
               elements=values(-9, 9)),
)  # fmt: skip
def test_shape(data: Any, a: np.ndarray) -> None:
    x = ad.from_numpy(a)
    n = a.ndim
    dim = data.draw(st.integers(-n, n - 1))
    other = data.draw(st.integers(-n, n - 1))
    order = data.draw(st.permutations(range(n)))
    k = data.draw(st.integers(-3, 3))
    check(x.reshape(-1) if a.size else x.reshape(0), a.reshape(-1), 0)
    check(x.permute(tuple(order)), a.transpose(order), 0)
    check(x.transpose(dim, other), np.swapaxes(a, dim, other), 0)
    check(x.movedim(dim, other), np.moveaxis(a, dim, other), 0)
    check(x.unsqueeze(dim), np.expand_dims(a, dim), 0)
    check(x.squeeze(), np.squeeze(a), 0)
    check(x.flip((dim,)), np.flip(a, dim), 0)
    check(x.roll(k, dim), np.roll(a, k, dim), 0)
    check(x.roll(k), np.roll(a, k), 0)
    check(x.expand((2, *a.shape)), np.broadcast_to(a, (2, *a.shape)), 0)
    check(x.repeat((2,) * n), np.tile(a, (2,) * n), 0)
    check(ad.cat([x, x], dim), np.concatenate([a, a], dim), 0)
    check(ad.stack([x, x], dim), np.stack([a, a], dim), 0)
    if n >= 2:
        check(ad.tril(x, k), np.tril(a, k), 0)
        check(ad.triu(x, k), np.triu(a, k), 0)
    size = data.draw(st.integers(1, 4))
    parts = [
        a.take(range(i, min(i + size, a.shape[dim])), dim) for i in range(0, a.shape[dim], size)
    ]
    for found, wanted in zip(x.split(size, dim), parts):
        check(found, wanted, 0)
    for found, i in zip(x.unbind(dim), range(a.shape[dim])):
        check(found, a.take(i, dim), 0)


@given(st.data())
def test_basic_indexing(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=1, max_side=4))
    index = data.draw(
        hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True).filter(_forward)
    )
    _check_index(np.arange(np.prod(shape), dtype=np.float64).reshape(shape), index, index)


def _forward(index: Any) -> bool:
    """PyTorch has no negative steps."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(not isinstance(i, slice) or (i.step or 1) > 0 for i in parts)


@given(st.data())
def test_advanced_indexing(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    a = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    if data.draw(st.booleans()):
        mask = data.draw(hnp.arrays(np.bool_, shape))
        _check_index(a, mask, ad.from_numpy(mask))
    else:
        index = data.draw(hnp.integer_array_indices(shape))
        _check_index(a, index, tuple(ad.from_numpy(np.array(i)) for i in index))


def _check_index(a: np.ndarray, theirs: Any, mine: Any) -> None:
    """Reading, its gradient (with repeated indices), and writing."""
    x = ad.from_numpy(a.copy()).requires_grad_()
    out = x[mine]
    check(out, a[theirs], 0)
    weights = np.arange(1.0, 1 + a[theirs].size).reshape(a[theirs].shape)
    (out * ad.from_numpy(weights)).sum().backward()
    wanted = np.zeros_like(a)
    np.add.at(wanted, theirs, weights)
    check(x.grad, wanted, 0)
    y = x * 1.0
    y[mine] = 7.5
    y.sum().backward()
    written = a.copy()
    written[theirs] = 7.5
    check(y, written, 0)
    kept = np.ones_like(a)
    kept[theirs] = 0
    check(x.grad, wanted + kept, 0)


@given(st.data())
def test_where_gather_and_masks(data: Any) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=4))
    a, b = (data.draw(arrays(shape, values(-9, 9))) for _ in range(2))
    mask = data.draw(hnp.arrays(np.bool_, shape))
    x, y, m = ad.from_numpy(a), ad.from_numpy(b), ad.from_numpy(mask)
    check(ad.where(m, x, y), np.where(mask, a, b), 0)
    check(ad.where(m, 2.0, y), np.where(mask, 2.0, b), 0)
    check(x.masked_fill(m, value=-1.0), np.where(mask, -1.0, a), 0)
    check(ad.masked_select(x, m), a[mask], 0)
    check(ad.nonzero(m), np.argwhere(mask), 0)
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    index = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(0, shape[dim] - 1)))
    check(ad.gather(x, dim, ad.from_numpy(index)), np.take_along_axis(a, index, dim), 0)


@given(st.data())
def test_products(data: Any) -> None:
    """Every number of dimensions, broadcasting of the batch, and inner lengths of zero."""
    shapes = data.draw(hnp.mutually_broadcastable_shapes(
        signature=np.matmul.signature, max_dims=2, min_side=0, max_side=3))  # fmt: skip
    a, b = (data.draw(arrays(s, values(-3, 3, False))) for s in shapes.input_shapes)
    check(ad.from_numpy(a) @ ad.from_numpy(b), a @ b, 1e-12)
