"""Distributions whose comparison with PyTorch needs more than ``CASES`` says; all divergences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers, refuse

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    return numbers(*shape, seed=seed, low=0.3, high=2.5)


# -- heavy tails ----------------------------------------------------------------------------------
K = np.array([0.0, 0.3, -0.4, 1.5], "float32")


def test_generalized_pareto() -> None:
    """In float32: PyTorch's log_prob takes no other."""
    loc, scale = numbers(4).astype("float32"), positive(4).astype("float32")
    x = loc + scale * np.array([[0.1, 0.5, 0.9, 3.0], [2.0, 1.5, 0.2, 0.4]], "float32")
    u = np.array([[0.1], [0.7], [0.99]], "float32")

    def call(L: Any, m: Any, s: Any, k: Any, x: Any, u: Any) -> Any:
        d = L.distributions.GeneralizedPareto(m, s, k)
        wide = d.expand((2, 4))
        functions = [d.log_prob(x), d.cdf(x), d.log_cdf(x), d.log_survival_function(x), d.icdf(u)]
        return [*functions, d.mean, d.variance, d.mode, d.entropy(), wide.log_prob(x)]

    given = (loc, scale, K, x, u)
    agree(call, *given, gradients=False, rtol=1e-4, atol=1e-5)
    agree(call, loc, scale, K[[1, 2, 1, 1]], x, u, second=False, rtol=1e-3, atol=1e-4)
    ours = ad.distributions.GeneralizedPareto(*map(ad.tensor, (loc, scale, K)))
    theirs = torch.distributions.GeneralizedPareto(*map(torch.tensor, (loc, scale, K)))
    bad = np.concatenate([x, x - 9, x + 1e9])
    found = ours.support.check(ad.tensor(bad)).tolist()
    assert found == theirs.support.check(torch.tensor(bad)).tolist()
    refuse(lambda L: L.distributions.GeneralizedPareto(0.0, -1.0, 0.1))
    drawn = ad.distributions.GeneralizedPareto(0.0, 1.0, 0.1).sample((20_000,))
    assert drawn.mean().item() == pytest.approx(1 / 0.9, abs=0.05)


def test_moments_that_do_not_exist() -> None:
    def call(L: Any, a: Any, b: Any) -> Any:
        d = L.distributions.FisherSnedecor(a, b)
        return d.mean, d.mode, d.variance

    agree(call, np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.5, 4.5]), gradients=False)
    x = ad.tensor([1.0, 3.0], requires_grad=True)
    ad.distributions.FisherSnedecor(x, x + 0.5).mean.sum().backward()
    assert x.grad.isfinite().all()  # PyTorch's is NaN beside such a moment


# -- directions -----------------------------------------------------------------------------------
def test_von_mises() -> None:
    """PyTorch's Bessel functions are exact to seven digits."""

    def call(L: Any, m: Any, k: Any, x: Any) -> Any:
        d = L.distributions.VonMises(m, k)
        return d.log_prob(x), d.mean, d.mode, d.variance, d.expand((2, 3)).log_prob(x)

    k = np.array([0.3, 2.0, 60.0])
    agree(call, numbers(3), k, numbers(2, 3, seed=1), second=False, rtol=1e-5, atol=1e-6)
    # The density is one over a turn.
    d = ad.distributions.VonMises(ad.tensor(0.5), ad.tensor(k)[:, None])
    turn = ad.linspace(-math.pi, math.pi, 2001, dtype=ad.float64)[:-1]
    np.testing.assert_allclose(d.log_prob(turn).exp().mean(-1) * 2 * math.pi, 1.0, rtol=1e-12)
    refuse(lambda L: L.distributions.VonMises(L.tensor(0.0), L.tensor(-1.0)))


@pytest.mark.parametrize("k", [1e-6, 0.5, 4.0, 300.0])
def test_draws_of_angles(k: float) -> None:
    ad.manual_seed(0)
    d = ad.distributions.VonMises(ad.tensor(2.5, dtype=ad.float64), ad.tensor(k, dtype=ad.float64))
    x = d.sample((20_000,))
    assert (x.abs() <= math.pi).all()
    length = 1 - d.variance.item()
    mean = np.exp(1j * (x.numpy() - 2.5)).mean()
    assert abs(mean - length) < 4 / math.sqrt(20_000)


# -- correlations ---------------------------------------------------------------------------------
def triangle(n: int) -> np.ndarray:
    return np.linalg.cholesky(0.6 * np.eye(n) + 0.4)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_correlations(n: int) -> None:
    def call(L: Any, a: Any, y: Any) -> Any:
        d = L.distributions.LKJCholesky(n, a)
        assert not d.has_rsample and d.support.event_dim == 2
        return d.log_prob(y), d.expand((3, 2)).log_prob(y)

    agree(call, positive(2), triangle(n))
    ours, theirs = ad.distributions.LKJCholesky(n, 1.5), torch.distributions.LKJCholesky(n, 1.5)
    assert repr(ours) == repr(theirs)
    assert ours.event_shape == theirs.event_shape
    refuse(lambda L: L.distributions.LKJCholesky(1))
    refuse(lambda L: L.distributions.LKJCholesky(3).log_prob(L.ones(3, 3)))


@pytest.mark.parametrize("n, eta", [(2, 1.0), (3, 1.0), (4, 0.7), (4, 3.0)])
def test_draws_of_correlations(n: int, eta: float) -> None:
    """Each correlation is a Beta value on [-1, 1]: Lewandowski et al. 2009, section 2."""
    ad.manual_seed(1)
    d = ad.distributions.LKJCholesky(n, ad.tensor(eta, dtype=ad.float64))
    L = d.sample((20_000,))
    assert d.support.check(L).all()
    r = (L @ L.mT).numpy()
    lower = np.tril_indices(n, -1)
    np.testing.assert_allclose(r[:, lower[0], lower[1]].mean(0), 0, atol=0.03)
    variance = 1 / (2 * eta + n - 1)
    np.testing.assert_allclose(r[:, lower[0], lower[1]].var(0), variance, rtol=0.06)


def test_the_way_to_correlations() -> None:
    def call(L: Any, x: Any) -> Any:
        t = L.distributions.transforms.CorrCholeskyTransform()
        y = t(x)
        assert t.bijective and t.domain.event_dim == 1 and t.codomain.event_dim == 2
        shapes = tuple(t.forward_shape((4, 6))), tuple(t.inverse_shape((2, 5, 5)))
        return y, t.inv(y), t.log_abs_det_jacobian(x, y), shapes

    agree(call, numbers(2, 6), rtol=1e-6)
    agree(call, numbers(1), rtol=1e-6, second=False)
    for shape in ((), (4,)):
        refuse(lambda L, s=shape: L.distributions.CorrCholeskyTransform().forward_shape(s))
    for shape in ((3,), (3, 4)):
        refuse(lambda L, s=shape: L.distributions.CorrCholeskyTransform().inverse_shape(s))


# -- parts ----------------------------------------------------------------------------------------
def test_constraints_of_parts() -> None:
    def call(L: Any, x: Any) -> Any:
        c = L.distributions.constraints
        cat = c.cat([c.positive, c.real, c.unit_interval], dim=-1, lengths=[1, 2, 1])
        stack = c.stack([c.positive, c.nonnegative, c.real, c.unit_interval], dim=-1)
        of_mixture = c.MixtureSameFamilyConstraint(c.interval(L.zeros(3), L.ones(3)))
        facts = [(k.event_dim, k.is_discrete) for k in (cat, stack, of_mixture)]
        checks = [cat.check(x), stack.check(x), of_mixture.check(x[0])]
        found = [L.distributions.biject_to(k)(x) for k in (cat, stack)] + [
            L.distributions.transform_to(c.corr_cholesky)(x[:, :3])
        ]
        psd = [c.positive_semidefinite.check(m) for m in (x @ x.mT, -x @ x.mT, x)]
        return facts, checks, found, psd, [c.square.check(m) for m in (x, x @ x.mT)]

    agree(call, numbers(2, 4), second=False)
    for bad in (
        lambda c: c.cat([c.real], lengths=[1, 2]), lambda c: c.cat([3]), lambda c: c.stack([3]),
        lambda c: c.MixtureSameFamilyConstraint(3), lambda c: c.cat([c.real], 0, [1, 1]),
    ):  # fmt: skip
        for L in (ad, torch):
            with pytest.raises(AssertionError):
                bad(L.distributions.constraints)


@pytest.mark.parametrize("diag", [-2, -1, 0, 1])
def test_triangles_as_vectors(diag: int) -> None:
    def call(L: Any, x: Any) -> Any:
        u = L.distributions.utils
        v = u.tril_matrix_to_vec(x, diag)
        return v, u.vec_to_tril_matrix(v, diag), u.clamp_probs(x.sigmoid() * 2 - 0.5)

    agree(call, numbers(2, 4, 4))


def test_a_family_of_ones_own() -> None:
    """An exponential distribution by its natural parameter."""

    def call(L: Any, a: Any, b: Any) -> Any:
        D = L.distributions

        class Waiting(D.ExponentialFamily):
            arg_constraints = {"rate": D.constraints.positive}
            support = D.constraints.nonnegative
            _mean_carrier_measure = 0

            def __init__(self, rate: Any) -> None:
                self.rate = rate
                super().__init__(rate.shape)

            @property
            def _natural_params(self) -> Any:
                return (-self.rate,)

            def _log_normalizer(self, x: Any) -> Any:
                return -L.log(-x)

        p, q = Waiting(a), Waiting(b)
        return p.entropy().detach(), D.kl_divergence(p, q).detach()

    agree(call, positive(3), positive(3, seed=1))
    d, e = ad.distributions, torch.distributions
    wishart = lambda L, D, n, V: D.Wishart(L.tensor(n, dtype=L.float64), L.tensor(V))
    V = np.array([[2.0, 0.3], [0.3, 1.0]])
    found = d.kl_divergence(wishart(ad, d, 3.5, V), wishart(ad, d, 4.0, 2 * V)).item()
    wanted = e.kl_divergence(wishart(torch, e, 3.5, V), wishart(torch, e, 4.0, 2 * V)).item()
    assert found == pytest.approx(wanted, rel=1e-5)


# -- divergences ----------------------------------------------------------------------------------
PAIRS = """
    Bernoulli Poisson; Beta ContinuousBernoulli; Beta Exponential; Beta Gamma; Beta Normal
    Beta Pareto; Beta Uniform; ContinuousBernoulli ContinuousBernoulli
    ContinuousBernoulli Exponential; ContinuousBernoulli Normal; ContinuousBernoulli Pareto
    Exponential ContinuousBernoulli; Exponential Gumbel; Exponential Pareto
    Gamma ContinuousBernoulli; Gamma Gumbel; Gamma Normal; Gamma Pareto
    Gumbel ContinuousBernoulli; Gumbel Normal; Gumbel Pareto; Laplace ContinuousBernoulli
    Laplace Pareto; LowRankMultivariateNormal LowRankMultivariateNormal
    LowRankMultivariateNormal MultivariateNormal; MultivariateNormal LowRankMultivariateNormal
    Normal ContinuousBernoulli; Normal Gumbel; Normal Pareto; Pareto Beta
    Pareto ContinuousBernoulli; Pareto Exponential; Pareto Gamma; Pareto Normal; Pareto Pareto
    Pareto Uniform; Uniform Beta; Uniform ContinuousBernoulli; Uniform Exponential; Uniform Gamma
    Uniform Gumbel; Uniform Pareto
"""
MADE = {
    "Bernoulli": lambda D, a, b: D.Bernoulli(a / 3),
    "Poisson": lambda D, a, b: D.Poisson(a),
    "Beta": lambda D, a, b: D.Beta(a, b),
    "ContinuousBernoulli": lambda D, a, b: D.ContinuousBernoulli(a / 3),
    "Exponential": lambda D, a, b: D.Exponential(a),
    "Gamma": lambda D, a, b: D.Gamma(a, b),
    "Normal": lambda D, a, b: D.Normal(a, b),
    "Gumbel": lambda D, a, b: D.Gumbel(a, b),
    "Laplace": lambda D, a, b: D.Laplace(a, b),
    "Pareto": lambda D, a, b: D.Pareto(a / 9, b + 2.2),
    "Uniform": lambda D, a, b: D.Uniform(a / 9 + 0.3, a / 9 + 0.3 + b / 9),
    "MultivariateNormal": lambda D, a, b: D.MultivariateNormal(
        a, scale_tril=b.diag() + (a[:, None] * b).tril(-1)
    ),
    "LowRankMultivariateNormal": lambda D, a, b: D.LowRankMultivariateNormal(
        a, a[:, None] * b[:2], b
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "pair", [p.split() for p in PAIRS.replace("\n", ";").split(";") if p.strip()]
)
def test_divergences(pair: list[str]) -> None:
    def call(L: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
        D = L.distributions
        p, q = MADE[pair[0]](D, a, b), MADE[pair[1]](D, c, d)
        if pair == ["Beta", "Uniform"]:
            q = D.Uniform(-c, 1 + d)
        return D.kl_divergence(p, q)

    given = [positive(3, seed=s) for s in range(4)]
    finite = bool(torch.isfinite(call(torch, *map(torch.tensor, given))).all())
    agree(call, *given, gradients=finite, second=False, rtol=1e-6)


def test_divergences_where_a_support_is_left() -> None:
    def call(L: Any) -> Any:
        D, t = L.distributions, L.tensor
        uniform = D.Uniform(t([-0.5, 0.2, 0.2]), t([0.5, 0.8, 1.5]))
        others = [
            D.Beta(t(2.0), t(3.0)), D.ContinuousBernoulli(t(0.3)), D.Exponential(t(2.0)),
            D.Gamma(t(2.0), t(1.5)), D.Pareto(t(0.1), t(2.0)),
        ]  # fmt: skip
        out = [D.kl_divergence(uniform, q) for q in others]
        out.append(
            D.kl_divergence(D.Beta(t(2.0), t(3.0)), D.Uniform(t([-1.0, 0.5]), t([2.0, 2.0])))
        )
        heavy = D.Pareto(t([0.5, 2.0]), t([0.9, 1.5]))
        out += [D.kl_divergence(heavy, q) for q in (D.Exponential(t(1.0)), D.Gamma(t(1.0), t(2.0)))]
        out += [
            D.kl_divergence(heavy, q) for q in (D.Normal(t(0.0), t(1.0)), D.Pareto(t(1.0), t(2.0)))
        ]
        return [x.expand(2) if x.ndim == 0 else x for x in out]

    found, wanted = call(ad), call(torch)
    for f, w in zip(found, wanted):
        np.testing.assert_allclose(f.numpy(), w.numpy(), rtol=1e-4)


def test_a_subclass_that_has_its_factor_when_it_is_asked_for_it() -> None:
    """As gpytorch's, whose covariance is decomposed late: by PyTorch's name of the attribute."""

    def call(L: Any, loc: Any, root: Any, x: Any) -> Any:
        Normal = L.distributions.MultivariateNormal

        class Late(Normal):  # type: ignore[misc, valid-type]
            def __init__(self, loc: Any, covariance: Any) -> None:
                self.loc, self.late = loc, covariance
                super(Normal, self).__init__(loc.shape[:-1], loc.shape[-1:], validate_args=False)

            @property
            def _unbroadcasted_scale_tril(self) -> Any:
                return L.linalg.cholesky(self.late)

        d = Late(loc, root @ root.mT + L.eye(3, dtype=root.dtype))
        usual = Normal(loc * 2, L.eye(3, dtype=root.dtype))
        apart = L.distributions.kl_divergence(d, usual)
        return [d.log_prob(x), d.entropy(), d.variance, d.scale_tril, apart]

    agree(call, numbers(2, 3), numbers(2, 3, 3, seed=1), numbers(2, 3, seed=2), second=False)


def test_the_helpers_of_normal_vectors() -> None:
    def call(L: Any, root: Any, x: Any) -> Any:
        import importlib

        N = importlib.import_module(f"{L.__name__}.distributions.multivariate_normal")
        matrix = root @ root.mT + L.eye(3, dtype=root.dtype)
        factor = N._precision_to_scale_tril(matrix)
        return [factor, N._batch_mahalanobis(factor, x), N._batch_mv(factor, x)]

    agree(call, numbers(2, 3, 3), numbers(4, 2, 3, seed=1), second=False)
