"""Bessel functions, Airy's, orthogonal polynomials against PyTorch and in their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from oracle import agree, refuse

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

EVERYWHERE = np.concatenate([np.linspace(-31.0, 31.0, 249), [5.0, 8.0, 2.0, 1e-9, 1e-200, 300.0]])
KINDS = [
    "airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "modified_bessel_i0",
    "modified_bessel_i1", "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1", "spherical_bessel_j0",
]  # fmt: skip
POLYNOMIALS = [n for n in ad.special.__all__ if "polynomial" in n]


@pytest.mark.parametrize("name", KINDS)
def test_bessel_functions(name: str) -> None:
    call = lambda L, x: getattr(L.special, name)(x)
    # PyTorch's J, Y and Ai are exact to six digits where they oscillate.
    agree(call, EVERYWHERE, gradients=False, rtol=5e-5, atol=1e-6)
    agree(call, EVERYWHERE[np.abs(EVERYWHERE) < 2], gradients=False, rtol=1e-9, atol=1e-13)
    agree(call, EVERYWHERE.astype("float32"), gradients=False, rtol=2e-5, atol=3e-6)
    agree(call, np.arange(5), gradients=False, rtol=5e-5, atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_their_edges(name: str) -> None:
    """As PyTorch's but at infinity, where those are NaN and these what they tend to, or NaN."""
    call = lambda L, x: getattr(L.special, name)(x)
    agree(call, np.array([0.0, -0.0, -1e-300, math.nan, 400.0]), gradients=False, atol=1e-15)
    at = call(ad, ad.tensor(math.inf)).item()
    assert math.isnan(at) or at in (0.0, math.inf)


def test_to_the_last_digits() -> None:
    """By their Wronskians (DLMF 10.5.2, 10.28.2), and by ten values in the literature."""
    S = ad.special
    x = ad.tensor(np.concatenate([np.linspace(0.01, 30.0, 700), [1e3, 1e5]]))
    cross = S.bessel_j1(x) * S.bessel_y0(x) - S.bessel_j0(x) * S.bessel_y1(x)
    np.testing.assert_allclose((cross * x * math.pi / 2).numpy(), 1.0, rtol=2e-14)
    k0, k1 = S.scaled_modified_bessel_k0(x), S.scaled_modified_bessel_k1(x)
    cross = ad.special.i0e(x) * k1 + ad.special.i1e(x) * k0
    np.testing.assert_allclose((cross * x).numpy(), 1.0, rtol=1e-13)
    known = {
        S.bessel_j0: (10.0, -0.2459357644513483), S.bessel_j1: (10.0, 0.04347274616886144),
        S.bessel_y0: (10.0, 0.05567116728359939), S.bessel_y1: (10.0, 0.24901542420695387),
        S.modified_bessel_k0: (3.0, 0.03473950438627925), S.airy_ai: (-9.5, 0.31910324771912820),
    }  # fmt: skip
    for function, (at, value) in known.items():
        assert function(ad.tensor(at, dtype=ad.float64)).item() == pytest.approx(value, rel=1e-13)


@pytest.mark.parametrize("name", KINDS)
def test_their_derivatives(name: str) -> None:
    """PyTorch has none."""
    places = [0.4, 1.9, 2.1, 7.9, 8.3] + ([-4.0, -5.1, -9.0] if name == "airy_ai" else [])
    x = ad.tensor(places, dtype=ad.float64, requires_grad=True)
    assert ad.autograd.gradcheck(getattr(ad.special, name), (x,))
    assert ad.autograd.gradgradcheck(getattr(ad.special, name), (x,))


DEGREES = [-1, 0, 1, 2, 3, 6, 7, 8, 9, 10, 31, 100, 255]
AT = np.array([-3.0, -1.0, 1.0, 0.0, 0.5, -0.5, 2.0, 0.999, 1.001, -1.0001, 7.0])


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials(name: str) -> None:
    polynomial = lambda L, x, n: getattr(L.special, name)(x, n)
    for n in DEGREES:
        wanted = polynomial(torch, torch.tensor(AT), n).numpy()
        found = polynomial(ad, ad.tensor(AT), n).numpy()
        there = np.isfinite(wanted)  # where PyTorch's recurrence overflows it gives NaN
        np.testing.assert_allclose(found[there], wanted[there], rtol=1e-9, atol=1e-11)
    agree(polynomial, AT[:, None], np.arange(6), gradients=False)
    agree(polynomial, AT, 2.9, gradients=False)
    agree(lambda L, n: polynomial(L, 0.3, n), np.arange(12), gradients=False, rtol=1e-5, atol=1e-6)
    agree(polynomial, np.arange(4), np.arange(4), gradients=False)
    agree(polynomial, AT.astype("float32"), np.array(3.0), gradients=False, rtol=1e-5)


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_derivatives_of_polynomials(name: str) -> None:
    x = ad.tensor([-1.0, 0.0, 0.3, 1.0, 1.7], dtype=ad.float64, requires_grad=True)
    for n in (0, 1, 4, ad.tensor([2, 3, 9, 12, 1])):
        polynomial = lambda x, n=n: getattr(ad.special, name)(x, n)
        assert ad.autograd.gradcheck(polynomial, (x,), atol=1e-4)
        assert ad.autograd.gradgradcheck(polynomial, (x,), atol=1e-4)


def test_what_they_refuse() -> None:
    refuse(lambda L, x: L.special.bessel_j0(x), np.array([1j]))
    refuse(lambda L, x: L.special.legendre_polynomial_p(x, 2), np.array([1j]))
    refuse(lambda L: L.special.hermite_polynomial_h(0.5, 2))
    with pytest.raises(RuntimeError, match="a degree of 1e\\+06 takes as many steps"):
        ad.special.hermite_polynomial_h(ad.tensor(0.5), 1e6)
