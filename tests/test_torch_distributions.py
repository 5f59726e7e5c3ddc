"""Distributions against PyTorch's: densities, moments, entropies, divergences, draws, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from oracle import agree, numbers

import anadrome as ad

pytestmark = pytest.mark.torch


def positive(*shape, seed=0):
    return numbers(*shape, seed=seed, low=0.2, high=3.0)


def shares(*shape, seed=0):
    p = positive(*shape, seed=seed)
    return p / p.sum(-1, keepdims=True)


def spd(n, seed=0):
    a = numbers(n, n, seed=seed)
    return a @ a.T + n * np.eye(n)


def unit(*shape, seed=0):
    return numbers(*shape, seed=seed, low=0.05, high=0.95)


def whole(*shape, seed=0, high=5):
    return np.random.default_rng(seed).integers(0, high, shape).astype("float64")


R, P, U = numbers, positive, unit
#: name: (make from the library's distributions and Tensors, arrays of parameters, values)
CASES = {
    "Normal": (lambda D, a, b: D.Normal(a, b), (R(3, 1), P(4)), R(2, 3, 4)),
    "Laplace": (lambda D, a, b: D.Laplace(a, b), (R(3), P(3)), R(2, 3, seed=1)),
    "Cauchy": (lambda D, a, b: D.Cauchy(a, b), (R(3), P(3)), R(2, 3, seed=1)),
    "Gumbel": (lambda D, a, b: D.Gumbel(a, b), (R(3), P(3)), R(2, 3, seed=1)),
    "StudentT": (
        lambda D, n, a, b: D.StudentT(n, a, b),
        (np.array([0.5, 1.5, 4.0]), R(3), P(3)),
        R(2, 3, seed=1),
    ),
    "Uniform": (lambda D, a, b: D.Uniform(a, b), (R(3), R(3) + P(3)), R(3) + 0.4 * P(3)),
    "LogNormal": (lambda D, a, b: D.LogNormal(a, b), (R(3), P(3)), P(2, 3, seed=1)),
    "Gamma": (lambda D, a, b: D.Gamma(a, b), (P(3), P(3, seed=2)), P(2, 3, seed=1)),
    "Chi2": (lambda D, a: D.Chi2(a), (P(3),), P(2, 3, seed=1)),
    "Exponential": (lambda D, a: D.Exponential(a), (P(3),), P(2, 3, seed=1)),
    "HalfNormal": (lambda D, a: D.HalfNormal(a), (P(3),), P(2, 3, seed=1)),
    "HalfCauchy": (lambda D, a: D.HalfCauchy(a), (P(3),), P(2, 3, seed=1)),
    "Beta": (lambda D, a, b: D.Beta(a, b), (P(3), P(3, seed=2)), U(2, 3)),
    "Dirichlet": (lambda D, a: D.Dirichlet(a), (P(2, 3),), shares(4, 2, 3)),
    "Bernoulli-probs": (lambda D, p: D.Bernoulli(p), (U(3),), whole(2, 3, high=2)),
    "Bernoulli-logits": (lambda D, z: D.Bernoulli(logits=z), (R(3),), whole(2, 3, high=2)),
    "Geometric": (lambda D, p: D.Geometric(p), (U(3),), whole(2, 3)),
    "Geometric-logits": (lambda D, z: D.Geometric(logits=z), (R(3),), whole(2, 3)),
    "Binomial": (lambda D, p: D.Binomial(6, p), (U(3),), whole(2, 3)),
    "Binomial-logits": (lambda D, z: D.Binomial(6, logits=z), (R(3),), whole(2, 3)),
    "Poisson": (lambda D, a: D.Poisson(a), (P(3),), whole(2, 3)),
    "Categorical": (lambda D, p: D.Categorical(p), (P(2, 5),), whole(4, 2)),
    "Categorical-logits": (lambda D, z: D.Categorical(logits=z), (R(2, 5),), whole(4, 2)),
    "OneHotCategorical": (lambda D, p: D.OneHotCategorical(p), (P(2, 3),), np.eye(3)[[[0, 2]]]),
    "OneHot-logits": (lambda D, z: D.OneHotCategorical(logits=z), (R(3),), np.eye(3)),
    "Multinomial": (
        lambda D, p: D.Multinomial(4, p),
        (P(3),),
        np.array([[4.0, 0, 0], [1, 2, 1]]),
    ),
    "Multinomial-logits": (
        lambda D, z: D.Multinomial(4, logits=z),
        (R(2, 3),),
        np.array([[4.0, 0, 0], [1, 2, 1]]),
    ),
    "MultivariateNormal": (
        lambda D, m, c: D.MultivariateNormal(m, c),
        (R(2, 3), spd(3)),
        R(4, 2, 3),
    ),
    "MultivariateNormal-precision": (
        lambda D, m, c: D.MultivariateNormal(m, precision_matrix=c),
        (R(3), spd(3)),
        R(4, 3),
    ),
    "MultivariateNormal-factor": (
        lambda D, m, c: D.MultivariateNormal(m, scale_tril=c),
        (R(3), np.linalg.cholesky(spd(3))),
        R(4, 3),
    ),
    "Independent": (
        lambda D, a, b: D.Independent(D.Normal(a, b), 1),
        (R(2, 3), P(3)),
        R(4, 2, 3, seed=1),
    ),
    "Transformed": (
        lambda D, a, b: D.TransformedDistribution(
            D.Normal(a, b), [D.AffineTransform(1.0, -2.0), D.SigmoidTransform()]
        ),
        (R(3), P(3)),
        U(2, 3),
    ),
    "Transformed-vectors": (
        lambda D, a, b: D.TransformedDistribution(
            D.Independent(D.Normal(a, b), 1), [D.TanhTransform(), D.AffineTransform(0.0, b)]
        ),
        (R(2, 3), P(3)),
        0.1 * R(4, 2, 3),
    ),
}
each = pytest.mark.parametrize("name", CASES)


@each
def test_densities(name):
    make, parameters, values = CASES[name]
    discrete = any(w in name for w in ("Bern", "Geom", "Bino", "Poiss", "Categ", "Multinomial"))
    discrete |= "OneHot" in name

    def call(L, *tensors):
        *p, x = tensors
        return make(L.distributions, *p).log_prob(x.detach() if discrete else x)

    agree(call, *parameters, values)


@each
@pytest.mark.parametrize("what", ["mean", "mode", "variance", "stddev", "entropy", "perplexity"])
def test_moments(name, what):
    import torch

    make, parameters, _ = CASES[name]

    def call(L, *p):
        found = getattr(make(L.distributions, *p), what)
        return found() if callable(found) else found

    try:
        call(torch, *[torch.tensor(p) for p in parameters])
    except NotImplementedError:
        with pytest.raises(NotImplementedError, match=f"{what}|variance|entropy"):
            call(ad, *[ad.tensor(p) for p in parameters])
        return
    second = what not in ("mode",)
    agree(call, *parameters, second=second, gradients=second)


@each
def test_distribution_functions(name):
    import torch

    make, parameters, values = CASES[name]
    for what, x in (("cdf", values), ("icdf", unit(*np.shape(values)))):
        call = lambda L, *t: getattr(make(L.distributions, *t[:-1]), what)(t[-1])
        tensors = [torch.tensor(p) for p in (*parameters, x)]
        try:
            call(torch, *tensors)
        except NotImplementedError:
            continue
        if what == "cdf" and name in ("Gamma", "Chi2"):
            continue  # needs the incomplete gamma function, which is not there yet
        agree(call, *parameters, x)


@each
def test_shapes_supports_and_repr(name):
    import torch

    make, parameters, values = CASES[name]
    ours = make(ad.distributions, *[ad.tensor(p) for p in parameters])
    theirs = make(torch.distributions, *[torch.tensor(p) for p in parameters])
    assert tuple(ours.batch_shape) == tuple(theirs.batch_shape)
    assert tuple(ours.event_shape) == tuple(theirs.event_shape)
    assert bool(ours.has_rsample) == bool(theirs.has_rsample)
    assert bool(ours.has_enumerate_support) == bool(theirs.has_enumerate_support)
    assert ours.support.event_dim == theirs.support.event_dim
    assert ours.support.is_discrete == theirs.support.is_discrete
    for bad in (values, values + 0.5, -values - 3.0, values * math.nan):
        a = ours.support.check(ad.tensor(bad)).tolist()
        assert a == theirs.support.check(torch.tensor(bad)).tolist()
    if not any(w in name for w in ("Transformed", "Half", "Beta")):  # PyTorch's tells nothing
        assert repr(ours).replace("anadrome.", "torch.") == repr(theirs)
    for shape in ((), (2,), (2, 5)):
        drawn, other = ours.sample(shape), theirs.sample(shape)
        assert tuple(drawn.shape) == tuple(other.shape)
        assert f"torch.{drawn.dtype.name}" == str(other.dtype)
        assert not drawn.requires_grad
        assert bool(ours.support.check(drawn).all())


@each
def test_expand(name):
    import torch

    make, parameters, values = CASES[name]
    ours = make(ad.distributions, *[ad.tensor(p) for p in parameters])
    theirs = make(torch.distributions, *[torch.tensor(p) for p in parameters])
    shape = (5, *theirs.batch_shape)
    a, b = ours.expand(shape), theirs.expand(shape)
    assert type(a) is type(ours)
    assert tuple(a.batch_shape) == shape
    assert tuple(a.event_shape) == tuple(b.event_shape)
    assert tuple(a.sample((2,)).shape) == tuple(b.sample((2,)).shape)
    whole_shape = (*shape, *theirs.event_shape)
    x = values[0] if values.ndim >= len(whole_shape) else values
    x = np.broadcast_to(x, whole_shape).copy()
    found, wanted = a.log_prob(ad.tensor(x)), b.log_prob(torch.tensor(x))
    np.testing.assert_allclose(found.numpy(), wanted.numpy(), rtol=1e-9)


@each
def test_all_values(name):
    make, parameters, _ = CASES[name]
    if not make(ad.distributions, *[ad.tensor(p) for p in parameters]).has_enumerate_support:
        return
    for expand in (True, False):
        agree(
            lambda L, *p: make(L.distributions, *p).enumerate_support(expand),
            *parameters,
            gradients=False,
        )


# -- draws ------------------------------------------------------------------------------------
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
    if name != "LogNormal":
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


# -- divergences ------------------------------------------------------------------------------
SECOND = {
    "Normal": (R(3, 1, seed=5), P(4, seed=6)),
    "Laplace": (R(3, seed=5), P(3, seed=6)),
    "Cauchy": (R(3, seed=5), P(3, seed=6)),
    "Gumbel": (R(3, seed=5), P(3, seed=6)),
    "Gamma": (P(3, seed=5), P(3, seed=6)),
    "Exponential": (P(3, seed=5),),
    "HalfNormal": (P(3, seed=5),),
    "Beta": (P(3, seed=5), P(3, seed=6)),
    "Dirichlet": (P(2, 3, seed=5),),
    "Bernoulli-probs": (U(3, seed=5),),
    "Bernoulli-logits": (R(3, seed=5),),
    "Geometric": (U(3, seed=5),),
    "Binomial": (U(3, seed=5),),
    "Poisson": (P(3, seed=5),),
    "Categorical": (P(2, 5, seed=5),),
    "Categorical-logits": (R(2, 5, seed=5),),
    "OneHotCategorical": (P(2, 3, seed=5),),
    "MultivariateNormal": (R(2, 3, seed=5), spd(3, seed=6)),
    "Independent": (R(2, 3, seed=5), P(3, seed=6)),
    "LogNormal": (R(3, seed=5), P(3, seed=6)),
}


@pytest.mark.parametrize("name", SECOND)
def test_divergences(name):
    make, first, _ = CASES[name]
    n = len(first)
    agree(
        lambda L, *p: L.distributions.kl_divergence(
            make(L.distributions, *p[:n]), make(L.distributions, *p[n:])
        ),
        *first,
        *SECOND[name],
    )


MIXED = [
    ("Normal", "Laplace"), ("Laplace", "Normal"), ("Exponential", "Gamma"),
    ("Gamma", "Exponential"), ("Exponential", "Normal"), ("Uniform", "Normal"),
    ("Normal", "Uniform"), ("Normal", "Exponential"), ("Gumbel", "Gamma"), ("Poisson", "Binomial"),
    ("Chi2", "Gamma"), ("Laplace", "Beta"), ("Uniform", "Uniform"),
]  # fmt: skip


@pytest.mark.parametrize("one,two", MIXED)
def test_divergences_between_families(one, two):
    cut = lambda arrays: [a.reshape(-1)[:3] for a in arrays]
    first, second = cut(CASES[one][1]), cut(CASES[two][1])
    n = len(first)
    agree(
        lambda L, *p: L.distributions.kl_divergence(
            CASES[one][0](L.distributions, *p[:n]), CASES[two][0](L.distributions, *p[n:])
        ),
        *first,
        *second,
        gradients=False,
    )


def test_certain_events_in_divergences():
    p, q = np.array([0.0, 0.0, 1.0, 1.0, 0.5, 0.5]), np.array([0.0, 1.0, 0.0, 1.0, 0.0, 1.0])
    agree(
        lambda L, a, b: L.distributions.kl_divergence(
            L.distributions.Bernoulli(a), L.distributions.Bernoulli(b)
        ),
        p,
        q,
        gradients=False,
    )
    agree(
        lambda L, a, b: L.distributions.kl_divergence(
            L.distributions.Categorical(a), L.distributions.Categorical(b)
        ),
        np.array([[0.0, 1.0], [0.5, 0.5]]),
        np.array([[0.0, 1.0], [1.0, 0.0]]),
        gradients=False,
    )


def test_divergences_of_ones_own():
    D = ad.distributions

    class Mine(D.Normal):
        pass

    p, q = Mine(0.0, 1.0), D.Normal(1.0, 1.0)
    assert D.kl_divergence(p, q).item() == pytest.approx(0.5)

    @D.register_kl(Mine, D.Normal)
    def _(p, q):
        return ad.tensor(7.0)

    assert D.kl_divergence(p, q).item() == 7.0
    assert D.kl_divergence(q, p).item() == pytest.approx(0.5)
    with pytest.raises(NotImplementedError, match="No KL.* p type Normal and q type Poisson; give"):
        D.kl_divergence(q, D.Poisson(1.0))
    with pytest.raises(TypeError, match="Expected type_p to be a Distribution subclass but got"):
        D.register_kl(int, Mine)


# -- refusals ---------------------------------------------------------------------------------
REFUSED = [
    lambda L, D: D.Normal(L.tensor([0.0]), L.tensor([-1.0])),
    lambda L, D: D.Normal(L.tensor([math.nan]), 1.0),
    lambda L, D: D.Gamma(L.tensor([0.0]), 1.0),
    lambda L, D: D.Bernoulli(probs=L.tensor([1.5])),
    lambda L, D: D.Categorical(probs=L.tensor([-1.0, 2.0])),
    lambda L, D: D.Dirichlet(L.tensor([1.0, -1.0])),
    lambda L, D: D.MultivariateNormal(L.zeros(2), -L.eye(2)),
    lambda L, D: D.MultivariateNormal(L.zeros(2), scale_tril=L.ones(2, 2)),
    lambda L, D: D.Binomial(-1, probs=L.tensor([0.5])),
    lambda L, D: D.Uniform(1.0, 0.0),
    lambda L, D: D.Geometric(L.tensor([0.0])),
    lambda L, D: D.Bernoulli(),
    lambda L, D: D.Bernoulli(0.5, 0.5),
    lambda L, D: D.Categorical(),
    lambda L, D: D.Categorical(L.tensor(1.0)),
    lambda L, D: D.Dirichlet(L.tensor(1.0)),
    lambda L, D: D.MultivariateNormal(L.tensor(1.0), L.eye(2)),
    lambda L, D: D.MultivariateNormal(L.zeros(2)),
    lambda L, D: D.MultivariateNormal(L.zeros(2), L.zeros(2)),
    lambda L, D: D.Independent(D.Normal(0.0, 1.0), 1),
    lambda L, D: D.TransformedDistribution(D.Normal(0.0, 1.0), 3),
    lambda L, D: D.TransformedDistribution(D.Normal(0.0, 1.0), [3]),
    lambda L, D: D.Normal(0.0, 1.0).log_prob(1.0),
    lambda L, D: D.Normal(L.zeros(3), 1.0).log_prob(L.zeros(2)),
    lambda L, D: D.Exponential(1.0).log_prob(L.tensor(-1.0)),
    lambda L, D: D.Bernoulli(0.5).log_prob(L.tensor(0.5)),
    lambda L, D: D.Categorical(L.ones(3)).log_prob(L.tensor(3)),
    lambda L, D: D.Dirichlet(L.ones(3)).log_prob(L.ones(3)),
    lambda L, D: D.Dirichlet(L.ones(3)).log_prob(L.ones(2)),
    lambda L, D: D.Multinomial(2, L.ones(3)).log_prob(L.ones(3)),
    lambda L, D: D.OneHotCategorical(L.ones(3)).log_prob(L.ones(3)),
    lambda L, D: D.Multinomial(L.tensor([2, 3]), L.ones(3)),
    lambda L, D: D.Bernoulli(0.5).rsample(),
    lambda L, D: D.Independent(D.Bernoulli(L.ones(3) / 2), 1).enumerate_support(),
    lambda L, D: D.Binomial(L.tensor([1, 2]), probs=L.tensor([0.5, 0.5])).entropy(),
    lambda L, D: D.Normal("a", 1.0),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refusals_are_pytorchs(number):
    import torch

    call = REFUSED[number]
    with pytest.raises(Exception) as theirs:
        call(torch, torch.distributions)
    with pytest.raises(type(theirs.value)) as ours:
        call(ad, ad.distributions)
    if isinstance(theirs.value, ValueError):  # PyTorch's text, and perhaps more
        told = str(ours.value).replace("anadrome.", "torch.")
        assert told[:45] == str(theirs.value)[:45]


def test_unchecked():
    D = ad.distributions
    d = D.Normal(0.0, -1.0, validate_args=False)
    assert math.isnan(d.log_prob(ad.tensor(1.0)).item())
    before = D.Distribution._validate_args
    try:
        D.Distribution.set_default_validate_args(False)
        D.Normal(0.0, -1.0)
    finally:
        D.Distribution.set_default_validate_args(before)
    with pytest.raises(ValueError, match="to satisfy the constraint GreaterThan"):
        D.Normal(0.0, -1.0)


# -- transforms -------------------------------------------------------------------------------
TRANSFORMS = {
    "exp": lambda T: T.ExpTransform(),
    "sigmoid": lambda T: T.SigmoidTransform(),
    "tanh": lambda T: T.TanhTransform(),
    "softplus": lambda T: T.SoftplusTransform(),
    "affine": lambda T: T.AffineTransform(1.0, -2.5),
    "affine-vectors": lambda T: T.AffineTransform(1.0, -2.5, event_dim=1),
    "composed": lambda T: T.ComposeTransform([T.AffineTransform(1.0, 2.0), T.TanhTransform()]),
    "inverse": lambda T: T.ExpTransform().inv.inv,
    "identity": lambda T: T.identity_transform,
    "cached": lambda T: T.ExpTransform(cache_size=1),
}


@pytest.mark.parametrize("make", TRANSFORMS.values(), ids=TRANSFORMS)
def test_transforms(make):
    def call(L, x):
        t = make(L.distributions.transforms)
        y = t(x)
        return y, t.inv(y), t.log_abs_det_jacobian(x, y), t.inv.log_abs_det_jacobian(y, x)

    agree(call, numbers(2, 3), rtol=1e-6)

    def told(L):
        t = make(L.distributions.transforms)
        return t.sign, t.domain.event_dim, t.codomain.event_dim, t.bijective

    import torch

    assert told(ad) == told(torch)


def test_power_and_abs():
    def call(L, x):
        T = L.distributions.transforms
        p, a = T.PowerTransform(L.tensor(2.5, dtype=L.float64)), T.AbsTransform()
        y = p(x)
        return y, p.inv(y), p.log_abs_det_jacobian(x, y), a(x), a.inv(x)

    agree(call, positive(4))


def test_a_cache_gives_back_what_it_was_made_from():
    t = ad.distributions.TanhTransform(cache_size=1)
    x = ad.tensor([30.0])
    assert t.inv(t(x)) is x
    with pytest.raises(ValueError, match="cache_size must be 0 or 1"):
        ad.distributions.ExpTransform(cache_size=2)


def test_a_vae_and_a_policy_gradient_step():
    """Two usual programs: the same loss and gradients, given the same draws."""
    eps, action = numbers(4, 2), np.array([0, 2, 1, 1])

    def call(L, mu, log_scale, logits):
        D = L.distributions
        q = D.Normal(mu, log_scale.exp())
        z = q.mean + q.stddev * L.tensor(eps)
        kl = D.kl_divergence(q, D.Normal(L.zeros_like(mu), L.ones_like(mu))).sum(-1).mean()
        policy = D.Categorical(logits=logits)
        reward = L.tensor([1.0, -1.0, 0.5, 2.0], dtype=L.float64)
        gain = (policy.log_prob(L.tensor(action)) * reward).mean() + 0.01 * policy.entropy().mean()
        return z.square().mean() + kl - gain

    agree(call, numbers(4, 2, seed=1), numbers(4, 2, seed=2), numbers(4, 3, seed=3))
