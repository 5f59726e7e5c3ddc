"""What calls drawn by ``tests/fuzz`` showed after that; continues ``test_torch_fuzzed_later``."""

from __future__ import annotations

from typing import Any

import pytest
from test_torch_fuzzed_later import REFUSED, evaluated

import anadrome as ad

torch = pytest.importorskip("torch")

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def quantized(axis: str, zero_point: str) -> str:
    return (f"L.fake_quantize_per_channel_affine(L.arange(6.0).reshape(2, 3) / 2, L.ones(2), "
            f"{zero_point}, {axis}, 0, 9)")  # fmt: skip


@pytest.mark.parametrize("text", [
    *(f"L.fake_quantize_per_tensor_affine(x, 0.1, {zero}, 0, 7)" for zero in ("8", "-1", "0.5")),
    quantized("0", "L.tensor([0, 300], dtype=L.int32)"), quantized("0", "L.zeros(3)"),
    # a truth value is no dimension
    *(f"x.{call}" for call in ("transpose(False, 1)", "transpose(0, True)", "flatten(False)",
      "flatten(0, True)", "squeeze((False,))", "unsqueeze(True)", "movedim(False, 1)",
      "movedim((0,), (True,))", "permute((True, 0))", "flip(True)", "roll(1, True)", "max(True)",
      "min(False)", "unflatten(True, (3,))", "swapaxes(False, True)")),
    "L.stack([x], True)", "L.tensor(1.0).flatten(False)",
    "g.sum().backward(inputs=1)", "g.sum().backward(inputs=[1])",
    "F.max_unpool2d(L.ones(1, 1, 1), L.zeros(1, 1, 1).long(), 2, None, 2)",
    "L.nn.init.trunc_normal_(x, a=i)",
    "L.abs(x, out=L.zeros(2, 3).double())", "L.abs(x.cfloat(), out=L.zeros(2, 3).int())",
])  # fmt: skip
def test_both_refuse(text: str) -> None:
    for L in (ad, torch):
        with pytest.raises(REFUSED) as caught:
            evaluated(text, L)
        assert "has no attribute" not in str(caught.value)


@pytest.mark.parametrize("text", [
    # the input's half is rounded to even before an integer is added, and after a fraction is
    *(quantized("0", f"L.tensor([1, 3], dtype=L.{kind})")
      for kind in ("int32", "float32", "float16")),
    quantized("0", "L.tensor([-0.5, 0.25])"), quantized("0", "L.tensor([300.0, -7.0])"),
    *(f"L.fake_quantize_per_tensor_affine(L.arange(6.0) / 2, L.ones(1), {zero}, 0, 9)"
      for zero in ("L.tensor([1.7])", "L.tensor([300])", "L.tensor([-2], dtype=L.int32)")),
    *(f"F.max_unpool{n}d(L.ones({'1, ' * (n + 1)}), L.zeros({'1, ' * (n + 1)}).long(), 2, None, 1)"
      for n in (1, 2, 3)),
    *(f"L.abs(L.tensor([3 + 4j]).to(L.{kind}), out=L.zeros(1, dtype=L.{to}))"
      for kind in ("complex64", "complex128")
      for to in ("float32", "float64", "float16", "bfloat16")),
    *(f"L.nn.init.trunc_normal_(x, a={bound}).shape == x.shape"
      for bound in ("-L.ones(1, 1, 1, 1)", "-L.ones(1)", "-L.ones(())")),
    "L.nn.init.trunc_normal_(x, b=L.ones(1, 1, 1, requires_grad=True)).requires_grad",
    "x.transpose(i[0], 0)", "x.movedim(L.tensor(0), 1)",
])  # fmt: skip
def test_both_give_the_same(text: str) -> None:
    ours: Any = evaluated(text, ad)
    assert ours == evaluated(text, torch)


def test_values_that_find_no_place_have_a_gradient_of_zero() -> None:
    x = ad.ones(1, 2, 2, requires_grad=True)
    at = ad.zeros(1, 2, 2, dtype=ad.int64)
    ad.nn.functional.max_unpool2d(x, at, 2, 2, (2, 1)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[[0, 0], [0, 0]]]
