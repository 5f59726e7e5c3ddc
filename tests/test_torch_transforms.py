"""Transforms of vectors and matrices, and those of constraints, against PyTorch's."""

from __future__ import annotations

from typing import Any

import pytest
from oracle import agree, numbers

import anadrome as ad

pytestmark = pytest.mark.torch

TRANSFORMS = {
    "stick": lambda T: T.StickBreakingTransform(),
    "independent": lambda T: T.IndependentTransform(T.ExpTransform(), 1),
    "reshape": lambda T: T.ReshapeTransform((3,), (3, 1)),
    "stack": lambda T: T.StackTransform([T.ExpTransform(), T.SigmoidTransform(),
                                         T.TanhTransform()], dim=1),
    "cat": lambda T: T.CatTransform([T.ExpTransform(), T.AffineTransform(1.0, 2.0)], dim=1,
                                    lengths=[1, 2]),
}  # fmt: skip


@pytest.mark.parametrize("make", TRANSFORMS.values(), ids=TRANSFORMS)
def test_values_and_stretches(make: Any) -> None:
    def call(L: Any, x: Any) -> Any:
        t = make(L.distributions.transforms)
        y = t(x)
        return y, t.inv(y), t.log_abs_det_jacobian(x, y)

    agree(call, numbers(2, 3), rtol=1e-6)


@pytest.mark.parametrize("name", ["SoftmaxTransform", "LowerCholeskyTransform",
                                  "PositiveDefiniteTransform"])  # fmt: skip
def test_those_that_do_not_stretch(name: str) -> None:
    def call(L: Any, x: Any) -> Any:
        t = getattr(L.distributions.transforms, name)()
        y = t(x)
        return y, t.inv(y)

    agree(call, numbers(3, 3), rtol=1e-6)


def test_a_distribution_function_is_a_transform() -> None:
    def call(L: Any, x: Any) -> Any:
        t = L.distributions.transforms.CumulativeDistributionTransform(
            L.distributions.Normal(0.0, 1.0)
        )
        y = t(x)
        return y, t.inv(y), t.log_abs_det_jacobian(x, y)

    agree(call, numbers(4), rtol=1e-6)


CONSTRAINTS = {
    "positive": lambda C: C.positive,
    "nonnegative": lambda C: C.nonnegative,
    "real": lambda C: C.real,
    "unit interval": lambda C: C.unit_interval,
    "interval": lambda C: C.interval(-1.0, 2.0),
    "greater": lambda C: C.greater_than(3.0),
    "less": lambda C: C.less_than(1.0),
    "simplex": lambda C: C.simplex,
    "vector": lambda C: C.real_vector,
    "independent": lambda C: C.independent(C.positive, 1),
}


@pytest.mark.parametrize("name", CONSTRAINTS)
@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
def test_transforms_of_constraints(name: str, registry: str) -> None:
    def call(L: Any, x: Any) -> Any:
        constraint = CONSTRAINTS[name](L.distributions.constraints)
        t = getattr(L.distributions, registry)(constraint)
        y = t(x)
        assert bool(constraint.check(y).all())
        return y, t.inv(y)

    agree(call, numbers(3, 3), rtol=1e-6)


def test_matrices_for_parameters() -> None:
    def call(L: Any, x: Any) -> Any:
        D = L.distributions
        C = D.constraints
        return D.transform_to(C.lower_cholesky)(x), D.transform_to(C.positive_definite)(x)

    agree(call, numbers(3, 3), rtol=1e-6)


def test_refusals() -> None:
    D = ad.distributions
    with pytest.raises(NotImplementedError, match="Cannot transform _Boolean"):
        D.biject_to(D.constraints.boolean)
    with pytest.raises(ValueError, match="different numbers of elements"):
        D.ReshapeTransform((3,), (2,))
    with pytest.raises(ValueError, match="Too few dimensions"):
        D.IndependentTransform(D.ExpTransform(), 2)(ad.ones(3))
    with pytest.raises(ValueError, match=r"expected \(3,\) but got \(4,\)"):
        D.ReshapeTransform((3,), (3, 1))(ad.ones(2, 4))
    with pytest.raises(ValueError, match="2 transforms for 3 parts"):
        D.StackTransform([D.ExpTransform(), D.ExpTransform()])(ad.ones(3))


def test_a_registered_factory_is_used() -> None:
    from anadrome.distributions.constraint_registry import ConstraintRegistry

    D = ad.distributions
    registry = ConstraintRegistry()
    registry.register(D.constraints.positive)(lambda c: D.SoftplusTransform())
    assert type(registry(D.constraints.positive)) is D.SoftplusTransform
    with pytest.raises(TypeError, match="Constraint subclass or instance"):
        registry.register("positive", lambda c: None)


EQUALS = {
    "abs": lambda L, D: D.AbsTransform(),
    "affine": lambda L, D: D.AffineTransform(1.0, 2.0),
    "another affine": lambda L, D: D.AffineTransform(1.0, 3.0),
    "affine of tensors": lambda L, D: D.AffineTransform(L.tensor([1.0, 1.0]), L.tensor(2.0)),
    "power": lambda L, D: D.PowerTransform(L.tensor(2.0)),
    "another power": lambda L, D: D.PowerTransform(L.tensor([2.0, 3.0])),
    "composed": lambda L, D: D.ComposeTransform([D.ExpTransform(), D.AffineTransform(1.0, 2.0)]),
    "nothing": lambda L, D: D.ComposeTransform([]),
    "exp": lambda L, D: D.ExpTransform(),
    "inverse": lambda L, D: D.ExpTransform().inv,
    "reshape": lambda L, D: D.ReshapeTransform((2,), (1, 2)),
    "softmax": lambda L, D: D.SoftmaxTransform(),
    "independent": lambda L, D: D.IndependentTransform(D.ExpTransform(), 1),
}


def test_which_transforms_are_equal():
    torch = pytest.importorskip("torch")

    def pairs(L):
        D = L.distributions
        return {(a, b): EQUALS[a](L, D) == EQUALS[b](L, D) for a in EQUALS for b in EQUALS}

    assert pairs(ad) == pairs(torch)
