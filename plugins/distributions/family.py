"""family: exponential families by their natural parameters."""

from __future__ import annotations

from typing import Any

import anadrome as ad
from anadrome import Tensor

from .base import Distribution
from .values import sum_rightmost


class ExponentialFamily(Distribution):
    """Base for densities ``h(x) exp(<t(x), theta> - F(theta))``.

    PyTorch: ``distributions.ExponentialFamily``.

    A class of one's own gives ``_natural_params``, a tuple of Tensors; ``_log_normalizer``, F of
    them; and ``_mean_carrier_measure``, the expected log h. Then entropy and divergence from
    another of the class follow by differentiation: Nielsen and Nock, "Entropies and
    Cross-entropies of Exponential Families", 2010.
    """

    _mean_carrier_measure: Any
    _natural_params: Any

    def _log_normalizer(self, *natural_params: Tensor) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__} does not define _log_normalizer()")

    def entropy(self) -> Tensor:
        slopes, normalizer, natural = self._slopes()
        out = normalizer - self._mean_carrier_measure
        for parameter, slope in zip(natural, slopes):
            out = out - self._over_events(parameter * slope)
        return out

    def _slopes(self) -> Any:
        """The expected t(x), F, and the parameters that these belong to."""
        given = self._natural_params
        natural = [p if p.requires_grad else p.detach().requires_grad_() for p in given]
        with ad.enable_grad():
            normalizer = self._log_normalizer(*natural)
            slopes = ad.autograd.grad(normalizer.sum(), natural, create_graph=True)
        return slopes, normalizer, natural

    def _over_events(self, value: Tensor) -> Tensor:
        return sum_rightmost(value, value.ndim - len(self._batch_shape))
