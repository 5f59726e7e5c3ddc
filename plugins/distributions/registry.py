"""registry: from a constraint to a transform of real values to it
(``distributions.constraint_registry``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import constraints, correlations, structured, transforms

Factory = Callable[[Any], Any]


class ConstraintRegistry:
    """Finds the transform for a constraint; further ones can be registered.

    >>> import anadrome as ad
    >>> D = ad.distributions
    >>> D.transform_to(D.constraints.positive)(ad.tensor(0.0))
    tensor(1.)
    """

    def __init__(self) -> None:
        self._factories: dict[type, Factory] = {}

    def register(self, constraint: Any, factory: Factory | None = None) -> Any:
        """Make the transforms of a constraint's class by ``factory(constraint)``; a decorator
        without it."""
        if factory is None:
            return lambda made: self.register(constraint, made)
        kind = constraint if isinstance(constraint, type) else type(constraint)
        if not issubclass(kind, constraints.Constraint):
            raise TypeError(
                f"Expected constraint to be either a Constraint subclass or instance, but got "
                f"{constraint!r}"
            )
        self._factories[kind] = factory
        return factory

    def __call__(self, constraint: Any) -> Any:
        factory = self._factories.get(type(constraint))
        if factory is None:
            raise NotImplementedError(
                f"Cannot transform {type(constraint).__name__} constraints; register a factory"
            )
        return factory(constraint)


#: Transforms that can be inverted, and whose densities can be changed.
biject_to = ConstraintRegistry()
#: Transforms for parameters: they may be redundant.
transform_to = ConstraintRegistry()


def _above(constraint: Any) -> Any:
    lower = constraint.lower_bound
    if isinstance(lower, (int, float)) and lower == 0:
        return transforms.ExpTransform()
    return transforms.ComposeTransform(
        [transforms.ExpTransform(), transforms.AffineTransform(lower, 1)]
    )


def _below(constraint: Any) -> Any:
    parts = [transforms.ExpTransform(), transforms.AffineTransform(constraint.upper_bound, -1)]
    return transforms.ComposeTransform(parts)


def _between(constraint: Any) -> Any:
    lower, upper = constraint.lower_bound, constraint.upper_bound
    if all(isinstance(b, (int, float)) for b in (lower, upper)) and (lower, upper) == (0, 1):
        return transforms.SigmoidTransform()
    scaled = transforms.AffineTransform(lower, upper - lower)
    return transforms.ComposeTransform([transforms.SigmoidTransform(), scaled])


def _install() -> None:
    example: Any
    for registry in (biject_to, transform_to):
        for example, factory in (
            (constraints.real, lambda c: transforms.identity_transform),
            (constraints.positive, _above),
            (constraints.nonnegative, _above),
            (constraints.less_than(0.0), _below),
            (constraints.unit_interval, _between),
            (constraints.half_open_interval(0.0, 1.0), _between),
        ):
            registry.register(example, factory)
        registry.register(constraints.independent, _of_independent(registry))
        registry.register(constraints.corr_cholesky, lambda c: correlations.CorrCholeskyTransform())
        registry.register(constraints.cat, _of_parts(registry))
        registry.register(constraints.stack, _of_layers(registry))
    biject_to.register(constraints.simplex, lambda c: structured.StickBreakingTransform())
    for_parameters: tuple[tuple[Any, Factory], ...] = (
        (constraints.simplex, lambda c: structured.SoftmaxTransform()),
        (constraints.lower_cholesky, lambda c: structured.LowerCholeskyTransform()),
        (constraints.positive_definite, lambda c: structured.PositiveDefiniteTransform()),
        (constraints.positive_semidefinite, lambda c: structured.PositiveDefiniteTransform()),
    )
    for allowed, factory in for_parameters:
        transform_to.register(allowed, factory)


def _of_parts(registry: ConstraintRegistry) -> Factory:
    return lambda c: structured.CatTransform([registry(p) for p in c.cseq], c.dim, c.lengths)


def _of_layers(registry: ConstraintRegistry) -> Factory:
    return lambda c: structured.StackTransform([registry(p) for p in c.cseq], c.dim)


def _of_independent(registry: ConstraintRegistry) -> Factory:
    return lambda c: structured.IndependentTransform(
        registry(c.base_constraint), c.reinterpreted_batch_ndims
    )


_install()
