"""Divergences between distributions: PyTorch's, and those of one's own."""

from __future__ import annotations

import numpy as np
import pytest
from distribution_cases import CASES, P, R, U, spd
from oracle import agree

import anadrome as ad

pytestmark = pytest.mark.torch
each = pytest.mark.parametrize("name", CASES)


SECOND = {
    "Normal": (R(3, 1, seed=5), P(4, seed=6)),
    "Laplace": (R(3, seed=5), P(3, seed=6)),
    "Cauchy": (R(3, seed=5), P(3, seed=6)),
    "Gumbel": (R(3, seed=5), P(3, seed=6)),
    "Gamma": (P(3, seed=5), P(3, seed=6)),
    "Exponential": (P(3, seed=5),),
    "HalfNormal": (P(3, seed=5),),
    "HalfCauchy": (P(3, seed=5),),
    "InverseGamma": (P(3, seed=5), P(3, seed=6)),
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


def test_which_pairs_have_a_divergence():
    torch = pytest.importorskip("torch")

    def have(L):
        made = {name: _first(L, *case[:2]) for name, case in CASES.items()}
        return {(p, q) for p in made for q in made if _has_divergence(L, made[p], made[q])}

    assert have(ad) ^ have(torch) == set()


def _first(L, make, arrays):
    return make(L.distributions, *[L.tensor(a) for a in arrays])


def _has_divergence(L, p, q):
    try:
        L.distributions.kl_divergence(p, q)
    except NotImplementedError:
        return False
    except RuntimeError:  # of shapes that do not broadcast
        pass
    return True


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
        D.register_kl(3, Mine)  # type: ignore[arg-type]
