"""Every operator that PyTorch's own test suite describes, on a few of its samples."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch.testing._internal.common_methods_invocations")

import opinfo

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

#: Operators that are not compared, by the reason.
UNLIKE = {
    "drawn, or memory that nobody wrote": """
        bernoulli cauchy empty empty_like empty_permuted empty_strided exponential geometric
        log_normal
        multinomial new_empty new_empty_strided nn.functional.alpha_dropout nn.functional.dropout
        nn.functional.dropout2d nn.functional.dropout3d nn.functional.feature_alpha_dropout
        nn.functional.fractional_max_pool2d nn.functional.fractional_max_pool3d
        nn.functional.multi_head_attention_forward nn.functional.rrelu
        nn.functional.scaled_dot_product_attention normal pca_lowrank rand_like randint randint_like
        randn randn_like resize_ resize_as_ svd_lowrank uniform
    """,
    "vectors up to a factor of length 1": "linalg.eig linalg.eigh linalg.svd svd",
    "the place of one of equal values": "argsort kthvalue mode sort topk",
    "PyTorch's are less exact, or undefined where ours go on": """
        special.airy_ai special.bessel_j0 special.bessel_j1 special.bessel_y0 special.bessel_y1
        special.zeta linalg.norm linalg.vector_norm logcumsumexp
    """,
    "PyTorch's second gradient is NaN where one of the two is left out": "masked.logaddexp",
    "described with its arguments exchanged": "nn.functional.embedding",
    "other layouts and types": "cdouble cfloat chalf sparse.mm sparse.sampled_addmm to_sparse",
    "PyTorch's gradient is not that of its value, or of where its input lies in memory": """
        as_strided as_strided_scatter
    """,
}  # fmt: skip
_LEFT_OUT = {name for names in UNLIKE.values() for name in names.split()}
OPS = [op for op in opinfo.entries() if op.name not in _LEFT_OUT and opinfo.function(op)]


@pytest.mark.parametrize("op", OPS, ids=lambda op: f"{op.name} {op.variant_test_name}".strip())
def test_samples(op: Any) -> None:
    for dtype, most in ((torch.float64, 2), (torch.complex128, 1), (torch.int64, 1)):
        if dtype in op.dtypes:
            opinfo.compare(op, dtype, most)
    if not op.name.startswith("__"):  # as methods they leave it to the other operand
        opinfo.refused(op)


def test_most_of_them_are_here() -> None:
    assert len(OPS) > 500
