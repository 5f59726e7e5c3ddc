"""``signal.windows`` and ``CrossMapLRN2d``."""

from __future__ import annotations

from typing import Any

import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

OPTIONS: dict[str, Any] = {
    **{n: [{}] for n in ("bartlett", "blackman", "cosine", "hamming", "hann", "nuttall")},
    "exponential": [{}, {"tau": 3.0}, {"tau": 2.0, "center": 1.5, "sym": False}],
    "gaussian": [{}, {"std": 2.5}],
    "kaiser": [{}, {"beta": 0.0}, {"beta": 5.0}],
    "general_cosine": [{"a": [0.5]}, {"a": (0.4, 0.3, 0.2, 0.1)}],
    "general_hamming": [{}, {"alpha": 0.7}],
}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("sym", [True, False])
def test_windows(name: str, sym: bool) -> None:
    for options in OPTIONS[name]:
        for M in (0, 1, 2, 5, 8):
            given = {"sym": sym, **options, "dtype": "float64"}
            call = lambda L, M=M, given=given: getattr(L.signal.windows, name)(
                M, **{**given, "dtype": L.float64}
            )
            agree(call, rtol=1e-9, atol=1e-12)
        call = lambda L, options=options: getattr(L.signal.windows, name)(7, **options)
        agree(call, rtol=1e-5, atol=1e-6)
    assert getattr(ad.signal.windows, name)(3, requires_grad=True, **OPTIONS[name][0]).requires_grad


@pytest.mark.parametrize("call", [
    lambda w, L: w.hann(-1), lambda w, L: w.hann(3, dtype=L.float16),
    lambda w, L: w.kaiser(3, beta=-1),
    lambda w, L: w.gaussian(3, std=0), lambda w, L: w.exponential(3, tau=0.0),
    lambda w, L: w.exponential(3, center=1.0), lambda w, L: w.general_cosine(3, a=[]),
    lambda w, L: w.general_cosine(3, a=2), lambda w, L: w.cosine(3, std=2),
    lambda w, L: w.hann(3, layout=2),
])  # fmt: skip
def test_refused_windows(call: Any) -> None:
    refuse(lambda L: call(L.signal.windows, L))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_normalisation_across_channels(size: int, channels: int) -> None:
    x = numbers(2, channels, 3, 2)
    call = lambda L, x: L.nn.CrossMapLRN2d(size, alpha=0.7, beta=0.6, k=2.0)(x)
    agree(call, x, gradients=False)
    assert ad.autograd.gradcheck(lambda x: call(ad, x), (ad.tensor(x, requires_grad=True),))
    assert repr(ad.nn.CrossMapLRN2d(size)) == repr(torch.nn.CrossMapLRN2d(size))
    refuse(lambda L, x: L.nn.CrossMapLRN2d(size)(x), numbers(2, 3))
