"""Calls on which PyTorch and anadrome once differed, found by an operator suite of random calls.

Each is an expression of a library ``L`` and of Tensors, evaluated with both: value, dtype, and the
gradients of float64 Tensors are the same, or both refuse, with classes that fit.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
from oracle import agree

import anadrome as ad

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")

INF = math.inf


def tensors(L: Any) -> dict[str, Any]:
    """Some of each kind; ``a``, ``b``, ``d`` and ``z`` are leaves that require a gradient."""
    whole = [[3, -1, 2], [0, 2, 1]]
    a = L.tensor([[0.5, -1.5, 2.0], [1.0, -0.3, 0.7]], dtype=L.float64)
    return {
        "a": a.requires_grad_(),
        "b": L.tensor([1.5, 0.25, -2.0], dtype=L.float64).requires_grad_(),
        "d": L.tensor(0.75, dtype=L.float64).requires_grad_(),
        "z": L.tensor([1 + 2j, -3 + 1j, 0.5], dtype=L.complex128).requires_grad_(),
        "i": L.tensor(whole),
        "j": L.tensor(whole, dtype=L.int32),
        "u": L.tensor([[3, 1, 2], [0, 2, 1]], dtype=L.uint8),
        "t": L.tensor([[True, False, True], [False, False, True]]),
        "e": L.zeros(0, 3, dtype=L.float64),
        "n": L.tensor([[INF, 3.0, -2.0], [-INF, -INF, -INF]], dtype=L.float64).requires_grad_(),
    }


SAME = [
    # Two numbers alone.
    "L.add(2, 3)", "L.add(True, 2.5)", "L.mul(2, 3.5)", "L.div(2, 4)", "L.sub(5, 2, alpha=2)",
    "L.floor_divide(7, 2)", "L.div(7, 2, rounding_mode='trunc')",
    # Numbers beside small integers; after the same number was an operand of the same type.
    "(u + -1, u / -1, -1 / u)", "L.sub(d, i, alpha=0.5)", "L.add(j, t, alpha=2)",
    "L.add(a, i, alpha=0.5)", "u.clone().fill_(-1)", "L.masked_fill(u, t, -2)",
    "L.masked_fill(i, t, 1.7)", "L.masked_fill(i, t, d.detach())",
    "i.clone().masked_fill_(t, 2.9)",
    "(lambda y: (y.__setitem__(0, -1), y)[1])(u.clone())",
    "L.einsum('...ik,...j->ij', u[None], u[0])",
    "L.tensordot(L.ones(1, 1, 1, dtype=L.int8), L.ones(2, 1, 2, dtype=L.int8), [[0, 1], [2, 0]])",
    "L.unravel_index(L.tensor([5, 3], dtype=L.uint8), (2, 1000))",
    "L.nn.functional.margin_ranking_loss(i, j.long(), t.long())",
    # Nothing divided by nothing.
    "L.zeros(0, dtype=L.int64) // 0", "L.zeros(0, dtype=L.int64) % 0",
    "L.fmod(L.zeros(0, dtype=L.int64), 0)",
    # Infinite extremes.
    "n.amax(1)", "n.amin(1)", "n[0].max()", "n[0].amax(0)", "L.aminmax(n, dim=0)",
    # Norms of nothing, and of what is not finite.
    "L.linalg.matrix_norm(e, 2)", "L.linalg.matrix_norm(e, INF)", "L.linalg.matrix_norm(e.mT, 1)",
    "L.linalg.vector_norm(n.detach(), 0)", "L.norm(e, INF, 1)", "L.norm(a, -1)",
    # Complex values.
    "L.logaddexp(z, z * 1j)", "L.logcumsumexp(z, 0)", "L.nn.functional.l1_loss(z, z.detach() * 1j)",
    # Forms.
    "L.clone(a, memory_format=L.contiguous_format)", "a.clone(memory_format=L.preserve_format)",
    "(d.mT, d.mH, d.adjoint())", "(a * 1).renorm_(2, 0, 1.0)", "(a * a + 3).mvlgamma_(2)",
    "L.cdist(a, b[None], p=INF)", "L.cdist(L.zeros_like(a), L.ones_like(a) * b, p=INF)",
    "L.nn.functional.elu(n)",
    # Losses whose reduction is a number, left out; pools of no values; products with no Hessian.
    "L.kl_div(a, a.detach().exp())", "L.hinge_embedding_loss(a, i.sign())",
    "L.margin_ranking_loss(a, a * a, i.sign())", "L.triplet_margin_loss(a, a * 2, a + 1)",
    "L.nn.functional.adaptive_max_pool1d(a.detach(), 0)",
    "L.nn.functional.adaptive_max_pool2d(a.detach()[None], (0, 2))",
    "L.autograd.functional.vhp(lambda x: x * 2, d.detach())",
    "L.autograd.functional.vhp(lambda x: x ** 3, d.detach())",
    # Pictures of bytes.
    *(f"L.nn.functional.interpolate((L.arange(600) * 37 % 256).to(L.uint8).reshape(1, 2, 15, 20), "
      f"(7, 31), mode={mode!r}, antialias={smooth})"
      for mode in ("bilinear", "bicubic") for smooth in (False, True)),
    # Into a given Tensor.
    *(f"L.nn.functional.{call}, out=L.empty(0, dtype=L.float64))" for call in (
        "linear(a.detach(), a.detach()", "linear(a.detach(), b.detach()", "gelu(a.detach()",
        "softplus(a.detach()", "logsigmoid(a.detach()", "hardshrink(a.detach()",
        "softshrink(a.detach()", "avg_pool2d(L.ones(1, 2, 4, 4, dtype=L.float64), 2",
        "avg_pool3d(L.ones(1, 2, 4, 4, 4, dtype=L.float64), 2",
    )),
    "L.renorm(a.detach(), 2, 0, 1.0, out=L.empty(0, dtype=L.float64))",
    "L.slice_scatter(a.detach(), a.detach()[:1], 0, 1, 2, out=L.empty(0, dtype=L.float64))",
]  # fmt: skip

REFUSED = [
    "a & a", "a | 2", "L.atan2(a, z[0])", "z // 2", "L.remainder(z, 2)", "z.floor_divide(a[0])",
    "a.argmax((0, 1))", "L.argmin(i, (0, 1))", "L.aminmax(e)", "(a * 1).fill_(None)",
    "L.masked_fill(a, t, None)", "L.full_like(a, None)", "L.full((2,), None)",
    "(a * 1).__setitem__(0, None)", "L.masked_fill(i, t, INF)", "L.masked_fill(i, t, 1j)",
    "L.remainder(5, 3)", "L.pow(2, 3)", "L.norm(i, INF)", "L.norm(e, -1, 0)",
    "L.diag_embed(a, 0, 1, 1)", "L.narrow(a, 1, t[0, 0], 1)", "L.narrow(a, 1, i[0], 1)",
    "L.nn.functional.max_pool1d(L.ones(0, 4), 1)",
    "(a * 1).cumsum_(0, dtype=L.int64)", "(a * 1).cumprod_(0, dtype=L.float32)",
    "L.nn.functional.binary_cross_entropy(a.sigmoid(), a.detach() * 0 + 2)",
    "L.quantile(d, 0.5, dim=-2)", "L.randint(1.5, (2,))", "L.unravel_index(i, (0, 2))",
    "a.to_dense(b)", "a.to_sparse_coo(nonsense=1)",
    "L.nn.functional.avg_pool2d(L.ones(1, 0, 4, 4), 1)",
]  # fmt: skip


def run(L: Any, expression: str, given: dict[str, Any]) -> Any:
    return eval(expression, {"L": L, "INF": INF, **given})


@pytest.mark.parametrize("expression", SAME)
@pytest.mark.filterwarnings("ignore")
def test_same(expression: str) -> None:
    given = tensors(torch)
    leaves = [n for n in given if given[n].requires_grad and re.search(rf"\b{n}\b", expression)]

    def call(L: Any, *args: Any) -> Any:
        return run(L, expression, {**tensors(L), **dict(zip(leaves, args))})

    arrays = [given[n].detach().numpy() for n in leaves]
    agree(call, *arrays, second="n" not in leaves and "cdist" not in expression)


@pytest.mark.parametrize("expression", REFUSED)
def test_refused(expression: str) -> None:
    with pytest.raises(Exception) as theirs:
        run(torch, expression, tensors(torch))
    with pytest.raises(theirs.type):
        run(ad, expression, tensors(ad))


def test_kind_is_named() -> None:
    with pytest.raises(NotImplementedError, match="not implemented for 'Double'"):
        run(ad, "a & a", tensors(ad))
    with pytest.raises(TypeError, match="write a number or a Tensor"):
        run(ad, "(a * 1).__setitem__(0, None)", tensors(ad))
    assert np.isfinite(ad.full((2,), 3.0).numpy()).all()
