"""Draws of distributions, and their gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
from distribution_cases import CASES

import anadrome as ad

pytestmark = pytest.mark.torch
each = pytest.mark.parametrize("name", CASES)


@each
def test_draws_have_the_moments(name):
    import torch

    torch.manual_seed(0)
    make, parameters, _ = CASES[name]
    d = make(ad.distributions, *[ad.tensor(p) for p in parameters])
    t = make(torch.distributions, *[torch.tensor(p) for p in parameters])
    if name in ("Cauchy", "HalfCauchy", "StudentT"):
        x = d.sample((20_000,)).numpy()
        reference = np.sort(t.sample((20_000,)).numpy(), 0)
        quantiles = [2000, 5000, 10_000, 15_000, 18_000]
        np.testing.assert_allclose(
            np.sort(x, 0)[quantiles], reference[quantiles], rtol=0.15, atol=0.12
        )
        return
    x = d.sample((20_000,)).numpy().astype("float64")
    if "Categorical" in name and not t.event_shape:
        counts = np.stack([(x == k).mean(0) for k in range(5)], -1)
        np.testing.assert_allclose(counts, t.probs.numpy(), atol=0.02)
        return
    try:
        mean, variance = t.mean.numpy(), t.variance.numpy()
    except NotImplementedError:  # transformed
        y = t.sample((20_000,)).numpy()
        mean, variance = y.mean(0), y.var(0)
    tolerance = 6 * np.sqrt(variance / 20_000) + 1e-3
    assert (np.abs(x.mean(0) - mean) < tolerance + (0.02 if "Trans" in name else 0)).all()
    if name not in ("LogNormal", "Pareto", "FisherSnedecor"):  # heavy tails
        np.testing.assert_allclose(x.var(0), variance, rtol=0.15, atol=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0.0, 0.3, 4.0, 12.0, 300.0])
def test_poisson_draws(rate, dtype):
    d = ad.distributions.Poisson(ad.full((4,), rate, dtype=getattr(ad, dtype)))
    x = d.sample((10_000,))
    assert x.dtype is getattr(ad, dtype)
    x = x.numpy().astype("float64")
    assert (x == np.floor(x)).all()
    assert abs(x.mean() - rate) <= 6 * math.sqrt(rate / 40_000)
    assert x.var() == pytest.approx(rate, rel=0.1, abs=1e-9)


@pytest.mark.parametrize("shape", [0.05, 0.7, 1.0, 3.0, 50.0])
def test_gamma_draws_follow_their_distribution_function(shape):
    torch = pytest.importorskip("torch")
    x = ad.distributions.Gamma(ad.tensor(shape, dtype=ad.float64), 2.0).sample((20_000,)).numpy()
    u = torch.special.gammainc(torch.tensor(shape, dtype=torch.float64), 2 * torch.tensor(x))
    distance = np.abs(np.sort(u.numpy()) - (np.arange(20_000) + 0.5) / 20_000).max()
    assert distance < 1.95 / math.sqrt(20_000)  # Kolmogorov and Smirnov, one in a thousand


def test_the_gradient_of_gamma_draws():
    """-(dP/da) / (dP/dx), with dP/da by differences."""
    import torch

    from anadrome.plugins.distributions.sampling import gamma_gradient

    a = np.repeat(np.array([0.1, 0.5, 1.0, 2.5, 5.0, 7.9, 8.1, 20.0, 200.0]), 40)
    u = np.tile(np.linspace(0.01, 0.99, 40), 9)
    rng = np.random.default_rng(0)
    x = np.quantile(rng.gamma(a, size=(4000, a.size)), 0.5, axis=0)
    x = np.array([np.quantile(rng.gamma(s, size=2000), q) for s, q in zip(a, u)])
    x = np.maximum(x, 1e-6)
    t, s, h = torch.tensor(x), torch.tensor(a), 1e-5
    rise = (torch.special.gammainc(s * (1 + h), t) - torch.special.gammainc(s * (1 - h), t)) / (
        2 * h * s
    )
    density = torch.distributions.Gamma(s, torch.ones_like(s)).log_prob(t).exp()
    found = gamma_gradient(ad.tensor(x), ad.tensor(a)).numpy()
    expected = (-rise / density).numpy()
    small = a < 8
    np.testing.assert_allclose(found[small], expected[small], rtol=2e-5, atol=1e-9)
    np.testing.assert_allclose(found[~small], expected[~small], rtol=2e-3)
    theirs = torch._standard_gamma_grad(s, t).numpy()
    np.testing.assert_allclose(found[~small], theirs[~small], rtol=1e-8)


@pytest.mark.parametrize(
    "name", [n for n in CASES if n in ("Normal", "Laplace", "Gumbel", "Uniform", "Exponential",
             "HalfNormal", "Gamma", "Beta", "Dirichlet", "LogNormal", "MultivariateNormal-factor",
             "Independent")]
)  # fmt: skip
def test_draws_carry_the_gradient_of_the_mean(name):
    """The mean of the gradients of draws is the gradient of the mean, which is known."""
    import torch

    make, parameters, _ = CASES[name]
    ours = [ad.tensor(p, requires_grad=True) for p in parameters]
    theirs = [torch.tensor(p, requires_grad=True) for p in parameters]
    n = 20_000
    (make(ad.distributions, *ours).rsample((n,)).sum() / n).backward()
    make(torch.distributions, *theirs).mean.sum().backward()
    for a, t in zip(ours, theirs):
        wanted = np.zeros(t.shape) if t.grad is None else t.grad.numpy()
        scale = (0.05 + 0.05 * np.abs(wanted)) * (3 if name == "LogNormal" else 1)
        np.testing.assert_array_less(np.abs(a.grad.numpy() - wanted), scale)


def test_the_second_gradient_of_gamma_draws_is_refused():
    a = ad.tensor([2.0], requires_grad=True)
    x = ad.distributions.Gamma(a, 1.0).rsample()
    (g,) = ad.autograd.grad(x.sum(), a, create_graph=True)
    with pytest.raises(RuntimeError):
        g.sum().backward()


def test_straight_through():
    logits = ad.tensor([0.1, 0.5, -0.3], requires_grad=True)
    d = ad.distributions.OneHotCategoricalStraightThrough(logits=logits)
    x = d.rsample((4,))
    np.testing.assert_allclose(x.detach().sum(-1).numpy(), 1.0, rtol=1e-6)
    (x * ad.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert (logits.grad != 0).all()


def test_draws_are_reproduced_by_a_seed():
    for name, (make, parameters, _) in CASES.items():
        d = make(ad.distributions, *[ad.tensor(p) for p in parameters])
        ad.manual_seed(1)
        first = d.sample((3,)).tolist()
        ad.manual_seed(1)
        assert d.sample((3,)).tolist() == first, name


@each
@pytest.mark.parametrize(
    "what", ["log_prob", "cdf", "entropy", "mean", "variance", "mode", "sample"]
)
def test_single_precision_stays_single(name, what):
    import torch

    make, parameters, values = CASES[name]
    found = []
    for lib in (torch, ad):
        d = make(lib.distributions, *[lib.tensor(p.astype("float32")) for p in parameters])
        member = getattr(type(d), what)
        try:
            if what in ("log_prob", "cdf"):
                out = getattr(d, what)(lib.tensor(values.astype("float32")))
            else:
                out = getattr(d, what)() if callable(member) else getattr(d, what)
        except NotImplementedError:
            return
        found.append(out)
    theirs, ours = found
    assert f"torch.{ours.dtype.name}" == str(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    if what != "sample":
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=2e-4, atol=1e-5)


@pytest.mark.parametrize("call", [
    lambda D: D.Normal(0.0, 1.0), lambda D: D.Gamma(2, 3), lambda D: D.Bernoulli(0.3),
    lambda D: D.Uniform(0, 1), lambda D: D.Exponential(2), lambda D: D.Poisson(3),
    lambda D: D.Geometric(0.4), lambda D: D.LogNormal(0, 1), lambda D: D.StudentT(3),
    lambda D: D.Chi2(3), lambda D: D.Weibull(1, 2),
])  # fmt: skip
def test_numbers_as_parameters(call):
    import torch

    ours, theirs = call(ad.distributions), call(torch.distributions)
    assert repr(ours) == repr(theirs)
    assert tuple(ours.sample((2,)).shape) == tuple(theirs.sample((2,)).shape)
    assert f"torch.{ours.sample().dtype.name}" == str(theirs.sample().dtype)
