"""The `distributions` plugin: PyTorch's ``distributions``.

Reading order: ``constraints`` (what values are allowed), ``values`` (parameters to Tensors),
``base`` (the class of all), then a family a file: ``location``, ``positive``, ``beta``,
``counts``, ``categorical``, ``multivariate``; ``sampling`` (draws that are not one formula, with
their gradients), ``transforms``, ``composed`` (distributions made of distributions), ``kl``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anadrome import hookimpl

ANADROME_API = (1, 1)

_NAMES = {
    "base": ("Distribution",),
    "location": ("Cauchy", "Gumbel", "Laplace", "Normal", "StudentT", "Uniform"),
    "positive": ("Chi2", "Exponential", "Gamma", "HalfCauchy", "HalfNormal"),
    "beta": ("Beta", "Dirichlet"),
    "counts": ("Bernoulli", "Binomial", "Geometric", "Poisson"),
    "categorical": (
        "Categorical",
        "Multinomial",
        "OneHotCategorical",
        "OneHotCategoricalStraightThrough",
    ),
    "multivariate": ("MultivariateNormal",),
    "composed": ("Independent", "LogNormal", "TransformedDistribution"),
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
    "kl": ("kl_divergence", "register_kl"),
}


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """PyTorch's names, imported when first used."""
    found = {
        f"distributions.{name}": f"{__name__}.{module}:{name}"
        for module, names in _NAMES.items()
        for name in names
    }
    found["distributions.constraints"] = f"{__name__}.constraints:"
    found["distributions.transforms"] = f"{__name__}.transforms:"
    for name in _NAMES["kl"]:
        found[f"distributions.kl.{name}"] = f"{__name__}.kl:{name}"
    return found
