"""Optimizers on the array API standard's strict namespace: the rules use nothing beyond it."""

from __future__ import annotations

import numpy as np
import pytest

import anadrome as ad
from anadrome.op import table

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


@pytest.mark.parametrize("flag", [False, True])
@pytest.mark.parametrize("name", ["adam_updates", "sgd_updates"])
def test_many_at_once_under_a_flag(name, flag):
    """The declared form of what kernels do in one launch."""
    rng = np.random.default_rng(0)
    columns = 4 if name == "adam_updates" else 3
    arrays = [rng.uniform(0.1, 1, shape) for _ in range(columns) for shape in ((2, 3), (4,))]
    if name == "adam_updates":
        optimizer = ad.optim.Adam([ad.ones(1, requires_grad=True)], lr=0.1, weight_decay=0.1)
        arrays.append(np.array([0.0, 4.0]))
    else:
        optimizer = ad.optim.SGD([ad.ones(1, requires_grad=True)], lr=0.1, momentum=0.9)
    numbers = optimizer.numbers_uncounted(optimizer.param_groups[0])
    found = []
    for kind in ("numpy", "strict"):
        backend = ad.backend.get(kind)
        given = [backend.asarray(a) for a in (*arrays, np.array(flag))]
        table[name].forward(backend.xp, *given, count=2, flagged=True, **numbers)
        found.append([backend.to_host(a) for a in given])
    for here, there, before in zip(*found, arrays):
        np.testing.assert_allclose(there, here, rtol=1e-13)
        if flag:
            assert np.array_equal(here, before)
    if not flag:
        assert not np.array_equal(found[0][0], arrays[0])
    if name == "adam_updates":
        assert found[0][-2].tolist() == ([0.0, 4.0] if flag else [1.0, 5.0])
