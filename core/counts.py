"""counts: random whole numbers of a mean: Poisson's, and how many of so many throws succeed.

Small ones by search, large ones by transformed rejection: W. Hörmann, "The Transformed Rejection
Method for Generating Poisson Random Variables", 1993, and "The Generation of Binomial Random
Variates", 1993. For a whole array at once, in float64.
"""

from __future__ import annotations

import math
from typing import Any

from . import modes
from .creation import zeros_like
from .errors import UnsupportedError
from .namespace import ceil, exp, floor, lgamma, log, log1p, sqrt, where
from .out import takes_out
from .sampling import rand
from .tensor import Tensor


@takes_out
def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """Draw from Poisson's distribution with each rate (``torch.poisson``).

    ``input``: rates, floating; the result has its shape and type, and no gradient. Raises for a
    negative rate.

    >>> import anadrome as ad
    >>> ad.poisson(ad.zeros(2))
    tensor([0., 0.])
    """
    if not input.dtype.is_floating_point:
        raise UnsupportedError(f"poisson is not implemented for {input.dtype.name}; use floats")
    rand(0, generator=generator)  # which says so if that is none, also where nothing is drawn
    _require(input >= 0, "invalid Poisson rate, expected rate to be non-negative")
    with modes.no_grad():
        mu = input.detach().reshape(-1).double()
        out = zeros_like(mu)
        small = (mu < 10).nonzero().reshape(-1)
        if small.numel():
            out[small] = _searched_poisson(mu[small], generator)
        out = where(mu == math.inf, mu, out)
        left = ((mu >= 10) & (mu < math.inf)).nonzero().reshape(-1)
        while left.numel():
            m = mu[left]
            k, good = _tried_poisson(m, generator)
            out[left[good]] = k[good]
            left = left[~good]
        return out.to(input.dtype).reshape(input.shape)


def _require(holds: Tensor, text: str) -> None:
    holds._backend.require(holds._data, lambda: RuntimeError(text))


def _uniform(like: Tensor, generator: Any) -> Tensor:
    return rand(like.numel(), dtype=like.dtype, device=like.device, generator=generator)


def _searched_poisson(mu: Tensor, generator: Any) -> Tensor:
    u = _uniform(mu, generator)
    probability = exp(-mu)
    total = probability
    k = zeros_like(mu)
    for n in range(1, 64):  # beyond, a rate of 10 has less than 1e-28
        k = k + (u > total).to(k.dtype)
        probability = probability * mu / n
        total = total + probability
    return k


def _tried_poisson(m: Tensor, generator: Any) -> tuple[Tensor, Tensor]:
    b = 0.931 + 2.53 * sqrt(m)
    a = -0.059 + 0.02483 * b
    inverse = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2)
    u, v = _uniform(m, generator) - 0.5, _uniform(m, generator)
    us = 0.5 - u.abs()
    k = floor((2 * a / us + b) * u + m + 0.43)
    quick = (us >= 0.07) & (v <= v_r)
    possible = (k >= 0) & ~((us < 0.013) & (v > us))
    height = log(v) + log(inverse) - log(a / (us * us) + b)
    exact = height <= -m + k * log(m) - lgamma(k.clamp(min=0) + 1)
    return k, quick | (possible & exact)


@takes_out
def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """Draw how many of ``count`` throws succeed, of probability ``prob`` (``torch.binomial``).

    Floating and of one type; they are broadcast. A count loses its fraction, and a probability
    beyond 0 or 1 stands for that. There is no gradient.

    >>> import anadrome as ad
    >>> ad.binomial(ad.tensor([10.0, 20.0]), ad.tensor([0.0, 1.0]))
    tensor([ 0., 20.])
    """
    rand(0, generator=generator)
    for name, x in (("count", count), ("prob", prob)):
        if not x.dtype.is_floating_point:
            raise ValueError(
                f"binomial only supports floating-point dtypes for {name}, got: {x.dtype.name}"
            )
    if count.dtype is not prob.dtype:
        raise RuntimeError(
            f"Found dtype {prob.dtype.name} but expected {count.dtype.name}: binomial takes two of "
            "one type"
        )
    with modes.no_grad():
        # Of the sum only the shape, and whether it is a number.
        both = (count.detach() + prob.detach()).reshape(-1).double()
        shape = (count + prob).shape
        n = floor(count.detach().expand(shape).reshape(-1).double().clamp(min=0))
        p = prob.detach().expand(shape).reshape(-1).double().clamp(0, 1)
        q = where(p > 0.5, 1 - p, p)
        out = where(
            both.isnan(), math.nan, where(q > 0, n, 0.0) * q
        )  # the mean, while none is drawn
        left = ((q > 0) & (n > 0) & (n < math.inf)).nonzero().reshape(-1)
        few = left[(n * q)[left] < 10]
        if few.numel():
            out[few] = _searched_binomial(n[few], q[few], generator)
        left = left[(n * q)[left] >= 10]
        while left.numel():
            k, good = _tried_binomial(n[left], q[left], generator)
            out[left[good]] = k[good]
            left = left[~good]
        return where(p > 0.5, n - out, out).to(count.dtype).reshape(shape)


def _searched_binomial(n: Tensor, p: Tensor, generator: Any) -> Tensor:
    """By the distances between successes, which are geometric."""
    k = zeros_like(n)
    place = zeros_like(n)
    rate = log1p(-p)
    while True:
        place = place + ceil(log1p(-_uniform(n, generator)) / rate).clamp(min=1)
        inside = place <= n
        if not bool(inside.any()):
            return k
        k = k + inside.to(k.dtype)


def _tried_binomial(n: Tensor, p: Tensor, generator: Any) -> tuple[Tensor, Tensor]:
    spread = sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    v_r = 0.92 - 4.2 / b
    odds = p / (1 - p)
    m = floor((n + 1) * p)
    u, v = _uniform(n, generator) - 0.5, _uniform(n, generator)
    us = 0.5 - u.abs()
    k = floor((2 * a / us + b) * u + n * p + 0.5)
    possible = (k >= 0) & (k <= n)
    j = where(possible, k, m)
    height = log(v * (2.83 + 5.1 / b) * spread / (a / (us * us) + b))
    rest = _stirling(m) + _stirling(n - m) - _stirling(j) - _stirling(n - j)
    exact = (
        (m + 0.5) * log((m + 1) / (odds * (n - m + 1)))
        + (n + 1) * log((n - m + 1) / (n - j + 1))
        + (j + 0.5) * log(odds * (n - j + 1) / (j + 1))
        + rest
    )
    return k, possible & (((us >= 0.07) & (v <= v_r)) | (height <= exact))


def _stirling(k: Tensor) -> Tensor:
    """log k! less the leading terms of its series in k + 1."""
    x = k + 1
    small = k.clamp(max=9)
    near = lgamma(small + 1) - (
        0.5 * math.log(2 * math.pi) + (small + 0.5) * log(small + 1) - (small + 1)
    )
    far = (1 / 12 - (1 / 360 - 1 / 1260 / (x * x)) / (x * x)) / x
    return where(k <= 9, near, far)
