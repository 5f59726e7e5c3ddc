"""Products that compiled code calls for: of every layout, and BLAS is left as it was found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from compiled_cases import calls

import anadrome as ad
from anadrome import backend
from anadrome.backends.numba import kernels as compiled
from anadrome.backends.numba import team
from anadrome.backends.numba.kernels import common, products
from anadrome.backends.numpy import blas, parallel
from anadrome.backends.numpy.kernels import KERNELS as PLAIN

pytestmark = pytest.mark.numba

CALLS = calls()


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compiled code gets every float32 product, divided among two threads."""
    monkeypatch.setattr(common, "LARGE", 0)
    monkeypatch.setattr(team, "LARGE", 0)
    monkeypatch.setattr(products, "FEWEST", 0)
    monkeypatch.setattr(parallel, "threads", 2)
    yield


@pytest.mark.parametrize("name", ["lstm", "lstm_backward", "mm", "linear", "matmul"])
def test_without_a_product_to_call_it_goes_where_it_went(
    name: str, always: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    args, keywords = CALLS[name][0]
    numpy = backend.get("numpy")
    entered: list[str] = []

    class Outside:
        def __enter__(self) -> None:
            entered.append(name)

        def __exit__(self, *exc: object) -> None: ...

    def results(addresses: dict[str, int]) -> Any:
        monkeypatch.setattr(numpy, "addresses", addresses)
        monkeypatch.setattr(numpy, "alone", Outside)
        kernel = compiled.MAKERS[name](PLAIN[name], team.Team(numpy))
        found = kernel(*args, **keywords)
        return found if isinstance(found, tuple) else (found,)

    known = numpy.addresses
    wanted = results(known)
    entered.clear()
    if known:  # BLAS is told from outside if not from inside: the same values
        found = results({"cblas_sgemm64": known["cblas_sgemm64"]})
        assert entered == [name]
        np.testing.assert_array_equal(found[0], wanted[0])
        entered.clear()
    plain = PLAIN[name](*args, **keywords)
    for f, w in zip(results({}), plain if isinstance(plain, tuple) else (plain,), strict=True):
        np.testing.assert_array_equal(f, w)
    assert not entered


@pytest.mark.parametrize("before", [1, 2])
def test_blas_has_as_many_threads_after_a_product(before: int, always: None) -> None:
    functions = blas._found()
    if functions is None:
        pytest.skip("NumPy is not built with its OpenBLAS")
    get, put, *_ = functions
    own = get()
    try:
        put(before)
        x = np.ones((40, 30), np.float32)
        for name in ("mm", "linear", "matmul"):
            args, keywords = CALLS[name][0]
            compiled.MAKERS[name](PLAIN[name], team.Team(backend.get("numpy")))(*args, **keywords)
            assert get() == before
        with blas.alone():
            assert get() == 1
            ad.tensor(x) @ ad.tensor(x).T
            assert get() == 1
        assert get() == before
    finally:
        put(own)


@pytest.mark.parametrize("how", ["as it is", "transposed", "part of rows", "every second column"])
@pytest.mark.parametrize("locked", [False, True])
def test_products_of_matrices_in_every_layout(how: str, locked: bool, always: None) -> None:
    rng = np.random.default_rng(0)

    def matrix(rows: int, columns: int) -> Any:
        wide = rng.normal(size=(rows, 2 * columns)).astype(np.float32)
        out = {
            "as it is": lambda: wide[:, :columns].copy(),
            "transposed": lambda: wide[:, :columns].T.copy().T,
            "part of rows": lambda: wide[:, :columns],
            "every second column": lambda: wide[:, ::2],
        }[how]()
        out.flags.writeable = not locked
        return out

    def before(*args: Any) -> Any:
        assert how == "every second column"
        return np.add(args[0] @ (args[1].T if len(args) > 2 else args[1]), *args[2:] or (0,))

    lent = team.Team(backend.get("numpy"))
    a, b, bias = matrix(33, 20), matrix(20, 47), rng.normal(size=47).astype(np.float32)
    wanted = a.astype(np.float64) @ b
    mm, linear = (compiled.MAKERS[name](before, lent) for name in ("mm", "linear"))
    np.testing.assert_allclose(mm(a, b), wanted, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(linear(a, b.T, bias), wanted + bias, rtol=1e-4, atol=1e-4)
    stacked = compiled.MAKERS["matmul"](before, lent)
    pair = np.stack([matrix(8, 9), matrix(8, 9)]), np.stack([matrix(9, 7), matrix(9, 7)])
    wanted = np.einsum("bij,bjk->bik", *pair, dtype=np.float64)
    np.testing.assert_allclose(stacked(*pair), wanted, rtol=1e-4, atol=1e-4)
