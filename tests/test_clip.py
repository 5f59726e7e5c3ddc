"""Clipping: PyTorch's norms and gradients for any norm, dtype and layout; no look at the values."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import strict_backend
from hypothesis import given, settings
from hypothesis import strategies as st

import anadrome as ad
from anadrome.nn.utils import (
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)

SHAPES = [(3, 4), (5,), (), (1, 300), (2, 3, 4)]
NORMS = [2.0, 2, 1.0, 3.0, 0.5, 0.0, math.inf, -math.inf, "inf"]


def pairs(torch, dtype="float64", seed=0, scale=1.0, shapes=SHAPES, absent=()):
    rng = np.random.default_rng(seed)
    ours, theirs = [], []
    for i, s in enumerate(shapes):
        g = (np.asarray(rng.standard_normal(s)) * scale).astype(dtype)
        for lib, side in ((ad, ours), (torch, theirs)):
            p = lib.zeros(s, dtype=getattr(lib, dtype), requires_grad=True)
            if i not in absent:
                p.grad = lib.tensor(g)
            side.append(p)
    return ours, theirs


def same_grads(ours, theirs, rtol):
    for a, t in zip(ours, theirs):
        assert (a.grad is None) == (t.grad is None)
        if a.grad is not None:
            np.testing.assert_allclose(a.grad.numpy(), t.grad.numpy(), rtol=rtol, atol=rtol)


@pytest.mark.torch
@given(
    st.sampled_from(NORMS),
    st.sampled_from([0.1, 1.0, 1e6]),
    st.sampled_from([("float64", 1e-13), ("float32", 1e-5)]),
    st.sets(st.integers(0, 4), max_size=4),
    st.integers(0, 99),
)
@settings(max_examples=40)
def test_norms_are_pytorchs(norm_type, max_norm, kind, absent, seed):
    torch = pytest.importorskip("torch")
    dtype, rtol = kind
    ours, theirs = pairs(torch, dtype, seed, absent=absent)
    a = clip_grad_norm_(ours, max_norm, norm_type)
    t = torch.nn.utils.clip_grad_norm_(theirs, max_norm, norm_type)
    assert a.dtype is getattr(ad, dtype) and a.shape == () and not a.requires_grad
    assert a.item() == pytest.approx(t.item(), rel=rtol)
    same_grads(ours, theirs, rtol)


@pytest.mark.torch
@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("norm_type", [2.0, math.inf, 1.0])
def test_values_that_are_not_finite(value, norm_type):
    torch = pytest.importorskip("torch")
    ours, theirs = pairs(torch)
    ours[1].grad[2] = value
    theirs[1].grad[2] = value
    text = rf"The total norm of order {norm_type} for gradients from `parameters` is non-finite"
    with pytest.raises(RuntimeError, match=text):
        clip_grad_norm_(ours, 1.0, norm_type, error_if_nonfinite=True)
    assert not math.isnan(ours[0].grad[0, 0].item()), "refused, so nothing is written"
    a = clip_grad_norm_(ours, 1.0, norm_type)
    t = torch.nn.utils.clip_grad_norm_(theirs, 1.0, norm_type)
    np.testing.assert_equal(a.item(), t.item())
    same_grads(ours, theirs, 1e-13)


def test_half_precision_is_summed_in_single():
    x = ad.zeros(5000, dtype=ad.float16, requires_grad=True)
    x.grad = ad.full((5000,), 1.0, dtype=ad.float16)  # in float16 the sum stops at 2048
    norm = clip_grad_norm_([x], 1.0)
    assert norm.dtype is ad.float16
    assert norm.item() == pytest.approx(math.sqrt(5000), rel=1e-3)
    assert x.grad[0].item() == pytest.approx(1 / math.sqrt(5000), rel=2e-3)


@pytest.mark.torch
def test_large_gradients_in_any_order_of_memory():
    torch = pytest.importorskip("torch")
    ours, theirs = pairs(torch, "float32", shapes=[(300, 500), (7, 11), (400, 600)])
    ours[0].grad = ad.tensor(theirs[0].grad.numpy().T.copy()).t()
    ours[2].grad = ad.tensor(np.repeat(theirs[2].grad.numpy(), 2, axis=1))[:, ::2]
    a = clip_grad_norm_(ours, 1.0)
    t = torch.nn.utils.clip_grad_norm_(theirs, 1.0)
    assert a.item() == pytest.approx(t.item(), rel=1e-6)
    same_grads(ours, theirs, 1e-6)


@pytest.mark.torch
def test_complex_gradients():
    torch = pytest.importorskip("torch")
    value = np.array([3 + 4j, 1 - 2j])
    ours = ad.zeros(2, dtype=ad.complex128, requires_grad=True)
    theirs = torch.zeros(2, dtype=torch.complex128, requires_grad=True)
    ours.grad, theirs.grad = ad.tensor(value), torch.tensor(value)
    a = clip_grad_norm_([ours], 1.0)
    t = torch.nn.utils.clip_grad_norm_([theirs], 1.0)
    assert a.dtype is ad.float64
    assert a.item() == pytest.approx(t.item(), rel=1e-13)
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-13)


@pytest.mark.torch
@pytest.mark.parametrize("norm_type", [2.0, 0.0, 3.0])
def test_gradients_of_two_dtypes(norm_type):
    torch = pytest.importorskip("torch")
    a32, t32 = pairs(torch, "float32", seed=1)
    a64, t64 = pairs(torch, "float64", seed=2)
    a = clip_grad_norm_(a32 + a64, 0.5, norm_type)
    t = torch.nn.utils.clip_grad_norm_(t32 + t64, 0.5, norm_type)
    assert a.dtype is ad.float64
    assert a.item() == pytest.approx(t.item(), rel=1e-6)
    same_grads(a32 + a64, t32 + t64, 1e-6)


def test_by_hand():
    x = ad.zeros(2, requires_grad=True)
    y = ad.zeros(1, requires_grad=True)
    x.grad, y.grad = ad.tensor([2.0, 3.0]), ad.tensor([-6.0])
    grad = x.grad
    assert clip_grad_norm_([x, y], 3.5).item() == 7.0
    assert x.grad is grad, "in place"
    np.testing.assert_allclose(grad.numpy(), [1.0, 1.5], rtol=1e-6)
    assert clip_grad_norm_([x, y], 100.0, math.inf).item() == pytest.approx(3.0)
    np.testing.assert_allclose(y.grad.numpy(), [-3.0], rtol=1e-6)


def test_the_two_halves():
    x = ad.zeros(2, requires_grad=True)
    x.grad = ad.tensor([3.0, 4.0])
    norm = get_total_norm([x.grad])
    assert norm.item() == 5.0
    clip_grads_with_norm_([x], 2.5, norm * 2)
    np.testing.assert_allclose(x.grad.numpy(), [0.75, 1.0], rtol=1e-6)
    assert get_total_norm([]).item() == 0.0
    assert get_total_norm(x.grad, math.inf).item() == pytest.approx(1.0)


@pytest.mark.torch
def test_values_are_pytorchs():
    torch = pytest.importorskip("torch")
    ours, theirs = pairs(torch, absent={1})
    ours[0].grad[0, 0] = math.nan
    theirs[0].grad[0, 0] = math.nan
    clip_grad_value_(ours, 0.3)
    torch.nn.utils.clip_grad_value_(theirs, 0.3)
    same_grads(ours, theirs, 0)


def test_one_tensor_a_generator_and_nothing():
    x = ad.zeros(2, requires_grad=True)
    assert clip_grad_norm_(x, 1.0).item() == 0.0  # no gradient yet
    x.grad = ad.tensor([3.0, 4.0])
    assert clip_grad_norm_((p for p in [x]), 1.0).item() == 5.0
    np.testing.assert_allclose(x.grad.numpy(), [0.6, 0.8], rtol=1e-5)
    with pytest.warns(UserWarning, match="`parameters` is an empty generator") as caught:
        clip_grad_norm_((p for p in []), 1.0)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        clip_grad_norm_([], 1.0)
    clip_grad_value_(x, 0.5)
    np.testing.assert_allclose(x.grad.numpy(), [0.5, 0.5], rtol=1e-6)


@pytest.mark.parametrize("norm_type", [2.0, math.inf, -math.inf, 0.0, 1.0, 3.0])
def test_two_devices_and_the_declared_forms(norm_type):
    """Gradients on a second backend, which has no kernels: the norm is that of all of them."""
    strict_backend.load()
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(s) for s in ((3, 4), (5,), (2, 2))]
    norms, ends = [], []
    for devices in (["cpu"] * 3, ["cpu", "strict", "strict"], ["strict"] * 3):
        params = []
        for v, device in zip(values, devices):
            p = ad.zeros(v.shape, dtype=ad.float64, device=device, requires_grad=True)
            p.grad = ad.tensor(v, device=device)
            params.append(p)
        norm = clip_grad_norm_(params, 0.5, norm_type)
        assert norm.device == params[0].device
        clip_grad_value_(params, 0.05)
        norms.append(norm.item())
        ends.append([np.asarray(p.grad.tolist()) for p in params])
    assert norms[1:] == pytest.approx([norms[0]] * 2, rel=1e-13)
    for other in ends[1:]:
        for a, b in zip(ends[0], other):
            np.testing.assert_allclose(a, b, rtol=1e-12)


def test_nothing_is_read_back(monkeypatch):
    """On a device that runs ahead of Python, reading a value would wait for it."""
    strict_backend.load()
    x = ad.zeros(3, device="strict", requires_grad=True)
    x.grad = ad.tensor([1.0, 2.0, 2.0], device="strict")
    cls = type(x.grad._data)

    def read(*_):
        raise AssertionError("a value was read back from the device")

    for name in ("__bool__", "__float__", "__int__", "__index__"):
        monkeypatch.setattr(cls, name, read)
    monkeypatch.setattr(ad.backend.get("strict"), "to_host", read)
    norm = clip_grad_norm_([x], 1.0)
    clip_grad_value_([x], 0.5)
    with pytest.raises(AssertionError, match="read back"):
        clip_grad_norm_([x], 1.0, error_if_nonfinite=True)
    monkeypatch.undo()
    assert norm.item() == pytest.approx(3.0)
    np.testing.assert_allclose(x.grad.tolist(), [1 / 3, 0.5, 0.5], rtol=1e-5)


def test_clipping_a_gradient_that_a_graph_has_saved():
    x = ad.tensor([3.0], requires_grad=True)
    (x**3).sum().backward(create_graph=True)
    doubled = (x.grad * x.grad).sum()  # saves the gradient
    clip_grad_norm_([x], 1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        doubled.backward()
