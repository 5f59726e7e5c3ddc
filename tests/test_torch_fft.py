"""Fourier transforms as in PyTorch: values, first and second gradients, lengths, norms, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

pytestmark = pytest.mark.torch


def complexes(*shape: int, seed: int = 0) -> np.ndarray:
    return np.asarray(numbers(*shape, seed=seed) + 1j * numbers(*shape, seed=seed + 50))


ONE = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
MANY = ("fft2", "ifft2", "rfft2", "irfft2", "fftn", "ifftn", "rfftn", "irfftn", "hfft2", "ihfft2",
        "hfftn", "ihfftn")  # fmt: skip
NORMS = pytest.mark.parametrize("norm", [None, "backward", "forward", "ortho"])


def inputs(name: str, *shape: int) -> list[np.ndarray]:
    """Real ones, and complex ones where the function takes them."""
    takes_real_only = name.startswith(("rfft", "ihfft"))
    return [numbers(*shape)] if takes_real_only else [numbers(*shape), complexes(*shape)]


@NORMS
@pytest.mark.parametrize("name", ONE)
def test_one_dimension(name: str, norm: Any) -> None:
    for x in (*inputs(name, 3, 5), *inputs(name, 6), *inputs(name, 2, 2)):
        agree(lambda L, x: getattr(L.fft, name)(x, norm=norm), x)
        for n in (1, 2, 3, 4, 7):
            agree(lambda L, x, n=n: getattr(L.fft, name)(x, n, norm=norm), x)
    for x in inputs(name, 4, 3):
        agree(lambda L, x: getattr(L.fft, name)(x, dim=0, norm=norm), x)
        agree(lambda L, x: getattr(L.fft, name)(x, 5, 0, norm), x)


@NORMS
@pytest.mark.parametrize("name", MANY)
def test_several_dimensions(name: str, norm: Any) -> None:
    for x in inputs(name, 3, 4, 5):
        agree(lambda L, x: getattr(L.fft, name)(x, norm=norm), x)
        agree(lambda L, x: getattr(L.fft, name)(x, s=(5, 4), norm=norm), x)
        agree(lambda L, x: getattr(L.fft, name)(x, dim=(0, 1), norm=norm), x)
        agree(lambda L, x: getattr(L.fft, name)(x, s=(2, -1), dim=(-1, 0), norm=norm), x)
        agree(lambda L, x: getattr(L.fft, name)(x, dim=(1,), norm=norm), x)


def test_types() -> None:
    assert ad.fft.fft(ad.ones(4)).dtype is ad.complex64
    assert ad.fft.rfft(ad.ones(4).double()).dtype is ad.complex128
    assert ad.fft.irfft(ad.fft.rfft(ad.ones(4))).dtype is ad.float32
    for name in ("fft", "rfft", "ihfft", "fftn"):
        agree(lambda L, x, name=name: getattr(L.fft, name)(x), np.array([1, 2, 3]), rtol=1e-6)
    agree(lambda L, x: L.fft.fft(x), np.array([True, False]))
    agree(lambda L, x: L.fft.irfft(x), np.array([1, 2, 3]), rtol=1e-6)


def test_empty_batches() -> None:
    """PyTorch's library refuses some of these."""
    assert ad.fft.fft(ad.ones(0, 3)).shape == (0, 3)
    assert ad.fft.rfft(ad.ones(0, 3)).shape == (0, 2)
    assert ad.fft.irfft(ad.fft.rfft(ad.ones(0, 4))).shape == (0, 4)


@pytest.mark.parametrize("n", [1, 2, 5, 6])
def test_frequencies_and_shifts(n: int) -> None:
    for name in ("fftfreq", "rfftfreq"):
        agree(lambda L, name=name: getattr(L.fft, name)(n))
        agree(lambda L, name=name: getattr(L.fft, name)(n, 0.25, dtype=L.float64))
    for name in ("fftshift", "ifftshift"):
        agree(lambda L, x, name=name: getattr(L.fft, name)(x) * x, numbers(n, 3))
        agree(lambda L, x, name=name: getattr(L.fft, name)(x, dim=0) * x, numbers(n, 3))
        agree(lambda L, x, name=name: getattr(L.fft, name)(x, (1, 0)) * x, complexes(n, 4))


def test_a_convolution_in_a_program() -> None:
    def convolved(L: Any, x: Any, w: Any) -> Any:
        return L.fft.irfft(L.fft.rfft(x, n=8) * L.fft.rfft(w, n=8), n=8).tanh()

    agree(convolved, numbers(2, 5), numbers(4, seed=1))
    agree(lambda L, x: L.fft.fft2(x).abs().log(), numbers(4, 4))
    agree(lambda L, x: L.view_as_real(L.fft.fft(x)), numbers(4))


def test_out() -> None:
    out = ad.empty(3, dtype=ad.complex64)
    assert ad.fft.fft(ad.ones(3), out=out) is out
    assert out[0].item() == 3


def test_refused() -> None:
    assert "Invalid normalization mode" in refuse(lambda L, x: L.fft.fft(x, norm="x"), numbers(3))
    assert "Invalid number of data points" in refuse(lambda L, x: L.fft.fft(x, 0), numbers(3))
    assert "Invalid number" in refuse(lambda L, x: L.fft.irfft(x), complexes(1))
    assert "real input" in refuse(lambda L, x: L.fft.rfft(x), complexes(3))
    assert "Dimension out of range" in refuse(lambda L, x: L.fft.fft(x, dim=2), numbers(3))
    assert "unique" in refuse(lambda L, x: L.fft.fftn(x, dim=(0, 0)), numbers(3, 3))
    assert "same length" in refuse(lambda L, x: L.fft.fftn(x, s=(2,), dim=(0, 1)), numbers(3, 3))
    assert "only has 1" in refuse(lambda L, x: L.fft.fftn(x, s=(2, 2)), numbers(3))
    assert "no dimensions" in refuse(lambda L, x: L.fft.fft(x), numbers())
