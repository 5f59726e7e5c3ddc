"""Memory under Tensors, counted values, and the choice of attention: as PyTorch answers."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytest.importorskip("torch.testing._internal.common_methods_invocations")

import opinfo

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

OPS = opinfo.entries(["histogram", "histogramdd", "index_reduce", "unravel_index"])


@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name + op.variant_test_name)
def test_samples(op: Any) -> None:
    dtype = torch.float64 if torch.float64 in op.dtypes else torch.int64
    assert opinfo.compare(op, dtype) > 0
    opinfo.refused(op)


def facts(L: Any) -> list[Any]:
    x = L.zeros(4, 3)
    y = L.nn.Linear(3, 4, bias=False)
    z = L.nn.Embedding(4, 3)
    z.weight = y.weight
    memory = x.untyped_storage()
    return [
        memory.nbytes(), x[1:].untyped_storage().nbytes(), memory.size(), str(memory.device),
        x[2:].untyped_storage().data_ptr() == memory.data_ptr(), memory == x.untyped_storage(),
        x.clone().untyped_storage().data_ptr() == memory.data_ptr(), L.is_storage(memory),
        z.weight.untyped_storage().data_ptr() == y.weight.untyped_storage().data_ptr(),
        x.is_set_to(x.view(4, 3)), x.is_set_to(x[1:]), x.is_set_to(x.clone()),
        type(memory).__name__, memory.data_ptr() == x.data_ptr(), len(memory),
    ]  # fmt: skip


def test_storages_tell_what_pytorchs_do() -> None:
    assert facts(ad) == facts(torch)


def test_a_choice_of_attention_is_accepted() -> None:
    wanted = importlib.import_module("torch.nn.attention").SDPBackend.__members__
    found = ad.nn.attention.SDPBackend.__members__
    assert {k: v.value for k, v in found.items()} == {k: int(v) for k, v in wanted.items()}
    x = ad.ones(1, 2, 4)
    with ad.nn.attention.sdpa_kernel(found["MATH"]):
        assert ad.nn.functional.scaled_dot_product_attention(x, x, x).tolist() == x.tolist()
    with (
        pytest.raises(TypeError, match="Backend must be an instance of SDPBackend .*, got str"),
        ad.nn.attention.sdpa_kernel("flash"),
    ):
        pass
