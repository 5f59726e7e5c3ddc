"""CuPy's kernels for many arrays at once: what they compute, and that it is one launch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import fake_cupy
import fake_kernels
import ml_dtypes
import numpy as np
import pytest
from test_backend_cupy import fake  # noqa: F401  (the fixture)

import anadrome as ad
from anadrome import backend
from anadrome.op import table
from anadrome.optim.together import rows

# ruff: noqa: F811

BF16 = np.dtype(ml_dtypes.bfloat16)
#: Types of parameters and of their gradients.
PAIRS = {
    "float32": ("float32", "float32"), "float64": ("float64", "float64"),
    "half": ("float16", "float16"), "bf16": ("bfloat16", "bfloat16"),
    "half gradients": ("float32", "float16"), "bf16 gradients": ("float32", "bfloat16"),
}  # fmt: skip
BOUND = {"float32": 3e-6, "float64": 1e-13, "float16": 2e-3, "bfloat16": 2e-2}
#: Less than a piece, more, exactly one, none, a single value.
SHAPES = [(3, 5), (8193,), (64, 128), (0,), (), (2, 8200)]


@pytest.fixture(params=["stand-in", pytest.param("gpu", marks=pytest.mark.gpu)])
def cupy(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The backend."""
    if request.param == "stand-in":
        request.getfixturevalue("fake")
    yield backend.get("cupy")


@pytest.fixture(params=[0, 1, 7])
def order(request: Any, monkeypatch: Any) -> Iterator[int]:
    monkeypatch.setattr(fake_kernels, "ORDER", [request.param])
    yield request.param


def kind(name: str) -> Any:
    return BF16 if name == "bfloat16" else np.dtype(name)


def drawn(shapes: Any, dtype: Any, seed: int, low: float = -2.0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.uniform(low, 2.0, shape)).astype(dtype) for shape in shapes]


class Case:
    """Parameters, gradients and state of an update, with what it makes of them in float64."""

    def __init__(self, op: str, pair: str, states: int, numbers: dict[str, Any]) -> None:
        self.op, self.numbers = op, numbers
        param, grad = (kind(name) for name in PAIRS[pair])
        self.bound = BOUND[PAIRS[pair][0]]
        self.columns = [drawn(SHAPES, param, 0), drawn(SHAPES, grad, 1)]
        self.columns += [drawn(SHAPES, param, 2 + i, 0.01) for i in range(states)]

    def flat(self) -> list[Any]:
        return [a for column in self.columns for a in column]

    def wanted(self, *extra: Any, flagged: bool = False) -> list[Any]:
        plain = [a.astype(np.float64) for a in self.flat()]
        table[self.op].forward(
            ad.backend.get("numpy").xp, *plain, *extra, count=len(SHAPES), flagged=flagged,
            **self.numbers,
        )  # fmt: skip
        return plain

    def got(self, cupy: Any, *extra: Any, flagged: bool = False) -> list[Any]:
        arrays = [cupy.asarray(a) for a in self.flat()]
        given = [cupy.asarray(e) for e in extra]
        cupy.kernels[self.op](*arrays, *given, count=len(SHAPES), flagged=flagged, **self.numbers)
        self.extra = [cupy.to_host(e) for e in given]
        return [cupy.to_host(a) for a in arrays]

    def check(self, got: list[Any], want: list[Any]) -> None:
        for (g, before), w in zip(zip(got, self.flat()), want, strict=True):
            assert g.dtype == before.dtype and g.shape == before.shape
            np.testing.assert_allclose(g.astype(float), w, rtol=self.bound, atol=self.bound)


ADAM = {
    "beta1": 0.9, "rest1": 0.1, "beta2": 0.99, "rest2": 0.01, "step_size": 0.3, "root": 0.2,
    "eps": 1e-3, "decay": None, "weight_decay": None, "maximize": False,
}  # fmt: skip
FORMS = {
    "adam": {}, "amsgrad": {}, "adamw": {"decay": 0.9}, "decayed": {"weight_decay": 0.2},
    "maximize": {"maximize": True, "weight_decay": 0.2},
}  # fmt: skip
SGD = {
    "lr": 0.1, "weight_decay": None, "momentum": 0.9, "carry": 0.9, "share": None,
    "nesterov": False, "maximize": False,
}  # fmt: skip


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("form", FORMS)
def test_adam(cupy: Any, form: str, pair: str) -> None:
    case = Case("adam_updates", pair, 3 if form == "amsgrad" else 2, {**ADAM, **FORMS[form]})
    case.check(case.got(cupy), case.wanted())


@pytest.mark.parametrize("pair", ["float32", "float64", "bf16"])
@pytest.mark.parametrize("flag", [False, True])
def test_adam_under_a_flag(cupy: Any, order: int, pair: str, flag: bool) -> None:
    case = Case("adam_updates", pair, 2, {**ADAM, "root": None, "decay": 0.9})
    steps = np.arange(len(SHAPES), dtype=np.float32)
    want = case.wanted(steps.copy(), np.array(flag), flagged=True)
    got = case.got(cupy, steps, np.array(flag), flagged=True)
    if flag:
        assert all(np.array_equal(a, b) for a, b in zip(got, case.flat()))
    else:
        case.check(got, want)
    assert case.extra[0].tolist() == [n + (not flag) for n in range(len(SHAPES))]


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("form", [
    {}, {"nesterov": True}, {"weight_decay": 0.3, "maximize": True}, {"share": 0.4, "carry": 0.5},
    None,
])  # fmt: skip
def test_sgd(cupy: Any, form: Any, pair: str) -> None:
    numbers = SGD if form is None else {**SGD, **form}
    case = Case("sgd_updates", pair, 0 if form is None else 1, numbers)
    case.check(case.got(cupy), case.wanted())


@pytest.mark.parametrize("flag", [False, True])
def test_sgd_under_a_flag(cupy: Any, flag: bool) -> None:
    case = Case("sgd_updates", "float32", 1, SGD)
    got = case.got(cupy, np.array(flag), flagged=True)
    if flag:
        assert all(np.array_equal(a, b) for a, b in zip(got, case.flat()))
    else:
        case.check(got, case.wanted(np.array(False), flagged=True))


def strided(cupy: Any, values: Any, how: str) -> Any:
    """The same values in another layout."""
    if how == "columns":
        return cupy.asarray(np.ascontiguousarray(values.T)).T
    if how == "gaps":
        wide = cupy.asarray(np.zeros((*values.shape[:-1], 2 * values.shape[-1]), values.dtype))
        wide[..., ::2] = cupy.asarray(values)
        return wide[..., ::2]
    return cupy.asarray(values)


@pytest.mark.parametrize("layouts", [
    ("rows", "columns", "rows", "rows"), ("columns", "columns", "columns", "columns"),
    ("columns", "rows", "columns", "columns"), ("gaps", "rows", "rows", "rows"),
    ("rows", "gaps", "rows", "rows"), ("rows", "rows", "columns", "rows"),
])  # fmt: skip
@pytest.mark.parametrize("flagged", [False, True])
def test_every_layout(cupy: Any, layouts: Any, flagged: bool) -> None:
    """Beside others that are in one piece, so that each finds its own step count."""
    shapes = [(4, 6), (300, 40), (7,)]
    columns = [drawn(shapes, np.float32, i, 0.1) for i in range(4)]
    numbers = {**ADAM, "root": None} if flagged else ADAM
    steps, flag = np.array([3, 5, 9], np.float32), np.array(False)
    plain = [a.astype(float) for c in columns for a in c]
    extra = (steps.copy(), flag) if flagged else ()
    numpy = ad.backend.get("numpy").xp
    table["adam_updates"].forward(numpy, *plain, *extra, count=3, flagged=flagged, **numbers)
    arrays = [
        strided(cupy, a, layouts[i] if n == 1 else "rows")
        for i, c in enumerate(columns)
        for n, a in enumerate(c)
    ]
    given = [cupy.asarray(e) for e in (steps, flag)] if flagged else []
    cupy.kernels["adam_updates"](*arrays, *given, count=3, flagged=flagged, **numbers)
    for got, want in zip(arrays, plain):
        np.testing.assert_allclose(cupy.to_host(got), want, rtol=3e-6, atol=1e-6)
    if flagged:
        assert cupy.to_host(given[0]).tolist() == [4, 6, 10]


def test_mixed_types_and_complex_ones(cupy: Any) -> None:
    kinds = ["float32", "float64", "complex64", "float16"]
    params = [np.ones(4, kind(k)) for k in kinds]
    grads = [np.full(4, 2).astype(kind(k)) for k in kinds]
    arrays = [cupy.asarray(a) for a in params + grads]
    cupy.kernels["sgd_updates"](*arrays, count=4, flagged=False, **SGD)
    for array in arrays[:4]:
        np.testing.assert_allclose(cupy.to_host(array).astype(complex).real, 0.8, rtol=1e-3)


# -- clipping and scaling -------------------------------------------------------------------------
@pytest.mark.parametrize("name", BOUND)
def test_the_norm(cupy: Any, order: int, name: str) -> None:
    arrays = drawn(SHAPES, kind(name), 0)
    want = np.sqrt(sum((a.astype(float) ** 2).sum() for a in arrays))
    got = cupy.kernels["total_norm"](*map(cupy.asarray, arrays), norm_type=2.0)
    assert got.shape == () and got.dtype == kind(name)
    np.testing.assert_allclose(float(cupy.to_host(got)), want, rtol=max(BOUND[name], 1e-6))


def test_norms_of_other_orders_and_of_mixed_types(cupy: Any) -> None:
    a, b = cupy.asarray(np.full(3, -2.0, np.float32)), cupy.asarray(np.full(2, 1.0, np.float16))
    norm = cupy.kernels["total_norm"]
    assert norm(a, norm_type=float("inf")).item() == 2.0
    assert norm(a, norm_type=1.0).item() == 6.0
    both = norm(a, b, norm_type=2.0)
    assert both.dtype == np.float32 and both.item() == pytest.approx(14**0.5)
    columns = cupy.asarray(np.arange(6.0).reshape(2, 3)).T
    assert norm(columns[::2], norm_type=2.0).item() == pytest.approx(38**0.5)
    assert np.isnan(norm(cupy.asarray(np.array([1.0, np.nan])), norm_type=2.0).item())
    assert norm(cupy.asarray(np.zeros((0, 3))), norm_type=2.0).item() == 0.0


@pytest.mark.parametrize("name", BOUND)
@pytest.mark.parametrize("most", [0.5, 1e6])
def test_gradients_are_made_smaller(cupy: Any, name: str, most: float) -> None:
    arrays = drawn(SHAPES, kind(name), 0)
    norm = np.asarray(7.0, kind(name))
    given = [cupy.asarray(a) for a in arrays]
    cupy.kernels["shrink_to_norm"](*given, cupy.asarray(norm), max_norm=most)
    for got, a in zip(given, arrays):
        want = a.astype(float) * min(most / (7.0 + 1e-6), 1.0)
        np.testing.assert_allclose(cupy.to_host(got).astype(float), want, rtol=2 * BOUND[name])


def test_a_norm_that_is_nan_makes_all_nan(cupy: Any) -> None:
    g = cupy.asarray(np.ones(3, np.float32))
    cupy.kernels["shrink_to_norm"](g, cupy.asarray(np.float32(np.nan)), max_norm=1.0)
    assert np.isnan(cupy.to_host(g)).all()


@pytest.mark.parametrize("name", BOUND)
def test_values_are_clipped(cupy: Any, name: str) -> None:
    arrays = drawn(SHAPES, kind(name), 0)
    arrays[0][0, 0], arrays[0][0, 1] = np.nan, -np.inf
    given = [cupy.asarray(a) for a in arrays]
    cupy.kernels["clip_values"](*given, limit=0.5)
    for got, a in zip(given, arrays):
        np.testing.assert_array_equal(
            cupy.to_host(got).astype(float), np.clip(a.astype(float), -0.5, 0.5)
        )


@pytest.mark.parametrize("name", BOUND)
def test_zero_in_all(cupy: Any, name: str) -> None:
    given = [cupy.asarray(a) for a in drawn(SHAPES, kind(name), 0)]
    cupy.kernels["zero_together"](*given)
    assert not any(cupy.to_host(a).astype(float).any() for a in given)


@pytest.mark.parametrize("name", BOUND)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("places", [(), (1,), (0, 5)])
def test_unscaled_and_looked_at(cupy: Any, name: str, bad: float, places: Any) -> None:
    arrays = drawn(SHAPES, kind(name), 0)
    for place in places:
        arrays[place].reshape(-1)[-1] = bad
    given = [cupy.asarray(a) for a in arrays]
    given[2] = strided(cupy, arrays[2], "columns")
    found = cupy.asarray(np.zeros(8, np.float32))
    inverse = cupy.asarray(np.float32(0.25))
    at = (1, 2, 3, 4, 6, 7)
    cupy.kernels["amp_unscale"](*given, found, inverse, at=at)
    assert np.flatnonzero(cupy.to_host(found)).tolist() == [at[p] for p in places]
    for got, a in zip(given, arrays):
        want = (a.astype(np.float32) * np.float32(0.25)).astype(a.dtype)
        want = want if name != "float64" else a * 0.25
        np.testing.assert_array_equal(cupy.to_host(got).astype(float), want.astype(float))


def test_an_overflow_that_unscaling_makes(cupy: Any) -> None:
    g, found = cupy.asarray(np.float32([1e30])), cupy.asarray(np.zeros(1, np.float32))
    cupy.kernels["amp_unscale"](g, found, cupy.asarray(np.float32(1e20)), at=(0,))
    assert found.item() == 1.0


@pytest.mark.parametrize("found", [[0, 0], [0, 1], [0]])
@pytest.mark.parametrize("tracker", [0, 2])
@pytest.mark.parametrize("scale", [8.0, 3e38])
def test_the_next_scale(cupy: Any, found: Any, tracker: int, scale: float) -> None:
    numbers = {"growth_factor": 2.0, "backoff_factor": 0.5, "growth_interval": 3}
    plain = [np.float32(scale), np.int32(tracker), np.array(found, np.float32)]
    want, got = [np.array(a) for a in plain], [cupy.asarray(a) for a in plain]
    table["amp_update_scale"].forward(ad.backend.get("numpy").xp, *want, **numbers)
    cupy.kernels["amp_update_scale"](*got, **numbers)
    assert [cupy.to_host(a).tolist() for a in got] == [a.tolist() for a in want]


# -- how often -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_one_launch_serves_all_parameters(fake: Any, monkeypatch: Any, name: str) -> None:
    model = ad.nn.Sequential(*[ad.nn.Linear(130, 130) for _ in range(4)]).to("cuda")
    optimizer = getattr(ad.optim, name)(model.parameters(), lr=0.1)
    scaler = ad.amp.GradScaler("cuda")
    launched: list[str] = []
    real = fake_kernels.RawKernel.__call__

    def counted(self: Any, *args: Any, **keywords: Any) -> Any:
        launched.append(self.name)
        return real(self, *args, **keywords)

    monkeypatch.setattr(fake_kernels.RawKernel, "__call__", counted)
    for _ in range(2):
        optimizer.zero_grad(set_to_none=False)
        scaler.scale(model(ad.ones(2, 130, device="cuda")).sum()).backward()
        scaler.unscale_(optimizer)
        launched.clear()
        ad.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
    kernel = {"SGD": "sgd"}.get(name, "adam")
    assert launched == ["anadrome_squares", "anadrome_shrink", f"anadrome_{kernel}"]


def test_without_the_plugin_nothing_is_together(fake: Any, monkeypatch: Any) -> None:
    w = ad.ones(3, device="cuda").requires_grad_()
    optimizer = ad.optim.Adam([w])
    assert optimizer.skips_on_device
    for name in ("adam_updates", "sgd_updates"):
        monkeypatch.delitem(fake.kernels, name)
    assert not optimizer.skips_on_device
    w.sum().backward()
    optimizer.step()
    assert w.tolist() == pytest.approx([0.999] * 3)


def test_rows() -> None:
    assert list(rows([1, 2, 3, 4, 5, 6], 2)) == [(1, 3, 5), (2, 4, 6)]


def test_the_devices_own_table_of_pieces_is_kept(fake: Any) -> None:
    many = sys.modules["anadrome.backends.cupy.kernels.many"]
    arrays = [fake_cupy.dressed(np.zeros(n, np.float32)) for n in (8192, 8193, 0, 1)]
    sizes, owners, pieces = many._pieces(tuple(a.size for a in arrays), (0, 0))
    assert owners.tolist() == [0, 1, 1, 3] and pieces.tolist() == [0, 0, 1, 0]
    assert sizes.tolist() == [8192, 8193, 0, 1] and many.count_of(arrays) == 4
