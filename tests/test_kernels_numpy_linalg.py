"""NumPy's kernels of linear algebra give what is declared, and leave to it what they lose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_checks import NUMPY

from anadrome.backends.numpy.kernels import determinants, triangular
from anadrome.op import table

TYPES = [np.float32, np.float64, np.complex64, np.complex128]


def matrices(dtype: Any, *shape: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    out = rng.standard_normal(shape)
    if np.dtype(dtype).kind == "c":
        out = out + 1j * rng.standard_normal(shape)
    return out.astype(dtype)


def near(found: Any, expected: Any, times: float = 500) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    most = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=times * np.finfo(found.dtype).eps * most)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("upper", [True, False])
@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize(
    ("n", "columns", "batch", "other"),
    [(64, 3, (), ()), (130, 1, (), ()), (37, 20, (3, 1), (2,)), (20, 4, (70,), ()),
     (400, 2, (), ())],
)  # fmt: skip
def test_triangular_systems(
    n: int, columns: int, batch: Any, other: Any, unit: bool, upper: bool, dtype: Any
) -> None:
    a = matrices(dtype, *batch, n, n) / (2 * n**0.5) + 3 * np.eye(n, dtype=dtype)
    b = matrices(dtype, *other, n, columns, seed=1)
    how = {"upper": upper, "unitriangular": unit}
    whole = NUMPY.composed(table["linalg_solve_triangular"])
    assert triangular._suits(a, b)
    assert triangular._by_blocks(a, b, upper, unit) is not None
    near(triangular.solve_triangular(a, b, **how), whole(a, b, **how))
    if not upper and not unit:
        near(triangular.cholesky_solve(b, a), NUMPY.composed(table["cholesky_solve"])(b, a))


def test_what_a_triangular_system_does_not_reach_is_finite() -> None:
    a, b = matrices(np.float64, 70, 70) + 20 * np.eye(70), matrices(np.float64, 70, 2, seed=1)
    b[50, 0] = np.inf
    a[60, 60] = 0.0
    whole = NUMPY.composed(table["linalg_solve_triangular"])
    for upper in (True, False):
        with np.errstate(all="ignore"):
            found, expected = (f(a, b, upper=upper) for f in (triangular.solve_triangular, whole))
        np.testing.assert_array_equal(found, expected)
        assert np.isfinite(found[:50] if not upper else found[61:]).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_cofactors(dtype: Any) -> None:
    whole = NUMPY.composed(table["cofactors"])
    x = matrices(dtype, 7, 5, 5) + 2 * np.eye(5, dtype=dtype)
    near(determinants.cofactors(x), whole(x))
    near(determinants.cofactors(x[0]), whole(x[0]))
    x[1, 2] = x[1, 3] * (1 + 1e-4)  # nearly singular
    near(determinants.cofactors(x), whole(x))
    near(determinants.cofactors(x[1]), whole(x[1]))
    x[2] = 0.0
    near(determinants.cofactors(x), whole(x))
