"""Distributions with parameters and values, on which ours and PyTorch's are compared."""

from __future__ import annotations

import numpy as np
from oracle import numbers


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


def TEMPERATURE(like):
    """0.7, in the library of another Tensor."""
    return (like * 0 + 0.7).detach().reshape(-1)[0]


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
    "NegativeBinomial": (lambda D, p: D.NegativeBinomial(3, p), (U(3),), whole(2, 3)),
    "NegativeBinomial-logits": (
        lambda D, z: D.NegativeBinomial(2.5, logits=z),
        (R(3),),
        whole(2, 3),
    ),
    "Pareto": (lambda D, s, a: D.Pareto(s, a), (P(3), 2.5 + P(3, seed=2)), 3.0 + P(2, 3)),
    "Weibull": (lambda D, s, k: D.Weibull(s, k), (P(3), 1.5 + P(3, seed=2)), P(2, 3, seed=1)),
    "Mixture": (
        lambda D, w, a, b: D.MixtureSameFamily(D.Categorical(logits=w), D.Normal(a, b)),
        (R(2, 3), R(2, 3, seed=1), P(2, 3)),
        R(4, 2),
    ),
    "Mixture-vectors": (
        lambda D, w, a, b: D.MixtureSameFamily(D.Categorical(w), D.Independent(D.Normal(a, b), 1)),
        (P(3), R(3, 2, seed=1), P(3, 2)),
        R(4, 2),
    ),
    "RelaxedBernoulli": (lambda D, p: D.RelaxedBernoulli(TEMPERATURE(p), p), (U(3),), U(2, 3)),
    "RelaxedOneHot": (
        lambda D, z: D.RelaxedOneHotCategorical(TEMPERATURE(z), logits=z),
        (R(3),),
        shares(4, 3),
    ),
    "InverseGamma": (
        lambda D, a, b: D.InverseGamma(a, b),
        (8.0 + P(3), P(3, seed=2)),
        P(2, 3, seed=1),
    ),
    "Kumaraswamy": (lambda D, a, b: D.Kumaraswamy(a, b), (P(3), P(3, seed=2)), U(2, 3)),
    "LogisticNormal": (
        lambda D, a, b: D.LogisticNormal(a, b),
        (R(2, 3), P(3)),
        shares(4, 2, 4),
    ),
    "LowRankMultivariateNormal": (
        lambda D, m, w, d: D.LowRankMultivariateNormal(m, w, d),
        (R(2, 3), R(3, 2, seed=1), P(3)),
        R(4, 2, 3, seed=2),
    ),
    "ContinuousBernoulli": (
        lambda D, p: D.ContinuousBernoulli(p),
        (np.array([0.1, 0.4995, 0.5, 0.8]),),
        U(2, 4),
    ),
    "ContinuousBernoulli-logits": (lambda D, z: D.ContinuousBernoulli(logits=z), (R(3),), U(2, 3)),
    "FisherSnedecor": (
        lambda D, a, b: D.FisherSnedecor(a, b),
        (3.0 + P(3), 5.0 + P(3, seed=2)),
        P(2, 3, seed=1),
    ),
    "Wishart": (lambda D, n, V: D.Wishart(n, V), (3.5 + P(2), spd(3)), np.stack([spd(3)] * 2)),
    "Wishart-precision": (
        lambda D, V: D.Wishart(4.0, precision_matrix=V),
        (spd(3),),
        np.stack([spd(3)] * 2),
    ),
    "Wishart-factor": (
        lambda D, V: D.Wishart(5.0, scale_tril=V),
        (np.linalg.cholesky(spd(2)),),
        np.stack([spd(2)] * 2),
    ),
}
