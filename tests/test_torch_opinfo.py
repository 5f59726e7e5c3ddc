"""The layers and losses on the samples of PyTorch's own test suite."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch.testing._internal.common_methods_invocations")

import opinfo

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

#: Draws of random numbers are compared where there is nothing to draw, by other tests.
NAMES = (
    "softmin cross_entropy normalize cosine_similarity binary_cross_entropy_with_logits relu "
    "group_norm instance_norm layer_norm rms_norm local_response_norm batch_norm hardswish "
    "soft_margin_loss margin_ranking_loss multi_margin_loss multilabel_margin_loss leaky_relu "
    "multilabel_soft_margin_loss linear bilinear glu elu prelu celu selu silu hardsigmoid "
    "logsigmoid mish softsign tanhshrink threshold triplet_margin_loss softplus "
    "triplet_margin_with_distance_loss binary_cross_entropy softshrink hardshrink hardtanh gelu "
    "relu6 smooth_l1_loss l1_loss one_hot embedding_bag mse_loss ctc_loss cosine_embedding_loss "
    "nll_loss gaussian_nll_loss hinge_embedding_loss huber_loss pdist poisson_nll_loss "
    "pairwise_distance kl_div"
)
OPS = opinfo.entries([f"nn.functional.{n}" for n in NAMES.split()])


def _id(op: Any) -> str:
    return f"{op.name.removeprefix('nn.functional.')}{op.variant_test_name}"


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.int64], ids=str)
@pytest.mark.parametrize("op", OPS, ids=_id)
def test_samples(op: Any, dtype: Any) -> None:
    if dtype in op.dtypes:
        assert opinfo.compare(op, dtype) > 0


@pytest.mark.parametrize("op", OPS, ids=_id)
def test_refusals(op: Any) -> None:
    opinfo.refused(op)


def test_nothing_is_left_out() -> None:
    assert {op.name.removeprefix("nn.functional.") for op in OPS} == set(NAMES.split())
    assert sum(opinfo.refused(op) for op in OPS) > 20
