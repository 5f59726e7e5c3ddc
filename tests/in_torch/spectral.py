"""Fourier transforms."""

from __future__ import annotations

_WHERE = "in test_torch_fft.py, through anadrome.fft"

OURS = {"fft_c2c": _WHERE, "fft_r2c": _WHERE, "fft_c2r": _WHERE}
