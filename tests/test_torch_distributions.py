"""Distributions against PyTorch's: densities, moments, entropies, supports, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from distribution_cases import CASES, positive, unit
from oracle import agree, numbers

import anadrome as ad

pytestmark = pytest.mark.torch
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
        if what == "cdf" and name in ("Gamma", "Chi2", "InverseGamma"):
            # PyTorch has no derivative by the concentration here.
            call = lambda L, *t: make(L.distributions, *[p.detach() for p in t[:-1]]).cdf(t[-1])
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
    if not any(
        w in name for w in ("Transformed", "Half", "Beta", "vectors")
    ):  # PyTorch's tells nothing
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


def test_the_distribution_function_of_gamma_values():
    torch = pytest.importorskip("torch")
    a, x = np.meshgrid([0.01, 0.3, 1.0, 2.5, 10.0, 100.0, 4000.0], [0.0, 1e-9, 0.1, 1.0, 5.0, 90.0,
                       650.0, 4100.0, math.inf])  # fmt: skip
    found = ad.distributions.Gamma(ad.tensor(a), 1.0).cdf(ad.tensor(x)).numpy()
    wanted = torch.special.gammainc(torch.tensor(a), torch.tensor(x)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-300)
    single = ad.distributions.Gamma(ad.tensor(300.0), 1.0).cdf(ad.tensor(310.0))
    assert single.dtype is ad.float32
    assert single.item() == pytest.approx(0.72249, abs=1e-5)
    c = ad.tensor([0.5, 3.0], dtype=ad.float64, requires_grad=True)
    assert ad.autograd.gradcheck(
        lambda c: ad.distributions.Gamma(c, 2.0).cdf(ad.tensor([0.3, 4.0], dtype=ad.float64)), (c,)
    )


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


def test_parts_that_do_not_fit():
    def mix(w, d):
        return lambda L: L.distributions.MixtureSameFamily(w(L), d(L))

    weights = lambda L: L.distributions.Categorical(L.ones(2, 3))
    for call in (
        mix(lambda L: 3, weights),
        mix(weights, lambda L: 3),
        mix(weights, lambda L: L.distributions.Normal(L.zeros(2, 4), 1.0)),
        mix(weights, lambda L: L.distributions.Normal(L.zeros(5, 3), 1.0)),
    ):
        import torch

        with pytest.raises(ValueError) as theirs:
            call(torch)
        with pytest.raises(ValueError) as ours:
            call(ad)
        assert str(ours.value).replace("anadrome.", "torch.")[:45] == str(theirs.value)[:45]


def test_where_programs_import_them_from():
    import anadrome.distributions as dist
    from anadrome.distributions import constraints, kl_divergence
    from anadrome.distributions.categorical import Categorical
    from anadrome.distributions.constraints import positive
    from anadrome.distributions.kl import register_kl
    from anadrome.distributions.normal import Normal
    from anadrome.distributions.transforms import ExpTransform

    assert dist.Normal is Normal is ad.distributions.Normal
    assert dist.Categorical is Categorical
    assert constraints.positive is positive
    assert dist.kl_divergence is kl_divergence
    assert dist.kl.register_kl is register_kl
    assert dist.transforms.ExpTransform is ExpTransform


def test_constraints_are_pytorchs():
    import torch

    values = np.array([[-1.0, 0.0], [0.0, 1.0], [0.25, 0.75], [2.0, 3.0], [math.nan, 1.0]])
    from anadrome.plugins.distributions import _CONSTRAINTS

    for name in _CONSTRAINTS:
        ours = getattr(ad.distributions.constraints, name)
        theirs = getattr(torch.distributions.constraints, name)
        if isinstance(theirs, type) and name in ("interval", "half_open_interval"):
            ours, theirs = ours(0.0, 1.0), theirs(0.0, 1.0)
        elif isinstance(theirs, type) and name == "integer_interval":
            ours, theirs = ours(0, 2), theirs(0, 2)
        elif isinstance(theirs, type) and name in ("greater_than", "greater_than_eq", "less_than"):
            ours, theirs = ours(0.5), theirs(0.5)
        elif isinstance(theirs, type) or name in ("dependent", "is_dependent"):
            continue
        assert repr(ours) == repr(theirs)
        assert ours.event_dim == theirs.event_dim
        assert ours.is_discrete == theirs.is_discrete
        for v in (values, values[1:3], np.eye(2), -np.eye(2), np.array([[2.0, 1.0], [0.0, 2.0]])):
            a, t = ours.check(ad.tensor(v)), theirs.check(torch.tensor(v))
            assert a.tolist() == t.tolist(), name


def test_distributions_of_ones_own():
    import torch

    def call(L):
        D = L.distributions

        class Shifted(D.Distribution):
            arg_constraints = {"loc": D.constraints.real}
            support = D.constraints.real
            has_rsample = True

            def __init__(self, loc, validate_args=None):
                self.loc = loc
                super().__init__(loc.shape, validate_args=validate_args)

            def expand(self, batch_shape, _instance=None):
                new = self._get_checked_instance(Shifted, _instance)
                new.loc = self.loc.expand(batch_shape)
                super(Shifted, new).__init__(batch_shape, validate_args=False)
                return new

            def log_prob(self, value):
                if self._validate_args:
                    self._validate_sample(value)
                return -(value - self.loc).abs()

        class Standard(D.Normal):
            def __init__(self, loc):
                super().__init__(loc, 1.0)

        with pytest.raises(NotImplementedError, match="Subclass Standard of Normal that defines"):
            Standard(L.zeros(2)).expand((3, 2))
        with pytest.raises(ValueError):
            Shifted(L.tensor([math.nan]))
        d = Shifted(L.tensor([1.0, 2.0])).expand((3, 2))
        return repr(d).replace("anadrome", "torch"), d.log_prob(L.zeros(2)).tolist()

    assert call(ad) == call(torch)
