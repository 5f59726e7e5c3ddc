"""Complex parameters: optimizers take each as a pair of real ones, as in PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from twin_optimizers import Twins

import anadrome as ad

torch = pytest.importorskip("torch")
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


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_sees_both_parts(search):
    """Of the sum of |p - c|^4, and of a real parameter beside it."""
    found = []
    for L in (ad, torch):
        p = L.tensor([1 + 2j, 3 - 1j], dtype=L.complex128, requires_grad=True)
        q = L.tensor([2.0], dtype=L.float64, requires_grad=True)
        optimizer = L.optim.LBFGS([p, q], lr=0.3, max_iter=5, line_search_fn=search)

        def closure():
            optimizer.zero_grad()
            loss = ((p - (0.5 + 1j)).abs() ** 4).sum() + (q**4).sum()
            loss.backward()
            return loss

        for _ in range(3):
            optimizer.step(closure)
        found.append([*p.tolist(), *q.tolist()])
    assert np.allclose(*found, 1e-9, 1e-9)


@pytest.mark.parametrize("most", [2.0, 2.5, float("nan")])
def test_lbfgs_counts_up_to_a_float(most):
    found = []
    for L in (ad, torch):
        p = L.tensor([1.0, 3.0], dtype=L.float64, requires_grad=True)
        optimizer = L.optim.LBFGS([p], lr=0.3, max_iter=most)

        def closure():
            optimizer.zero_grad()
            loss = (p**4).sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        found.append(p.tolist())
    assert np.allclose(*found, 1e-9)
