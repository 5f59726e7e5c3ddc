"""Group normalisation in blocks of samples: what is declared, and PyTorch's gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_checks import KERNELS, check, made

import anadrome as ad
from anadrome.backends.numpy import parallel
from anadrome.backends.numpy.kernels import common

#: Shapes, and into how many groups their channels fall.
CASES = [((2, 4, 3), 2), ((5, 6), 3), ((3, 4, 2, 3), 1), ((40, 8, 5, 5), 8), ((1, 6, 2, 2, 2), 2)]


@pytest.fixture(autouse=True, params=["plain", "small blocks and two threads"])
def _ways(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param != "plain":
        monkeypatch.setattr(parallel, "threads", 2)
        monkeypatch.setattr(parallel, "LARGE", 1)
        monkeypatch.setattr(common, "BLOCK", 50)
        monkeypatch.setattr(common, "WIDE_BLOCK", 50)


def given(shape: Any, dtype: str, layout: str = "C") -> list[Any]:
    rng = np.random.default_rng(0)
    x, g = made(rng, shape, dtype, layout), made(rng, shape, dtype, layout)
    return [x, made(rng, shape[1:2], dtype), made(rng, shape[1:2], dtype), g]


@pytest.mark.parametrize("layout", ["C", "F", "strided"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "groups"), CASES)
def test_group_norm(shape: Any, groups: int, dtype: str, layout: str) -> None:
    x, weight, bias, g = given(shape, dtype, layout)
    check("group_norm", x, weight, bias, groups=groups, eps=1e-3, tolerance=30)
    _, scale = KERNELS["group_norm"](x, weight, bias, groups=groups, eps=1e-3)
    found = KERNELS["group_norm_backward"](g, x, scale, weight, groups=groups)

    exact = [ad.tensor(a.astype("float64"), requires_grad=True) for a in (x, weight, bias)]
    rows = exact[0].reshape(shape[0], groups, -1)
    normal = (rows - rows.mean(-1, keepdim=True)) / (
        rows.var(-1, False, keepdim=True) + 1e-3
    ).sqrt()
    along = (-1,) + (1,) * (len(shape) - 2)
    out = normal.reshape(shape) * exact[1].reshape(along) + exact[2].reshape(along)
    out.backward(ad.tensor(g.astype("float64")))
    for ours, t in zip(found, exact):
        np.testing.assert_allclose(ours, t.grad.numpy(), atol=3e-5, rtol=1e-4)


def test_second_derivatives() -> None:
    inputs = [ad.tensor(a, requires_grad=True) for a in given((2, 4, 3), "float64")[:3]]
    norm = ad.nn.functional.group_norm
    assert ad.autograd.gradgradcheck(lambda x, w, b: norm(x, 2, w, b), inputs)
    instance = ad.nn.functional.instance_norm
    assert ad.autograd.gradgradcheck(lambda x, w, b: instance(x, weight=w, bias=b), inputs)


def test_which_calls_are_one_op() -> None:
    x, w = ad.randn(2, 4, 3, requires_grad=True), ad.ones(4)
    name = "NativeGroupNormBackward0"
    norm = ad.nn.functional.group_norm
    assert norm(x, 2, w, w).grad_fn.name() == name
    assert norm(x, 2, w).grad_fn.name() != name
    assert norm(x.bfloat16(), 2, w.bfloat16(), w.bfloat16()).grad_fn.name() != name
