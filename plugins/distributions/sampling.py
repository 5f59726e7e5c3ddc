"""sampling: draws that take a rejection or a search, for whole arrays at once."""

from __future__ import annotations

import functools
import math
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.autograd import Function
from anadrome.autograd.function import once_differentiable


def standard_gamma(concentration: Tensor) -> Tensor:
    """A gamma value of rate 1 for each concentration, with its implicit gradient."""
    return _StandardGamma.apply(concentration)


class _StandardGamma(Function):
    @staticmethod
    def forward(ctx: Any, concentration: Tensor) -> Tensor:
        x = _drawn_gamma(concentration)
        ctx.save_for_backward(x, concentration)
        return x

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, concentration = ctx.saved_tensors
        return grad * gamma_gradient(x, concentration)


def _drawn_gamma(concentration: Tensor) -> Tensor:
    """Marsaglia and Tsang, "A Simple Method for Generating Gamma Variables", 2000."""
    shape, dtype = concentration.shape, concentration.dtype
    a = concentration.detach().reshape(-1).to(ad.float64)
    small = a < 1
    boosted = ad.where(small, a + 1, a)
    d = boosted - 1 / 3
    c = ad.rsqrt(9 * d)
    # Of an infinite shape it is infinite; of what is none, no number: none of them is accepted.
    possible = (a >= 0) & (a < math.inf)
    out = ad.where(a == math.inf, a, math.nan)
    left = possible.nonzero().reshape(-1)
    while left.numel():  # each round accepts more than nine in ten
        n, dn = left.numel(), d[left]
        x = ad.randn(n, dtype=ad.float64, device=d.device)
        u = ad.rand(n, dtype=ad.float64, device=d.device)
        v = (1 + c[left] * x) ** 3
        positive = v > 0
        log_v = ad.log(ad.where(positive, v, 1.0))
        good = positive & (ad.log(u) < 0.5 * x * x + dn - dn * v + dn * log_v)
        out[left[good]] = (dn * v)[good]
        left = left[~good]
    u = ad.rand(a.numel(), dtype=ad.float64, device=d.device)
    power = ad.exp(ad.log(u) / a)
    out = ad.where(small, out * power, out)
    return out.to(dtype).clamp(min=ad.finfo(dtype).tiny).reshape(shape)


def gamma_gradient(x: Tensor, concentration: Tensor) -> Tensor:
    """How a gamma value moves with its concentration while its distribution function stays.

    That is -(dP/da) / (dP/dx). For a up to 8 it is a power series where x is small and otherwise an
    integral of the upper tail; beyond, Rice's saddle point expansion, as in PyTorch.
    """
    dtype = x.dtype
    x, a = x.detach().to(ad.float64), concentration.detach().to(ad.float64)
    low = a.clamp(max=8.0)
    few = _by_series(x.clamp(max=12.0), low)
    tail = _by_tail(x.clamp(min=1.0), low)
    many = _by_saddle_point(x, a.clamp(min=8.0))
    return ad.where(a > 8, many, ad.where((x > 12) | (x > low + 4), tail, few)).to(dtype)


def _by_series(x: Tensor, a: Tensor) -> Tensor:
    log_x = ad.log(x)
    psi = ad.digamma(a + 1)
    term = 1 / a
    total = term * (log_x - psi)
    for n in range(1, 70):
        term = term * x / (a + n)
        psi = psi + 1 / (a + n)
        total = total + term * (log_x - psi)
    return -x * total


@functools.lru_cache(maxsize=1)
def _nodes() -> list[tuple[float, float]]:
    """Nodes and weights of a double exponential rule for the integral of exp(-s) f(s) over s > 0
    (Takahasi and Mori, 1974)."""
    step = 0.125
    out = []
    for k in range(-32, 40):
        u = k * step
        s = math.exp(u - math.exp(-u))
        out.append((s, step * s * (1 + math.exp(-u)) * math.exp(-s)))
    return [(s, w) for s, w in out if w > 1e-18]


def _by_tail(x: Tensor, a: Tensor) -> Tensor:
    psi = ad.digamma(a)
    total = ad.zeros_like(x)
    for s, weight in _nodes():
        log = ad.log(x + s)
        total = total + weight * ad.exp((a - 1) * (log - ad.log(x))) * (log - psi)
    return total


def _by_saddle_point(x: Tensor, a: Tensor) -> Tensor:
    near = (x >= 0.9 * a) & (x <= 1.1 * a)
    first = 1 + 24 * a * (1 + 12 * a)
    second = 1440 * a**2 + 6 * x * (53 - 120 * x) - 65 * x * x / a + a * (107 + 3600 * x)
    close = first * second / (1244160 * a**4)
    x = ad.where(near, 2 * a, x)  # where it is not used, nothing that divides by zero
    root = ad.sqrt(8 * a)
    two = root / (a - x)
    three = (x - a - a * ad.log(x / a)) ** -1.5
    both = ad.where(x < a, two - three, two + three)
    one = ad.log(x / a) * both - ad.sqrt(2 / a) * (a + x) / (a - x) ** 2
    stirling = 1 + 1 / (12 * a) * (1 + 1 / (24 * a))
    return ad.where(near, close, -stirling * x * one / root)
