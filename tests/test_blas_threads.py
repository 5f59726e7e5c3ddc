"""OpenBLAS with one thread while ours share the work: set, restored, and the same values."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from anadrome.backends.numpy import blas, parallel
from anadrome.backends.numpy.kernels import KERNELS

functions = blas._found()
pytestmark = pytest.mark.skipif(functions is None, reason="NumPy is not built with its OpenBLAS")


def count() -> int:
    assert functions is not None
    return functions[0]()


def test_one_thread_inside_and_as_many_as_before_outside() -> None:
    before = count()
    with blas.alone():
        assert count() == 1
        with blas.alone():
            assert count() == 1
        assert count() == 1
    assert count() == before


def test_restored_after_an_error_and_by_the_last_of_several_threads() -> None:
    before = count()
    with pytest.raises(ZeroDivisionError), blas.alone():
        raise ZeroDivisionError
    assert count() == before
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with blas.alone():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with blas.alone():
        thread.start()
        entered.wait(10)
    assert count() == 1  # the other is still at it
    leave.set()
    thread.join()
    assert count() == before


def test_what_compiled_code_has_set_meanwhile_stays() -> None:
    """It had set one thread when we came, and restored what it found before we left."""
    assert functions is not None
    before = count()
    try:
        functions[1](1)
        with blas.alone():
            functions[1](2)
        assert count() == 2
    finally:
        functions[1](before)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_convolution_on_several_threads_is_the_same_every_time(
    dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9, 8, 17, 15)).astype(dtype)
    w = rng.normal(size=(6, 8, 3, 3)).astype(dtype)
    g = rng.normal(size=(9, 6, 17, 15)).astype(dtype)
    how = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}
    strided = {"stride": (2, 1), "padding": (1, 1), "dilation": (1, 1)}
    calls = [
        lambda: KERNELS["convolution"](x, w, **how),
        lambda: KERNELS["conv_weight"](g, x, shape=w.shape, **how),
        lambda: KERNELS["conv_input"](g, w, shape=x.shape, **how),
        lambda: KERNELS["conv_input"](g[:, :, :9], w, shape=x.shape, **strided),
    ]
    monkeypatch.setattr(parallel, "LARGE", 1)
    monkeypatch.setattr(parallel, "threads", 1)
    alone = [call() for call in calls]
    monkeypatch.setattr(parallel, "threads", 3)
    first = [call() for call in calls]
    for got, again, wanted in zip(first, [call() for call in calls], alone):
        np.testing.assert_array_equal(got, again)
        np.testing.assert_allclose(got, wanted, rtol=1e-3 if dtype == np.float32 else 1e-10)
