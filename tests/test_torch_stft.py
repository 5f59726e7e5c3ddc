"""The short-time Fourier transform, its inverse and its windows as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

pytestmark = pytest.mark.torch


def complexes(*shape: int) -> np.ndarray:
    return np.asarray(numbers(*shape) + 1j * numbers(*shape, seed=50))


WAYS: list[dict[str, Any]] = [
    {},
    {"hop_length": 3},
    {"center": False},
    {"normalized": True},
    {"onesided": False},
    {"pad_mode": "constant"},
    {"return_complex": False},
]


@pytest.mark.parametrize("number", range(len(WAYS)))
def test_forth(number: int) -> None:
    way = {"return_complex": True, **WAYS[number]}
    for shape in ((20,), (2, 20)):
        agree(lambda L, x, w: L.stft(x, 8, window=w, **way), numbers(*shape), numbers(8, low=0.5))
    agree(
        lambda L, x, w: x.stft(8, win_length=5, window=w, return_complex=True),
        numbers(20), numbers(5, low=0.5),
    )  # fmt: skip
    agree(lambda L, x, w: L.stft(x, 8, window=w), complexes(20), numbers(8, low=0.5))


def test_back() -> None:
    window = numbers(8, low=0.5)
    for way in ({}, {"hop_length": 3}, {"normalized": True}, {"length": 15}):
        agree(lambda L, z, w, way=way: L.istft(z, 8, window=w, **way), complexes(5, 9), window)
        agree(lambda L, z, w, way=way: L.istft(z, 8, window=w, **way), complexes(2, 5, 9), window)
    agree(lambda L, z, w: L.istft(z, 8, window=w, onesided=False), complexes(8, 9), window)
    agree(
        lambda L, z, w: L.istft(z, 8, window=w, onesided=False, return_complex=True),
        complexes(8, 9), window,
    )  # fmt: skip
    agree(
        lambda L, x: L.istft(
            L.stft(x, 8, window=L.hann_window(8, dtype=x.dtype), return_complex=True),
            8, window=L.hann_window(8, dtype=x.dtype), length=20,
        ),
        numbers(20),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["hann_window", "hamming_window", "blackman_window",
                                  "bartlett_window"])  # fmt: skip
def test_windows(name: str) -> None:
    for n in (0, 1, 2, 7, 8):
        for periodic in (True, False):
            agree(lambda L, n=n, p=periodic: getattr(L, name)(n, p, dtype=L.float64))
            agree(lambda L, n=n, p=periodic: getattr(L, name)(n, periodic=p), rtol=1e-5, atol=1e-6)
    assert "floating point" in refuse(lambda L: getattr(L, name)(4, dtype=L.int64))
    assert "non-negative" in refuse(lambda L: getattr(L, name)(-1))


def test_refused() -> None:
    x = numbers(20)
    assert "return_complex" in refuse(lambda L, x: L.stft(x, 8), x)
    assert "hop_length > 0" in refuse(lambda L, x: L.stft(x, 8, 0, return_complex=True), x)
    assert "win_length <= n_fft" in refuse(
        lambda L, x: L.stft(x, 8, win_length=9, return_complex=True), x
    )
    assert "size equal to win_length" in refuse(
        lambda L, x: L.stft(x, 8, window=x[:3], return_complex=True), x
    )
    assert "onesided" in refuse(lambda L, z: L.stft(z, 8, onesided=True), complexes(20))
    assert "frequency dimension" in refuse(
        lambda L, z: L.istft(z, 8, onesided=True), complexes(4, 9)
    )
    assert "overlap add min" in refuse(
        lambda L, z: L.istft(z, 8, window=L.zeros(8, dtype=L.float64)), complexes(5, 9)
    )
