"""Element types that PyTorch's CPU kernels refuse are refused here, not computed with."""

from __future__ import annotations

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

KINDS = ("bool", "uint8", "int64", "float32", "float64", "complex64")
FUNCTIONS = {
    **{
        name: lambda L, x, name=name: getattr(L.special, name)(x)
        for name in ("i0", "i0e", "i1", "i1e", "erfcx", "ndtri", "log_ndtr", "entr", "logit")
    },
    **{
        name: lambda L, x, name=name: getattr(L.special, name)(x, x)
        for name in ("xlogy", "xlog1py", "zeta")
    },
    "polygamma": lambda L, x: L.polygamma(1, x),
    "hypot": lambda L, x: L.hypot(x, x),
    "logcumsumexp": lambda L, x: L.logcumsumexp(x, 0),
    "searchsorted": lambda L, x: L.searchsorted(x, x),
    "bucketize": lambda L, x: L.bucketize(x, x),
    "median": lambda L, x: L.median(x, 0),
    "matrix_exp": lambda L, x: L.linalg.matrix_exp(x[:, None]),
    "cdist": lambda L, x: L.cdist(x[:, None], x[:, None]),
    "fftshift": lambda L, x: L.fft.fftshift(x),
    "adaptive_max_pool": lambda L, x: L.nn.functional.adaptive_max_pool1d(x[None], 1),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_same_types_are_taken(name):
    def taken(L):
        kinds = []
        for kind in KINDS:
            x = L.tensor([1]).to(getattr(L, kind))
            try:
                FUNCTIONS[name](L, x)
            except (RuntimeError, TypeError, NotImplementedError):
                continue
            kinds.append(kind)
        return kinds

    assert taken(ad) == taken(torch)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["matrix_exp", "cdist", "fftshift", "logcumsumexp", "hypot"])
def test_the_same_halves_are_taken(name, kind):
    def outcome(L):
        try:
            found = FUNCTIONS[name](L, L.tensor([1.0], dtype=getattr(L, kind)))
        except (RuntimeError, NotImplementedError):
            return "refused"
        return str(found.dtype).split(".")[-1]

    assert outcome(ad) == outcome(torch)
