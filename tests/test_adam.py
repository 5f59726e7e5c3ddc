"""Adam and AdamW: PyTorch's numbers over all options, PyTorch's errors, and the state they keep."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twin_optimizers import SHAPES, Twins

import anadrome as ad

options = st.fixed_dictionaries(
    {
        "lr": st.sampled_from([1e-3, 0.1]),
        "betas": st.sampled_from([(0.9, 0.999), (0.5, 0.7), (0.0, 0.99), (0.9, 0.0)]),
        "eps": st.sampled_from([1e-8, 1e-3]),
        "weight_decay": st.sampled_from([0, 0.01, 0.5]),
        "amsgrad": st.booleans(),
        "maximize": st.booleans(),
        "foreach": st.sampled_from([None, False]),
    }
)
absences = st.lists(st.sets(st.integers(0, len(SHAPES) - 1)), min_size=2, max_size=5)


@pytest.mark.torch
@given(st.sampled_from(["Adam", "AdamW"]), options, absences, st.integers(0, 99))
@settings(max_examples=8)
def test_numbers_are_pytorchs(name, options, absent, seed):
    twins = Twins(lambda lib, ps: getattr(lib.optim, name)(ps, **options), seed=seed)
    for missing in absent:
        twins.step(missing)
    twins.check()


@pytest.mark.torch
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_numbers_in_single_precision(name):
    twins = Twins(lambda lib, ps: getattr(lib.optim, name)(ps, lr=0.01), dtype="float32")
    for _ in range(5):
        twins.step()
    twins.check(rtol=2e-5, atol=1e-6)


@pytest.mark.torch
def test_numbers_in_half_precision():
    twins = Twins(lambda lib, ps: lib.optim.Adam(ps, lr=0.01), dtype="float16")
    for _ in range(3):
        twins.step(least=1.0)  # so large that PyTorch's squares do not vanish
    twins.check(rtol=1e-2, atol=2e-3)


def test_half_precision_survives_small_gradients():
    x = ad.tensor([1.0], dtype=ad.float16, requires_grad=True)
    optimizer = ad.optim.Adam([x], lr=0.125)
    x.grad = ad.tensor([1e-4], dtype=ad.float16)
    optimizer.step()
    assert x.item() == pytest.approx(0.875, abs=1e-3)  # 1e-4 squared is zero in float16


@pytest.mark.torch
def test_plugin_option_of_adam_is_adamw():
    torch = pytest.importorskip("torch")
    assert isinstance(ad.optim.AdamW([ad.zeros(1, requires_grad=True)]), ad.optim.Adam)
    twins = Twins(
        lambda lib, ps: (
            lib.optim.AdamW(ps, lr=0.1, weight_decay=0.3)
            if lib is torch
            else lib.optim.Adam(ps, lr=0.1, weight_decay=0.3, decoupled_weight_decay=True)
        )
    )
    twins.step()
    twins.step()
    twins.check()


def test_the_first_step_by_hand():
    x = ad.tensor([1.0, 1.0, 1.0], dtype=ad.float64, requires_grad=True)
    optimizer = ad.optim.Adam([x], lr=0.1, eps=0.5)
    x.grad = ad.tensor([2.0, -1.0, 0.0], dtype=ad.float64)
    optimizer.step()  # both averages are corrected to g and g * g: lr * g / (|g| + eps)
    expected = [1 - 0.1 * 2 / 2.5, 1 + 0.1 * 1 / 1.5, 1.0]
    np.testing.assert_allclose(x.detach().numpy(), expected, rtol=1e-14)
    state = optimizer.state[x]
    assert state["step"].item() == 1
    np.testing.assert_allclose(state["exp_avg"].numpy(), [0.2, -0.1, 0.0], rtol=1e-14)
    np.testing.assert_allclose(state["exp_avg_sq"].numpy(), [4e-3, 1e-3, 0.0], rtol=1e-13)


@pytest.mark.torch
def test_rate_and_betas_may_be_tensors():
    def make(lib, ps):
        return lib.optim.Adam(
            ps,
            lr=lib.tensor(0.05, dtype=lib.float64),
            betas=(lib.tensor(0.8, dtype=lib.float64), lib.tensor(0.95, dtype=lib.float64)),
            foreach=False,
        )

    twins = Twins(make)
    for _ in range(3):
        twins.step()
    for a, t in zip(twins.ours, twins.theirs):
        np.testing.assert_allclose(a.detach().numpy(), t.detach().numpy(), rtol=1e-9)


@pytest.mark.parametrize(
    "options,text",
    [
        ({"lr": -1.0}, "Invalid learning rate: -1.0"),
        ({"lr": math.nan}, "Invalid learning rate: nan"),
        ({"eps": -1e-8}, "Invalid epsilon value: -1e-08"),
        ({"betas": (1.0, 0.9)}, "Invalid beta parameter at index 0: 1.0"),
        ({"betas": (0.9, -0.1)}, "Invalid beta parameter at index 1: -0.1"),
        ({"weight_decay": -1}, "Invalid weight_decay value: -1"),
        ({"betas": (0, 0.9)}, "betas must be either both floats or both Tensors"),
        ({"betas": (ad.tensor(0.9), 0.9)}, "betas must be either both floats or both Tensors"),
        (
            {"lr": ad.tensor(0.1), "foreach": True},
            "lr as a Tensor is not supported for capturable=False and foreach=True",
        ),
        (
            {"betas": (ad.tensor(0.9), ad.tensor(0.9)), "foreach": True},
            r"betas\[0\] as a Tensor is not supported for capturable=False and foreach=True",
        ),
        ({"lr": ad.tensor([0.1, 0.2])}, "Tensor lr must be 1-element"),
    ],
)
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_options_out_of_range(name, options, text):
    with pytest.raises(ValueError, match=text):
        getattr(ad.optim, name)([ad.zeros(1, requires_grad=True)], **options)


def test_flags_that_exclude_each_other():
    x = ad.zeros(1, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"`fused` and `foreach` cannot be `True` together\."):
        ad.optim.Adam([x], fused=True, foreach=True)


@pytest.mark.torch
def test_a_state_of_pytorchs_is_taken_over():
    torch = pytest.importorskip("torch")
    twins = Twins(lambda lib, ps: lib.optim.Adam(ps, lr=0.01, amsgrad=True))
    for _ in range(3):
        twins.step()
    theirs = copy.deepcopy(twins.their_optimizer.state_dict())
    for state in theirs["state"].values():
        state.update({k: ad.tensor(v.numpy()) for k, v in state.items()})
    for a, t in zip(twins.ours, twins.theirs):
        a.data = ad.tensor(t.detach().numpy())
    twins.our_optimizer = ad.optim.Adam(twins.ours)
    twins.our_optimizer.load_state_dict(theirs)
    # And ours by PyTorch.
    ours = twins.our_optimizer.state_dict()
    back = {
        "state": {
            i: {k: torch.tensor(v.numpy()) for k, v in state.items()}
            for i, state in ours["state"].items()
        },
        "param_groups": ours["param_groups"],
    }
    twins.their_optimizer = torch.optim.Adam(twins.theirs)
    twins.their_optimizer.load_state_dict(back)
    twins.step()
    twins.step({0, 5})
    twins.check()


def test_adamw_takes_over_a_state_of_adam():
    x = ad.zeros(1, requires_grad=True)
    adamw = ad.optim.AdamW([x])
    adamw.load_state_dict(ad.optim.Adam([x]).state_dict())
    assert adamw.param_groups[0]["decoupled_weight_decay"] is True


def test_a_step_count_that_is_a_number_is_taken_over():
    x = ad.tensor([1.0], requires_grad=True)
    optimizer = ad.optim.Adam([x], lr=0.1)
    x.grad = ad.tensor([1.0])
    optimizer.step()
    saved = optimizer.state_dict()
    saved["state"][0] = {**saved["state"][0], "step": 7}
    optimizer.load_state_dict(saved)
    optimizer.step()
    assert optimizer.state[x]["step"].item() == 8
    assert optimizer.state[x]["step"].dtype is ad.float32


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_a_differentiable_step(name, amsgrad):
    """The loss after three steps, differentiated by where they began and against differences."""

    def trained(w):
        p = w * 1.0
        p.retain_grad()
        optimizer = getattr(ad.optim, name)(
            [p], lr=0.1, weight_decay=0.1, amsgrad=amsgrad, differentiable=True
        )
        for k in range(3):
            (g,) = ad.autograd.grad(((p - k) ** 3).sum(), p, create_graph=True)
            p.grad = g
            optimizer.step()
        return (p**2).sum()

    w = ad.tensor([2.5, -1.0, 0.5], dtype=ad.float64, requires_grad=True)
    assert ad.autograd.gradcheck(trained, w)
