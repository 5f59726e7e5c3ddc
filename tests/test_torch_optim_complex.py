"""Complex parameters: optimizers take each as a pair of real ones, as in PyTorch."""

from __future__ import annotations

import pytest
from twin_optimizers import Twins

import anadrome as ad

pytestmark = pytest.mark.torch


@pytest.mark.parametrize(
    "name",
    [
        "Adam",
        "AdamW",
        "SGD",
        "NAdam",
        "RAdam",
        "Adamax",
        "Adagrad",
        "Adadelta",
        "RMSprop",
        "Rprop",
        "ASGD",
    ],
)
@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1, "maximize": True}], ids=str)
def test_complex_parameters_are_pairs_of_real_ones(name, options):
    options = dict(options)
    if name == "Rprop":
        options.pop("weight_decay", None)
    if name == "Adagrad":
        options["initial_accumulator_value"] = 0.2
    twins = Twins(lambda lib, ps: getattr(lib.optim, name)(ps, **options), dtype="complex128")
    for i in range(6):
        twins.step({i} if i < 2 else ())
    twins.check(rtol=1e-10, atol=1e-12)


def test_a_captured_step_with_complex_parameters():
    w = ad.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    optimizer = ad.optim.Adam([w], lr=0.1)

    def step(x):
        optimizer.zero_grad()
        loss = (w * x).abs().sum()
        loss.backward()
        optimizer.step()
        return loss

    twin = w.detach().clone().requires_grad_()
    theirs = ad.optim.Adam([twin], lr=0.1)
    x = ad.tensor([1j, 2.0])
    captured = ad.capture(step)
    for _ in range(4):
        captured(x)
        theirs.zero_grad()
        (twin * x).abs().sum().backward()
        theirs.step()
    assert w.tolist() == twin.tolist()


def test_lbfgs_refuses_them():
    p = ad.zeros(2, dtype=ad.complex64, requires_grad=True)
    with pytest.raises(ValueError, match="LBFGS takes real parameters, not complex64: keep"):
        ad.optim.LBFGS([p])
