"""The `distributions` plugin: PyTorch's ``distributions``.

Reading order: ``constraints`` (what values are allowed), ``values`` (parameters to Tensors),
``base`` (the class of all), then a family a file: ``location``, ``positive``, ``beta``,
``counts``, ``categorical``, ``multivariate``; ``sampling`` and ``incomplete`` (draws and a
distribution function that are not one formula), ``transforms`` and ``structured``, ``registry``
(from constraints to them), ``composed``, ``derived``, ``mixture``, ``relaxed`` (made of others),
``lowrank``, ``continuous``, ``tails``, ``circular``, ``family``, ``wishart``, ``correlations``,
``kl`` and ``kl_mixed``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)

_NAMES = {
    "base": ("Distribution",),
    "location": ("Cauchy", "Gumbel", "Laplace", "Normal", "StudentT", "Uniform"),
    "positive": ("Chi2", "Exponential", "Gamma", "HalfCauchy", "HalfNormal", "Pareto", "Weibull"),
    "beta": ("Beta", "Dirichlet"),
    "counts": ("Bernoulli", "Binomial", "Geometric", "NegativeBinomial", "Poisson"),
    "categorical": (
        "Categorical",
        "Multinomial",
        "OneHotCategorical",
        "OneHotCategoricalStraightThrough",
    ),
    "multivariate": ("MultivariateNormal",),
    "composed": ("Independent", "LogNormal", "TransformedDistribution"),
    "mixture": ("MixtureSameFamily",),
    "family": ("ExponentialFamily",),
    "continuous": ("ContinuousBernoulli",),
    "tails": ("FisherSnedecor", "GeneralizedPareto"),
    "circular": ("VonMises",),
    "wishart": ("Wishart",),
    "correlations": ("CorrCholeskyTransform", "LKJCholesky"),
    "relaxed": (
        "ExpRelaxedCategorical",
        "LogitRelaxedBernoulli",
        "RelaxedBernoulli",
        "RelaxedOneHotCategorical",
    ),
    "transforms": (
        "AbsTransform",
        "AffineTransform",
        "ComposeTransform",
        "ExpTransform",
        "PowerTransform",
        "SigmoidTransform",
        "SoftplusTransform",
        "TanhTransform",
        "Transform",
        "identity_transform",
    ),
    "structured": (
        "CatTransform",
        "CumulativeDistributionTransform",
        "IndependentTransform",
        "LowerCholeskyTransform",
        "PositiveDefiniteTransform",
        "ReshapeTransform",
        "SoftmaxTransform",
        "StackTransform",
        "StickBreakingTransform",
    ),
    "registry": ("biject_to", "transform_to"),
    "derived": ("InverseGamma", "Kumaraswamy", "LogisticNormal"),
    "lowrank": ("LowRankMultivariateNormal",),
    "kl": ("kl_divergence", "register_kl"),
}

#: Helpers that programs take from ``distributions.utils``.
_UTILS = {
    "broadcast_all": "broadcast_all",
    "clamp_probs": "clamp_probs",
    "tril_matrix_to_vec": "tril_matrix_to_vec",
    "vec_to_tril_matrix": "vec_to_tril_matrix",
    "lazy_property": "lazy_property",
    "logits_to_probs": "to_probs",
    "probs_to_logits": "to_logits",
    "_standard_normal": "standard_normal",
    "_sum_rightmost": "sum_rightmost",
}

#: Those that programs take from PyTorch's file of normal vectors.
_OF_VECTORS = ("_batch_mahalanobis", "_batch_mv", "_precision_to_scale_tril")

#: Those that programs take from PyTorch's file of transforms.
_TRANSFORMS = {"_InverseTransform": "_Inverse", "_clipped_sigmoid": "clipped_sigmoid"}

_CONSTRAINTS = (
    "Constraint",
    "MixtureSameFamilyConstraint",
    "boolean",
    "cat",
    "corr_cholesky",
    "dependent",
    "dependent_property",
    "greater_than",
    "greater_than_eq",
    "half_open_interval",
    "independent",
    "integer_interval",
    "interval",
    "is_dependent",
    "less_than",
    "lower_cholesky",
    "lower_triangular",
    "multinomial",
    "nonnegative",
    "nonnegative_integer",
    "one_hot",
    "positive",
    "positive_definite",
    "positive_integer",
    "positive_semidefinite",
    "real",
    "real_vector",
    "simplex",
    "square",
    "stack",
    "symmetric",
    "unit_interval",
)


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's names, also in the modules of its own that programs import them from."""
    found = {
        f"distributions.{name}": f"{__name__}.{module}:{name}"
        for module, names in _NAMES.items()
        for name in names
    }
    for place, module, names in (
        ("constraints", "constraints", _CONSTRAINTS),
        ("transforms", "transforms", _NAMES["transforms"]),
        ("transforms", "structured", _NAMES["structured"]),
        ("transforms", "correlations", ("CorrCholeskyTransform",)),
        ("constraint_registry", "registry", ("ConstraintRegistry", *_NAMES["registry"])),
        ("kl", "kl", _NAMES["kl"]),
        ("distribution", "base", _NAMES["base"]),
        ("normal", "location", ("Normal",)),
        ("categorical", "categorical", ("Categorical",)),
        ("bernoulli", "counts", ("Bernoulli",)),
        ("multivariate_normal", "multivariate", ("MultivariateNormal",)),
    ):
        for name in names:
            found[f"distributions.{place}.{name}"] = f"{__name__}.{module}:{name}"
    for name, ours in _UTILS.items():
        found[f"distributions.utils.{name}"] = f"{__name__}.values:{ours}"
    for name in _OF_VECTORS:
        found[f"distributions.{name}"] = f"{__name__}.multivariate:{name}"
    for name, ours in _TRANSFORMS.items():
        found[f"distributions.{name}"] = f"{__name__}.transforms:{ours}"
    return found
