"""The compiled kernels: all that the table says of an op holds of them, on small arrays too."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compiled_cases import WIDTH, calls, made

import anadrome as ad
from anadrome import backend, testing
from anadrome.backends.numba import kernels as compiled
from anadrome.backends.numba import team
from anadrome.backends.numba.kernels import common, products
from anadrome.backends.numpy import parallel
from anadrome.backends.numpy.kernels import KERNELS as PLAIN
from anadrome.op import table

pytestmark = pytest.mark.numba

NAMES = sorted(compiled.MAKERS)
MUTATING = {"adam_update", "adam_updates"}
CALLS = calls()


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compiled code gets every float32 call, divided among two threads."""
    monkeypatch.setattr(common, "LARGE", 0)
    monkeypatch.setattr(team, "LARGE", 0)
    monkeypatch.setattr(products, "FEWEST", 0)
    monkeypatch.setattr(parallel, "LARGE", 0)
    monkeypatch.setattr(parallel, "threads", 2)
    yield


@pytest.mark.parametrize("name", [n for n in NAMES if table[n].samples])
def test_all_checks_of_the_table(name: str, always: None) -> None:
    testing.check_op(name)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in MUTATING])
def test_as_declared_and_the_same_bits_each_time(name: str, always: None) -> None:
    kernel = backend.get("numpy").kernels[name]
    assert kernel is not PLAIN.get(name)
    for args, keywords in CALLS[name]:
        kept = [np.array(a) if isinstance(a, np.ndarray) else a for a in args]
        found, again = kernel(*args, **keywords), kernel(*args, **keywords)
        exact = [a.astype(np.float64) if _real(a) else a for a in args]
        wanted = table[name].forward(np, *exact, **keywords)
        if not isinstance(found, tuple):
            found, again, wanted = (found,), (again,), (wanted,)
        for f, a, w in zip(found, again, wanted, strict=True):
            assert f.shape == w.shape
            assert f.dtype == (np.float32 if _real(w) else w.dtype)
            np.testing.assert_array_equal(f, a)
            np.testing.assert_allclose(f, w, rtol=5e-5, atol=5e-5)
        for given, copy in zip(args, kept):
            np.testing.assert_array_equal(given, copy)


def _real(a: Any) -> bool:
    return getattr(a, "dtype", np.dtype(bool)).kind == "f"


def test_an_infinity_reaches_only_what_it_meets(always: None) -> None:
    """Between the values of a depthwise convolution lie others, which meet zeros."""
    how = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 2}
    x, w, g = (np.ones(s, np.float32) for s in ((2, 2, 4, 4), (2, 1, 2, 2), (2, 2, 3, 3)))
    x[0, 0, 0, 3] = w[1, 0, 0, 0] = np.inf
    kernels = backend.get("numpy").kernels
    for name, *args, shape in (("conv_weight", g, x, w.shape), ("conv_input", g, w, x.shape)):
        found = kernels[name](*args, shape=shape, **how)
        np.testing.assert_array_equal(found, table[name].forward(np, *args, shape=shape, **how))
        assert not np.isnan(found).any()


def test_each_kernel_is_called() -> None:
    assert sorted([*CALLS, *MUTATING]) == NAMES


@pytest.mark.parametrize(
    "name", ["softmax", "log_softmax", "gelu", "relu", "sigmoid", "silu", "tanh"]
)
def test_nan_infinities_and_far_values(name: str, always: None) -> None:
    odd = [np.nan, np.inf, -np.inf, -90, 90, 1e30, -1e30, 0, -0.0, 1e-40, 6.49, -6.51]
    x = np.zeros((len(odd), WIDTH), np.float32)
    x[:, 3] = odd
    keywords = {"dim": -1} if "softmax" in name else {}
    with np.errstate(all="ignore"):
        found = backend.get("numpy").kernels[name](x, **keywords)
        wanted = PLAIN[name](x, **keywords)
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    "options", [{}, {"weight_decay": 0.1}, {"maximize": True}, {"decoupled_weight_decay": True}]
)
def test_adam(options: dict[str, Any], always: None) -> None:
    if "decoupled_weight_decay" in options:
        options = {"weight_decay": 0.1, **options}

    def train(dtype: Any, *sizes: int) -> Any:
        values = [ad.tensor(made(n).tolist(), dtype=dtype, requires_grad=True) for n in sizes]
        optimizer = ad.optim.Adam(values, lr=0.1, **options)
        for _ in range(5):
            optimizer.zero_grad()
            for x in values:
                (x * x).sum().backward()
            optimizer.step()
        return np.concatenate([x.detach().numpy() for x in values])

    # float64 takes NumPy's path. Small ones are gathered; of the others each is a part of a row.
    for sizes in ((50,), (16384, 20001, 50)):
        found, wanted = train(ad.float32, *sizes), train(ad.float64, *sizes)
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def in_fresh_python(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


CODE = """
import sys, anadrome as ad
from anadrome.manager import plugins
print("numba" in sys.modules)
ad.nn.functional.gelu(ad.ones(3))
print("numba" in sys.modules)
ad.nn.functional.gelu(ad.ones(200, 200))
print("numba" in sys.modules)
"""


def test_numba_is_imported_when_a_large_call_arrives() -> None:
    assert in_fresh_python(CODE).split() == ["False", "False", "True"]


def test_it_can_be_switched_off() -> None:
    found = in_fresh_python(CODE, ANADROME_DISABLE_PLUGINS="numba").split()
    assert found == ["False", "False", "False"]


def test_what_was_compiled_is_kept_on_disk(tmp_path: Path) -> None:
    environment = {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert not list(tmp_path.rglob("*.nbc"))
    in_fresh_python(CODE, **environment)
    written = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.nbc")}
    assert [p for p in written if p.name.startswith("pointwise.gelu-")]
    in_fresh_python(CODE, **environment)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.nbc")} == written
