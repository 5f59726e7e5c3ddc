"""Every check of the conformance kit, for every op, on NumPy and on the strict backend.

A new op is tested here without a line of test code: its declaration carries its samples.
"""

from __future__ import annotations

import pytest

from anadrome import testing
from anadrome.op import table

#: Ops that have no samples, and why.
WITHOUT_SAMPLES = {
    "write_region": "its memory holds the result already; tests of in-place writes cover it",
    "to_device": "between two backends; test_cross_backend covers it",
    "cholesky_solve": "PyTorch's gradient is of the whole factor; tests/test_torch_linalg.py",
    "linalg_ldl_factor": "it has no derivative; tests/test_torch_ldl.py",
    **dict.fromkeys(
        ("linalg_ldl_unpacked", "linalg_lu_places"),
        "pivots are LAPACK's; tests/test_torch_ldl.py, tests/test_vmap_rare.py",
    ),
    "attention_backward": "over Tensors the rule is another; tests/test_kernels_numpy_attending.py",
    "group_norm_backward": "over Tensors the rule is another; test_kernels_numpy_grouped.py",
    "nextafter": "another number is next in each type; tests/test_torch_numbers.py",
    "linalg_cholesky": "a sample would have to be positive-definite; tests/test_torch_linalg.py",
    **dict.fromkeys(
        ("linalg_eigh", "linalg_eig", "linalg_svd"),
        "vectors are fixed but for a factor; tests/test_torch_linalg.py",
    ),
}
#: On the strict backend gradients are compared with those on NumPy (``gradient``), so finite
#: differences, which are slow there, are left to NumPy.
STRICT = [c for c in testing.CHECKS if c not in ("gradcheck", "gradgradcheck")]
STRICT_DTYPES = ("float64", "float32", "int64")


@pytest.mark.parametrize("case", testing.cases("numpy"), ids=str)
def test_numpy(case: testing.Case) -> None:
    case()


@pytest.mark.parametrize(
    "case", testing.cases("strict", checks=STRICT, dtypes=STRICT_DTYPES), ids=str
)
def test_strict(case: testing.Case) -> None:
    case()


@pytest.mark.nightly
@pytest.mark.parametrize(
    "case", testing.cases("strict", checks=("gradcheck", "gradgradcheck")), ids=str
)
def test_strict_differences(case: testing.Case) -> None:
    case()


@pytest.mark.nightly
@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("name", sorted(n for n, o in table.items() if o.samples and not o.mutates))
def test_other_seeds(name: str, seed: int) -> None:
    assert testing.check_op(name, seed=seed)


@pytest.mark.parametrize("name", sorted(table))
def test_has_samples(name: str) -> None:
    op = table[name]
    if name in WITHOUT_SAMPLES:
        assert not op.samples, f"{name} has samples now: take it off the list"
    elif not op.mutates:
        assert op.samples, f"op {name!r} needs `samples=`, or a reason in WITHOUT_SAMPLES"
