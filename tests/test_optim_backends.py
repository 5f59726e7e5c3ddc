"""Optimizers on the array API standard's strict namespace: the rules use nothing beyond it."""

from __future__ import annotations

import numpy as np
import pytest

import anadrome as ad

OPTIONS = {
    "SGD": {"momentum": 0.5, "lr": 0.1},
    "Adam": {"amsgrad": True},
    "NAdam": {"weight_decay": 0.1},
    "RAdam": {},
    "Adamax": {},
    "Adagrad": {"initial_accumulator_value": 0.1},
    "Adadelta": {},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Rprop": {},
    "ASGD": {"t0": 2},
    "LBFGS": {"line_search_fn": "strong_wolfe", "max_iter": 3},
}


def run(name, device):
    p = ad.tensor(np.arange(6.0).reshape(2, 3) / 3, requires_grad=True, device=device)
    q = ad.tensor(np.ones(4), requires_grad=True, device=device)
    optimizer = getattr(ad.optim, name)([p, q], **OPTIONS[name])

    def closure():
        optimizer.zero_grad()
        loss = 0.1 * (p * p * p).sum() + (q - 2).square().sum() + (p - 1).square().sum()
        loss.backward()
        return loss

    for _ in range(4):
        optimizer.step(closure)
    return [t.detach().to("cpu").numpy() for t in (p, q)]


@pytest.mark.parametrize("name", OPTIONS)
def test_the_same_numbers(name):
    for here, there in zip(run(name, "cpu"), run(name, "strict")):
        np.testing.assert_allclose(there, here, rtol=1e-13)
        assert not np.array_equal(here, np.ones(4))
