"""Calls on which PyTorch and anadrome once differed: found by comparing long lists of samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from oracle import agree, numbers

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")

ONE = np.array([0])

CALLS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "cross entropy of ignored targets only": (
        lambda L, x, t: L.nn.functional.cross_entropy(x, t, ignore_index=1),
        (numbers(2, 4), np.array([1, 1])),
    ),
    "nll of ignored targets only": (
        lambda L, x, t: L.nn.functional.nll_loss(x, t, ignore_index=1),
        (numbers(2, 4), np.array([1, 1])),
    ),
    "diff of order zero": (lambda L, x: L.diff(x, 0, -1, x, x), (numbers(3),)),
    "cummax of a boolean": (lambda L, x: L.cummax(x, 0), (np.array(True),)),
    "cummin of one boolean": (lambda L, x: L.cummin(x, 0), (np.array([True]),)),
    "gather of a boolean": (lambda L, x, i: L.gather(x, 0, i), (np.array(True), ONE)),
    "cumsum into bytes": (lambda L, x: L.cumsum(x, 0, dtype=L.uint8), (np.arange(3),)),
    "cumprod into bytes": (lambda L, x: L.cumprod(x, 0, dtype=L.uint8), (np.arange(3),)),
    "bytes less bytes": (
        lambda L, x, i, s: L.index_add(x, 0, i, s, alpha=-1),
        (np.arange(3, dtype=np.uint8), ONE, np.array([5], np.uint8)),
    ),
    "a boolean plus booleans": (
        lambda L, x, i, s: L.index_add(x, 0, i, s),
        (np.array([False]), ONE, np.array([True])),
    ),
    "batch norm of nothing keeps its statistics": (
        lambda L, x: _statistics_after(L, x),
        (np.empty((0, 5, 9)),),
    ),
    "distinct empty slices": (lambda L, x: L.unique(x.detach(), dim=1), (np.empty((5, 0, 5)),)),
    "distinct empty slices in runs": (
        lambda L, x: L.unique_consecutive(x.detach(), dim=1),
        (np.empty((5, 0, 5)),),
    ),
    "a fractional pool without a batch": (
        lambda L, x, s: L.nn.functional.fractional_max_pool3d(x, 2, 2, _random_samples=s.detach()),
        (numbers(4, 5, 5, 5), numbers(2, 4, 3, low=0.1, high=0.9)),
    ),
    "a fractional pool of nothing": (
        lambda L, x, s: L.nn.functional.fractional_max_pool3d(x, 2, 2, _random_samples=s.detach()),
        (np.empty((0, 4, 5, 5, 5)), np.empty((0, 4, 3))),
    ),
    "incomplete gamma functions of large shapes": (
        lambda L, a, x: (L.igamma(a.detach(), x.detach()), L.igammac(a.detach(), x.detach())),
        (np.array([2e4, 1e5, 1e8, 1e15]), np.array([1.99e4, 1.002e5, 1e8 + 3e4, 1e15])),
    ),
    "gradient of unspecified spacing": (
        lambda L, x: L.gradient(x, spacing=None, edge_order=2),
        (numbers(4),),
    ),
    "a threshold's value below zero, in bytes": (
        lambda L, x: L.nn.functional.threshold(x, 2, -9),
        (np.arange(4, dtype=np.uint8),),
    ),
    "a sum to no size of booleans": (
        lambda L, x: (x.sum_to_size(()), x[None].sum_to_size(1)),
        (np.array(True),),
    ),
    "rrelu of one half-precision number": (
        lambda L: L.nn.functional.rrelu(L.tensor(2.0, dtype=L.bfloat16), training=True).float(),
        (),
    ),
    "strided without elements": (
        lambda L, x: x.new_empty_strided((2, 0), (3, 4)),
        (np.arange(3),),
    ),
    "permuted without elements": (
        lambda L: L.empty_permuted((1, 0, 5), (0, 2, 1), dtype=L.int64),
        (),
    ),
    "reflections of a wide matrix": (
        lambda L, a, tau, x: L.ormqr(a, tau, x, left=False),
        (numbers(2, 5), numbers(2), numbers(5, 2)),
    ),
    "a singular triangle": (
        lambda L: (
            L.linalg.solve_triangular(_singular(L), L.ones(3, 2), upper=False),
            L.linalg.solve_triangular(_singular(L).mT, L.ones(2, 3, 2), upper=True),
            L.cholesky_solve(L.ones(3, 1), _singular(L)),
        ),
        (),
    ),
    "positions of one number into a given Tensor": (
        lambda L, x: (L.nonzero(L.tensor(3.0), out=x), x),
        (np.arange(0),),
    ),
    "normalized into an empty Tensor": (
        lambda L, x: L.nn.functional.normalize(x.detach(), out=L.empty(0, dtype=L.float64)),
        (numbers(2, 3),),
    ),
    "mantissa and exponent into given Tensors": (
        lambda L, x: L.frexp(
            x.detach(), out=(L.empty(0, dtype=L.float64), L.empty(0, dtype=L.int32))
        ),
        (numbers(3),),
    ),
}


def _singular(L: Any) -> Any:
    return L.tensor([[1.0, 0.0, 0.0], [2.0, 0.0, 0.0], [1.0, 3.0, 2.0]])


REFUSED: dict[str, Callable[..., Any]] = {
    "cholesky of NaN": lambda L: L.linalg.cholesky(L.tensor([[1.0, 0.0], [math.nan, 1.0]])),
    "abs in place of complex values": lambda L: L.ones(2, dtype=L.complex64).abs_(),
    "float_power in place of single precision": lambda L: L.ones(2).float_power_(2),
    "complex numbers into others": lambda L: L.complex(
        L.ones(2, dtype=L.float64), L.ones(2, dtype=L.float64), out=L.ones(2, dtype=L.complex64)
    ),
    "classes of another batch, as floats": lambda L: L.nn.functional.cross_entropy(
        L.ones(4, 2), L.ones(5)
    ),
    "ones of two types": lambda L: L.ones(2, dtype=L.float64, out=L.ones(2)),
    **{
        f"{name} into another type": lambda L, name=name, given=given: getattr(L, name)(
            *(L.ones(*shape) for shape in given), out=L.ones(2, dtype=L.float64)
        )
        for name, given in {
            "matmul": ((2, 2), (2,)), "mm": ((2, 2), (2, 2)), "dot": ((2,), (2,)),
            "mv": ((2, 2), (2,)), "addmm": ((2, 2), (2, 2), (2, 2)), "diag": ((2, 2),),
            "norm": ((2,),),
        }.items()
    },
    **{
        f"linalg.{name} into another type": lambda L, name=name: getattr(L.linalg, name)(
            L.eye(2), out=L.ones(2, 2, dtype=L.float64)
        )
        for name in ("inv", "det", "svdvals", "matrix_norm", "vector_norm", "eigvalsh")
    },
}  # fmt: skip


def _statistics_after(library: Any, x: Any) -> Any:
    norm = library.nn.BatchNorm1d(5).double()
    norm(x)
    return norm.running_mean, norm.running_var, norm.num_batches_tracked


@pytest.mark.parametrize("name", CALLS)
def test_agrees(name: str) -> None:
    call, arrays = CALLS[name]
    agree(call, *arrays)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises(Exception) as theirs:
        REFUSED[name](torch)
    with pytest.raises(RuntimeError if issubclass(theirs.type, RuntimeError) else theirs.type):
        REFUSED[name](ad)


def test_one_random_number_is_an_array() -> None:
    for kind in (ad.bfloat16, ad.float16, ad.float32):
        x = ad.rand((), dtype=kind)
        assert ad.where(x < 2, x, 0.0 * x).dtype is kind


def test_cholesky_ex_counts_nan_as_a_failure() -> None:
    assert int(ad.linalg.cholesky_ex(ad.tensor([[math.nan, 0.0], [0.0, 1.0]])).info) == 1


def test_complex_parameters() -> None:
    """What PyTorch refuses when it is made or at its first step, with its class of error."""
    for name, kind in (("SparseAdam", ValueError), ("Muon", RuntimeError)):
        with pytest.raises(kind):
            getattr(ad.optim, name)([ad.zeros(2, 2, dtype=ad.complex64, requires_grad=True)])


def test_divergence_of_half_cauchy() -> None:
    def call(L: Any, a: Any, b: Any) -> Any:
        half = L.distributions.HalfCauchy
        return L.distributions.kl_divergence(half(a), half(b))

    agree(call, numbers(3, low=0.3, high=2.0), numbers(3, seed=1, low=0.3, high=2.0))
