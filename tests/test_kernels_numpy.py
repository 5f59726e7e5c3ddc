"""The NumPy backend's kernels give what the ops' declared forwards give, for every kind of array."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import warnings
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import anadrome as ad
from anadrome import backend
from anadrome.backends.numpy import parallel
from anadrome.op import table
from anadrome.samples import Arr

NUMPY = backend.get("numpy")
KERNELS = NUMPY.kernels
BF16 = np.dtype(ml_dtypes.bfloat16)
TOLERANCE = {
    np.dtype(np.float32): 2e-6,
    np.dtype(np.float64): 1e-13,
    np.dtype(np.float16): 2e-3,
    BF16: 1.6e-2,
}
DTYPES = st.sampled_from(list(TOLERANCE))
SHAPES = st.sampled_from(
    [(3, 4), (5,), (1, 1), (2, 3, 4), (0, 3), (3, 0), (40, 50), (2, 17, 130), (70, 300)]
)
VIEWS = {"reshape", "expand", "permute", "transpose", "sum_to_size"}


def made(rng: Any, shape: Any, dtype: Any, layout: str = "C", special: str = "") -> Any:
    """Normal values in some memory layout; ``special`` values replace about one in ten."""
    data = rng.standard_normal(shape)
    for name in special.split():
        data = np.where(rng.random(shape) < 0.1, float(name), data)
    data = np.asarray(data, dtype)
    if layout == "strided":
        wide = np.zeros((*shape[:-1], 2 * shape[-1]), dtype)
        wide[..., ::2] = data
        return wide[..., ::2]
    if layout == "reversed":
        return data[::-1].copy()[::-1]
    return np.asfortranarray(data) if layout == "F" else data


LAYOUTS = st.sampled_from(["C", "F", "strided", "reversed"])


def check(name: str, *arrays: Any, tolerance: float = 1.0, **metadata: Any) -> None:
    """The kernel against the declaration in float64; and it leaves its arguments alone."""
    kept = [np.array(a) if isinstance(a, np.ndarray) else a for a in arrays]
    got = KERNELS[name](*arrays, **metadata)
    for before, after in zip(kept, arrays):
        if isinstance(before, np.ndarray):
            assert before.tobytes() == after.tobytes(), f"{name} wrote into an argument"
    kinds = [a.dtype for a in arrays if getattr(a, "dtype", None) in TOLERANCE]
    exact = [
        a.astype(np.float64) if getattr(a, "dtype", None) in TOLERANCE else a for a in arrays
    ]
    with np.errstate(all="ignore"):
        want = table[name].forward(np, *exact, **metadata)
    results = zip(got, want) if isinstance(want, tuple) else [(got, want)]
    for g, w in results:
        assert g.shape == w.shape
        if kinds and w.dtype == np.float64:
            assert g.dtype in (kinds[0], np.float32)
            bound = TOLERANCE[kinds[0]] * tolerance
            scale = max(1.0, float(np.max(np.abs(w[np.isfinite(w)]), initial=0.0)))
            with np.errstate(all="ignore"):
                np.testing.assert_allclose(
                    np.asarray(g, np.float64), w, rtol=bound, atol=bound * scale
                )
        else:
            np.testing.assert_array_equal(g, w)
        if name not in VIEWS:
            assert not any(np.may_share_memory(g, a) for a in arrays if isinstance(a, np.ndarray))


SAMPLED = [(name, i) for name in KERNELS for i, _ in enumerate(table[name].samples or ())]


@pytest.mark.parametrize(("name", "number"), SAMPLED, ids=lambda v: str(v))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_kernel_on_its_ops_samples(name: str, number: int, dtype: str) -> None:
    rng = np.random.default_rng(number)
    sample = table[name].samples[number]

    def argument(a: Any) -> Any:
        if not isinstance(a, Arr):
            return a
        if a.kind == "bool":
            return np.asarray(rng.random(a.shape) < 0.5)
        if a.kind == "int":
            return rng.integers(int(a.low), int(a.high), a.shape)
        if a.distinct:
            return rng.permutation(math.prod(a.shape)).reshape(a.shape).astype(dtype)
        return np.asarray(rng.uniform(a.low, a.high, a.shape), dtype)

    check(name, *map(argument, sample.args), tolerance=4, **sample.keywords)


ELEMENTWISE = ("erf", "gelu", "sigmoid", "silu", "relu", "tanh", "exp", "neg")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ELEMENTWISE), SHAPES, DTYPES, LAYOUTS, st.integers(0, 999))
@example("gelu", (200, 200), np.dtype(np.float32), "C", 0)
@example("erf", (), np.dtype(np.float32), "C", 0)
@example("gelu", (), np.dtype(np.float32), "C", 0)
def test_elementwise(name: str, shape: Any, dtype: Any, layout: str, seed: int) -> None:
    x = made(np.random.default_rng(seed), shape, dtype, layout if shape else "C", "nan inf -inf")
    check(name, x, tolerance=2)


@settings(max_examples=50, deadline=None)
@given(SHAPES, DTYPES, LAYOUTS, LAYOUTS, st.integers(0, 999))
def test_backwards_of_elementwise(shape: Any, dtype: Any, a: str, b: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    g, x = made(rng, shape, dtype, a, "nan"), made(rng, shape, dtype, b, "nan")
    check("gelu_backward", g, x, tolerance=2)
    check("gelu_backward", g, x, approximate="tanh", tolerance=2)
    check("threshold_backward", made(rng, shape, dtype, a, "nan inf"), x)


def test_error_function_is_accurate_over_all_floats() -> None:
    """Against Python's own, in units in the last place."""
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 200_000, dtype=np.uint64).astype(np.uint32)
    near = rng.uniform(-6, 6, 100_000).astype(np.float32)
    x = np.concatenate([bits.view(np.float32), near])
    x = x[np.isfinite(x)]
    want = np.array([math.erf(v) for v in x.tolist()])
    got = KERNELS["erf"](x)
    tiny = np.abs(want) < 2.0**-120  # a denormal has fewer digits
    ulps = np.abs(got - want) / np.spacing(np.abs(want).astype(np.float32))
    assert ulps[~tiny].max() < 8
    assert np.all(got[np.abs(x) > 4] == np.sign(x[np.abs(x) > 4]))


def test_gelu_has_exact_tails_and_a_good_middle() -> None:
    x = np.linspace(-12, 12, 100_001).astype(np.float32)
    cdf = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x.tolist()])
    density = np.exp(-x.astype(float) ** 2 / 2) / math.sqrt(2 * math.pi)
    assert np.abs(KERNELS["gelu"](x) - x * cdf).max() < 1.2e-6  # two units in the last place of 5
    slope = KERNELS["gelu_backward"](np.ones_like(x), x)
    assert np.abs(slope - (cdf + x * density)).max() < 4e-7
    far = np.array([-1e30, -100, 100, 1e30] * 20, np.float32)
    assert np.array_equal(KERNELS["gelu"](far), np.maximum(far, 0))
    assert np.array_equal(KERNELS["gelu_backward"](far, far), np.maximum(far, 0))


@settings(max_examples=50, deadline=None)
@given(SHAPES, DTYPES, LAYOUTS, st.sampled_from([0, -1]), st.integers(0, 999))
def test_softmax(shape: Any, dtype: Any, layout: str, dim: int, seed: int) -> None:
    if shape[dim] == 0:
        return
    rng = np.random.default_rng(seed)
    x, g = made(rng, shape, dtype, layout, "-inf"), made(rng, shape, dtype, layout, "nan")
    check("softmax", x, dim=dim)
    check("log_softmax", made(rng, shape, dtype, layout, "nan"), dim=dim)
    check("softmax_backward", g, np.abs(made(rng, shape, dtype)), dim=dim, tolerance=4)


def test_softmax_of_a_fully_masked_row_is_nan_as_in_pytorch() -> None:
    x = np.full((2, 3), -np.inf, np.float32)
    assert np.isnan(KERNELS["softmax"](x, dim=-1)).all()


@settings(max_examples=60, deadline=None)
@given(SHAPES, DTYPES, LAYOUTS, st.booleans(), st.integers(0, 999), st.data())
def test_sums(shape: Any, dtype: Any, layout: str, keepdim: bool, seed: int, data: Any) -> None:
    x = made(np.random.default_rng(seed), shape, dtype, layout, "nan inf")
    axes = data.draw(st.lists(st.integers(0, len(shape) - 1), unique=True, max_size=len(shape)))
    dim = data.draw(st.sampled_from([None, tuple(axes) or None, -1, 0]))
    if dim is not None and not isinstance(dim, int):
        dim = tuple(a - len(shape) * data.draw(st.booleans()) for a in dim)
    check("sum", x, dim=dim, keepdim=keepdim, tolerance=4)
    if x.size:
        check("mean", x, dim=dim, keepdim=keepdim, tolerance=4)
    lead = data.draw(st.integers(0, len(shape)))
    check("sum_to_size", x, size=shape[lead:], tolerance=4)


def test_sums_of_integers_and_their_errors_are_the_declarations() -> None:
    assert KERNELS["sum"](np.array([[200, 100]], np.uint8)) == 300
    assert KERNELS["sum"](np.array([True, True])).dtype == np.int64
    with pytest.raises(IndexError, match="out of (range|bounds)"):
        ad.ones(2, 3).sum(5)
    with pytest.raises(IndexError, match="Dimension out of range"):
        ad.tensor(1.0).sum(2)


def test_long_sums_keep_their_digits() -> None:
    x = np.full((100_000, 3), 0.1, np.float32)
    for dim in (None, 0):
        exact = x.astype(np.float64).sum(axis=dim)
        assert np.allclose(KERNELS["mean"](x, dim=dim), exact / (x.size / exact.size), rtol=2e-3)
    assert abs(float(KERNELS["sum"](x)) - 30_000) < 0.1


@settings(max_examples=40, deadline=None)
@given(SHAPES, DTYPES, LAYOUTS, st.booleans(), st.integers(0, 999))
def test_masks(shape: Any, dtype: Any, layout: str, low: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = made(rng, shape, dtype, layout, "nan inf"), made(rng, shape, dtype, "C", "nan")
    mask = rng.random(shape[-1:] if low else shape) < 0.5
    for value in (0, -1.5, -math.inf):
        want = np.where(mask, np.asarray(value, dtype), x)
        got = KERNELS["masked_fill"](x, mask, value=value)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got.astype(float), want.astype(float))
    for a, b in ((x, 0.0), (0.0, x), (x, y)):
        want = np.where(mask, np.asarray(a, dtype), np.asarray(b, dtype))
        got = KERNELS["where"](mask, a, b)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got.astype(float), want.astype(float))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(1, 300), DTYPES, LAYOUTS, LAYOUTS, st.integers(0, 999))
def test_products(n: int, k: int, dtype: Any, la: str, lb: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b, bias = made(rng, (n, k), dtype, la), made(rng, (k, 7), dtype, lb), made(rng, (7,), dtype)
    loose = 4.0 * math.sqrt(k)
    check("mm", a, b, tolerance=loose)
    check("addmm", bias, a, b, tolerance=loose)
    check("addmm", bias, a, b, beta=0.5, alpha=2.0, tolerance=loose)
    check("mv", a, b[:, 0], tolerance=loose)
    weight = b.T
    check("linear", a, weight, bias, tolerance=loose)
    check("linear", a, weight, None, tolerance=loose)
    check("linear", a.reshape(n, 1, k), weight, bias, tolerance=loose)
    check("linear", made(rng, (k,), dtype), weight, bias, tolerance=loose)
    stack = np.broadcast_to(a, (3, n, k))
    check("matmul", stack, b, tolerance=loose)
    check("bmm", stack, np.broadcast_to(b, (3, k, 7)), tolerance=loose)


def test_half_precision_products_are_summed_in_float32() -> None:
    """Summed in float16, 4,096 ones would stick at 2,048."""
    ones = np.ones((1, 4096), np.float16)
    for name in ("mm", "matmul"):
        assert KERNELS[name](ones, ones.T)[0, 0] == 4096
    assert KERNELS["sum"](ones.astype(BF16)) == 4096
    total = np.zeros((2, 1), np.float16)
    NUMPY.scatter_add(total, (np.zeros(4096, np.int64),), ones.T)
    assert total[0, 0] == 4096


@settings(max_examples=40, deadline=None)
@given(SHAPES, DTYPES, LAYOUTS, st.booleans(), st.integers(0, 999))
def test_layer_norm(shape: Any, dtype: Any, layout: str, affine: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = made(rng, shape, dtype, layout)
    for dims in range(1, len(shape) + 1):
        inner = shape[len(shape) - dims :]
        if 0 in inner:
            continue
        weight, bias = (made(rng, inner, dtype) if affine else None for _ in range(2))
        check("layer_norm", x, weight, bias, dims=dims, eps=1e-3, tolerance=20)
        axes = tuple(range(-dims, 0))
        kept = (*shape[: len(shape) - dims], *(1,) * dims)
        scale = np.abs(made(rng, kept, dtype))
        normal, grad = made(rng, shape, dtype), made(rng, shape, dtype, layout, "nan")
        check("standardise_backward", grad, normal, scale, axes=axes, tolerance=20)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([(4, 3), (5, 2, 7), (6, 3, 4, 4), (20, 8, 10, 10)]), DTYPES, LAYOUTS,
       st.booleans(), st.integers(0, 999))  # fmt: skip
def test_batch_norm(shape: Any, dtype: Any, layout: str, affine: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = made(rng, shape, dtype, layout)
    weight, bias = (made(rng, shape[1:2], dtype) if affine else None for _ in range(2))
    check("batch_norm", x, weight, bias, eps=1e-3, tolerance=20)
    axes = (0, *range(2, len(shape)))
    scale = np.abs(made(rng, [1 if i in axes else n for i, n in enumerate(shape)], dtype))
    normal, grad = made(rng, shape, dtype), made(rng, shape, dtype, layout)
    check("standardise_backward", grad, normal, scale, axes=axes, tolerance=20)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(2, 40), DTYPES, LAYOUTS,
       st.sampled_from(["none", "mean", "sum"]), st.sampled_from([-100, 1]), st.booleans(),
       st.integers(0, 999))  # fmt: skip
def test_cross_entropy(
    n: int, c: int, dtype: Any, layout: str, reduction: str, ignore: int, weighted: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, target = made(rng, (n, c), dtype, layout), rng.integers(0, c, n)
    target[0] = 0  # one row at least counts
    weight = np.abs(made(rng, (c,), dtype)) + np.asarray(1, dtype) if weighted else None
    how = {"ignore_index": ignore, "reduction": reduction}
    check("cross_entropy", x, target, weight, tolerance=8, **how)
    grad = made(rng, (n,) if reduction == "none" else (), dtype)
    log_probs = -np.abs(made(rng, (n, c), dtype))
    check("cross_entropy_backward", grad, log_probs, target, weight, tolerance=8, **how)


def test_a_class_out_of_range_is_named() -> None:
    with pytest.raises(IndexError, match="Target 3 is out of bounds"):
        KERNELS["cross_entropy"](
            np.zeros((2, 3), np.float32), np.array([0, 3]), ignore_index=-100, reduction="mean"
        )


@settings(max_examples=20, deadline=None)
@given(SHAPES, DTYPES, LAYOUTS, st.sampled_from(["none", "mean", "sum"]), st.integers(0, 999))
def test_mse(shape: Any, dtype: Any, layout: str, reduction: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = made(rng, shape, dtype, layout), made(rng, shape, dtype)
    if x.size:
        check("mse_loss", x, y, reduction=reduction, tolerance=4)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300), st.integers(0, 50), DTYPES, st.sampled_from([None, 0]),
       st.integers(0, 999))  # fmt: skip
def test_embedding(rows: int, n: int, dtype: Any, padding: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weight, g = made(rng, (rows, 5), dtype), made(rng, (2, n, 5), dtype)
    index = rng.integers(0, rows, (2, n))
    check("embedding", weight, index, padding_idx=padding)
    got = KERNELS["embedding_backward"](g, index, shape=(rows, 5), padding_idx=padding)
    want = np.zeros((rows, 5))
    for i, row in zip(index.reshape(-1), g.reshape(-1, 5).astype(np.float64)):
        if i != padding:
            want[i] += row
    bound = TOLERANCE[dtype] * 4
    np.testing.assert_allclose(np.asarray(got, np.float64), want, rtol=bound, atol=bound * 4)
    assert got.dtype == dtype


def test_an_infinite_gradient_stays_in_its_row_of_an_embedding() -> None:
    g = np.ones((2, 4), np.float32)
    g[1, 2] = np.inf
    got = KERNELS["embedding_backward"](g, np.array([0, 3]), shape=(5, 4))
    assert np.isfinite(got[:3]).all() and np.isinf(got[3, 2]) and np.isfinite(got[4]).all()


@pytest.mark.parametrize("bad", [-1, 5])
def test_embedding_refuses_rows_that_are_not_there(bad: int) -> None:
    with pytest.raises(IndexError, match="out of range"):
        KERNELS["embedding"](np.zeros((5, 2), np.float32), np.array([0, bad]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 999), DTYPES, st.integers(1, 3), st.booleans())
def test_scatter_add_adds_each_occurrence(seed: int, dtype: Any, used: int, sliced: bool) -> None:
    rng = np.random.default_rng(seed)
    shape = (4, 5, 3)
    index: Any = tuple(rng.integers(-n, n, (6, 1) if i else (1, 7)) for i, n in
                       enumerate(shape[:used]))  # fmt: skip
    if sliced and used < 3:
        index = (*index, slice(0, 2))
    target = np.zeros(shape, dtype)
    source = made(rng, target[index].shape, dtype)
    want = np.zeros(shape)
    np.add.at(want, index, source.astype(np.float64))
    NUMPY.scatter_add(target, index, source)
    bound = TOLERANCE[dtype] * 8
    np.testing.assert_allclose(np.asarray(target, np.float64), want, rtol=bound, atol=bound)


def test_scatter_add_out_of_range_raises() -> None:
    with pytest.raises(IndexError, match="out of bounds"):
        NUMPY.scatter_add(np.zeros((2, 3)), (np.array([2]), np.array([0])), np.ones(1))


def test_scatter_add_into_a_view_reaches_the_base() -> None:
    base = np.zeros((3, 4))
    NUMPY.scatter_add(base[:, ::2], (np.array([1, 1]),), np.ones((2, 2)))
    assert base.tolist() == [[0] * 4, [2, 0, 2, 0], [0] * 4]


@settings(max_examples=30, deadline=None)
@given(SHAPES, DTYPES, st.sampled_from([0.0, 0.3, 1.0]), st.booleans())
def test_dropout_draws_the_declared_mask(shape: Any, dtype: Any, p: float, rows: bool) -> None:
    x = made(np.random.default_rng(0), shape, dtype)
    of_mask = (*shape[:-1], 1) if rows else None
    got = KERNELS["dropout"](x, p=p, key=(3, 4), shape=of_mask)
    want = table["dropout"].forward(np, x.astype(np.float64), p=p, key=(3, 4), shape=of_mask)
    assert got.dtype == dtype
    bound = TOLERANCE[dtype] * 2
    np.testing.assert_allclose(np.asarray(got, np.float64), want, rtol=bound, atol=bound)


def test_expand_is_a_read_only_view() -> None:
    x = np.arange(3.0)
    out = KERNELS["expand"](x, shape=(2, 3))
    assert np.may_share_memory(out, x) and not out.flags.writeable
    scalar = KERNELS["expand"](np.float32(2), shape=(2, 0, 3))
    assert scalar.shape == (2, 0, 3) and not scalar.flags.writeable
    one = np.ones(())
    out = KERNELS["expand"](one, shape=(4,))
    one[...] = 5
    assert out.tolist() == [5] * 4


@pytest.mark.parametrize("call", [
    lambda x: x.reshape(5), lambda x: x.expand(4, 4), lambda x: x.permute(0, 5),
    lambda x: x.transpose(0, 7),
])  # fmt: skip
def test_view_errors_name_the_op_and_the_shape(call: Any) -> None:
    with pytest.raises((RuntimeError, IndexError), match=r"float32 \(2, 3\)"):
        call(ad.zeros(2, 3))


@pytest.mark.parametrize("call", [
    lambda: ad.tensor([1.0, 0.0]) / ad.tensor([0.0, 0.0]),
    lambda: ad.log(ad.tensor([0.0, -1.0])),
    lambda: ad.exp(ad.tensor([1e4])),
    lambda: ad.sqrt(ad.tensor([-1.0])),
    lambda: ad.tensor([1e30]) * ad.tensor([1e30]),
    lambda: ad.tensor([math.nan]).to(ad.int64),
    lambda: ad.tensor([1e30]).half(),
    lambda: ad.tensor([math.inf]).softmax(0) if hasattr(ad.Tensor, "softmax") else None,
    lambda: ad.zeros(0).mean(),
])  # fmt: skip
def test_floating_point_events_warn_nobody(call: Any) -> None:
    """As in PyTorch; the filter is in place from the moment the backend is loaded."""
    with warnings.catch_warnings(record=True) as caught:
        call()
    assert not caught


def test_nor_does_a_backward() -> None:
    x = ad.tensor([0.0, -1.0], requires_grad=True)
    with warnings.catch_warnings(record=True) as caught:
        ad.log(x).sum().backward()
        x.grad = None
        (1.0 / x).sum().backward()
    assert not caught


def test_the_backend_brings_its_filter_along() -> None:
    """In a fresh interpreter, where every other RuntimeWarning is an error."""
    code = (
        "import anadrome as ad, numpy as np, warnings\n"
        "x = ad.tensor([0.0, -1.0], requires_grad=True)\n"
        "(ad.log(x) / x).sum().backward()\n"
        "try: np.log(np.zeros(1))\n"
        "except RuntimeWarning: print('the user is warned')\n"
    )
    command = [sys.executable, "-W", "error::RuntimeWarning", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("the user is warned\n", "")


def test_the_users_own_numpy_still_warns() -> None:
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        np.ones(1) / np.zeros(1)


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sigmoid", "silu"])
@pytest.mark.parametrize("size", [2**18, 2**18 + 5, 2**18 - 1])
def test_large_arrays_are_divided_among_threads(name: str, size: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(parallel, "threads", 3)
    used: set[int] = set()
    ours = parallel._piece
    monkeypatch.setattr(
        parallel, "_piece", lambda *a: (used.add(threading.get_ident()), ours(*a))[1]
    )
    x = np.random.default_rng(0).normal(size=size).astype(np.float32).reshape(-1, 1)
    with warnings.catch_warnings(record=True) as caught:
        check(name, x, tolerance=4)
    assert not caught
    assert bool(used) == (size >= 2**18) and threading.get_ident() not in used


def test_an_error_in_a_thread_reaches_the_caller(monkeypatch: Any) -> None:
    monkeypatch.setattr(parallel, "threads", 2)

    def broken(source: Any, target: Any) -> None:
        if source[0]:
            raise MemoryError("second half")

    x = np.zeros(2**18)
    x[2**17] = 1
    with pytest.raises(MemoryError, match="second half"):
        parallel.fill(broken, x, x)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_threads_work_in_a_forked_child() -> None:
    code = (
        "import os, numpy as np\n"
        "from anadrome.backends.numpy import parallel\n"
        "parallel.threads = 2\n"
        "tanh = parallel.divided(np.tanh)\n"
        "x = np.ones(2**18)\n"
        "tanh(x)\n"
        "child = os.fork()\n"
        "if not child: os._exit(0 if tanh(x)[-1] == np.tanh(1.0) else 1)\n"
        "print(os.waitpid(child, 0)[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "0\n", done.stderr
