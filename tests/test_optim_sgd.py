"""SGD: PyTorch's numbers over all options, and PyTorch's errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twin_optimizers import SHAPES, Twins

import anadrome as ad


@st.composite
def options(draw):
    momentum = draw(st.sampled_from([0, 0.5, 0.9]))
    nesterov = draw(st.booleans()) if momentum else False
    return {
        "lr": draw(st.sampled_from([1e-3, 0.1, 1.0])),
        "momentum": momentum,
        "dampening": 0 if nesterov else draw(st.sampled_from([0, 0.3])),
        "weight_decay": draw(st.sampled_from([0, 0.01, 0.5])),
        "nesterov": nesterov,
        "maximize": draw(st.booleans()),
        "foreach": draw(st.sampled_from([None, False])),
    }


absences = st.lists(st.sets(st.integers(0, len(SHAPES) - 1)), min_size=2, max_size=5)


@pytest.mark.torch
@given(options(), absences, st.integers(0, 99))
@settings(max_examples=15)
def test_numbers_are_pytorchs(options, absent, seed):
    twins = Twins(lambda lib, ps: lib.optim.SGD(ps, **options), seed=seed)
    for missing in absent:
        twins.step(missing)
    twins.check()


@pytest.mark.torch
@pytest.mark.parametrize("dtype,rtol", [("float32", 2e-6), ("float16", 4e-3)])
def test_numbers_in_less_precision(dtype, rtol):
    twins = Twins(
        lambda lib, ps: lib.optim.SGD(ps, lr=0.1, momentum=0.9, weight_decay=0.01), dtype=dtype
    )
    for _ in range(4):
        twins.step()
    twins.check(rtol=rtol, atol=rtol)


@pytest.mark.torch
def test_options_of_groups_and_a_change_of_momentum():
    def make(lib, ps):
        groups = [{"params": ps[:3]}, {"params": ps[3:], "lr": 0.5, "momentum": 0.9}]
        return lib.optim.SGD(groups, lr=0.1)

    twins = Twins(make)
    twins.step()
    for optimizer in (twins.our_optimizer, twins.their_optimizer):
        optimizer.param_groups[0].update(momentum=0.8, lr=0.3)
    twins.step()
    twins.step({1})
    twins.check()


@pytest.mark.torch
def test_complex_parameters():
    torch = pytest.importorskip("torch")
    value = np.array([1 + 2j, -3j])
    grad = np.array([0.5 - 1j, 2 + 1j])
    ours = ad.tensor(value, requires_grad=True)
    theirs = torch.tensor(value, requires_grad=True)
    ours.grad, theirs.grad = ad.tensor(grad), torch.tensor(grad)
    for lib, p in ((ad, ours), (torch, theirs)):
        optimizer = lib.optim.SGD([p], lr=0.1, momentum=0.9)
        optimizer.step()
        optimizer.step()
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-14)


def test_a_step_by_hand():
    x = ad.tensor([2.0], requires_grad=True)
    optimizer = ad.optim.SGD([x], lr=0.1, momentum=0.5, dampening=0.25)
    x.grad = ad.tensor([1.0])
    optimizer.step()  # buffer 1, x = 2 - 0.1
    assert x.item() == pytest.approx(1.9)
    optimizer.step()  # buffer 0.5 + 0.75, x = 1.9 - 0.125
    assert x.item() == pytest.approx(1.775)


def test_the_rate_may_be_a_tensor():
    lr = ad.tensor(0.5)
    x = ad.tensor([1.0], requires_grad=True)
    optimizer = ad.optim.SGD([x], lr=lr)
    x.grad = ad.tensor([1.0])
    optimizer.step()
    assert x.item() == 0.5
    lr.fill_(0.25)
    optimizer.step()
    assert x.item() == 0.25


@pytest.mark.parametrize(
    "options,text",
    [
        ({"lr": -1.0}, "Invalid learning rate: -1.0"),
        ({"momentum": -0.1}, "Invalid momentum value: -0.1"),
        ({"weight_decay": -0.1}, "Invalid weight_decay value: -0.1"),
        ({"nesterov": True}, "Nesterov momentum requires a momentum and zero dampening"),
        (
            {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
            "Nesterov momentum requires a momentum and zero dampening",
        ),
    ],
)
def test_options_out_of_range(options, text):
    x = ad.zeros(1, requires_grad=True)
    with pytest.raises(ValueError, match=text):
        ad.optim.SGD([x], **options)


def test_a_rate_of_two_elements():
    with pytest.raises(ValueError, match="Tensor lr must be 1-element"):
        ad.optim.SGD([ad.zeros(1, requires_grad=True)], lr=ad.tensor([0.1, 0.2]))


@pytest.mark.parametrize(
    "flags,text",
    [
        ({"fused": True, "foreach": True}, "`fused` and `foreach` cannot be `True` together."),
        ({"fused": True, "differentiable": True}, "`fused` does not support `differentiable`"),
    ],
)
def test_flags_that_exclude_each_other(flags, text):
    with pytest.raises(RuntimeError, match=text):
        ad.optim.SGD([ad.zeros(1, requires_grad=True)], **flags)


@pytest.mark.parametrize(
    "options", [{}, {"momentum": 0.9, "dampening": 0.3}, {"momentum": 0.9, "nesterov": True}]
)
def test_a_differentiable_step(options):
    """The loss after three steps, differentiated by where they began and against differences."""

    def trained(w):
        p = w * 1.0
        p.retain_grad()
        optimizer = ad.optim.SGD([p], lr=0.1, weight_decay=0.1, differentiable=True, **options)
        for _ in range(3):
            (g,) = ad.autograd.grad((p.clone() ** 3).sum(), p, create_graph=True)
            p.grad = g
            optimizer.step()
        return (p**2).sum()

    w = ad.tensor([2.0, -1.0], dtype=ad.float64, requires_grad=True)
    assert ad.autograd.gradcheck(trained, w)
