"""Whole training loops: every optimizer with a scheduler, data through the loader, step by step."""

from __future__ import annotations

import numpy as np
import pytest

import anadrome as ad

pytestmark = pytest.mark.torch

OPTIMIZERS = {
    "SGD": lambda o, ps: o.SGD(ps, lr=0.05, momentum=0.9, nesterov=True),
    "Adam": lambda o, ps: o.Adam(ps, lr=0.01, amsgrad=True),
    "AdamW": lambda o, ps: o.AdamW(ps, lr=0.01),
    "NAdam": lambda o, ps: o.NAdam(ps, lr=0.01),
    "RAdam": lambda o, ps: o.RAdam(ps, lr=0.01),
    "Adamax": lambda o, ps: o.Adamax(ps, lr=0.01),
    "Adagrad": lambda o, ps: o.Adagrad(ps, lr=0.05),
    "Adadelta": lambda o, ps: o.Adadelta(ps),
    "RMSprop": lambda o, ps: o.RMSprop(ps, lr=0.005, momentum=0.5, centered=True),
    "Rprop": lambda o, ps: o.Rprop(ps, lr=0.005),
    "ASGD": lambda o, ps: o.ASGD(ps, lr=0.05, t0=8),
}
SCHEDULERS = {
    "warmup": lambda S, o: S.SequentialLR(
        o, [S.LinearLR(o, 0.1, total_iters=4), S.CosineAnnealingLR(o, 20)], [4]
    ),
    "steps": lambda S, o: S.MultiStepLR(o, [3, 9]),
    "restarts": lambda S, o: S.CosineAnnealingWarmRestarts(o, 5),
    "plateau": lambda S, o: S.ReduceLROnPlateau(o, factor=0.5, patience=0),
}


def model_of(lib, dtype):
    rng = np.random.default_rng(3)
    model = lib.nn.Sequential(
        lib.nn.Linear(6, 16), lib.nn.Tanh(), lib.nn.LayerNorm(16), lib.nn.Linear(16, 3)
    ).to(getattr(lib, dtype))
    with lib.no_grad():
        for p in model.parameters():
            p.copy_(lib.tensor(0.4 * rng.standard_normal(tuple(p.shape)).astype(dtype)))
    return model


def trained(lib, make_optimizer, make_scheduler, dtype):
    """Losses, learning rates and the weights at the end."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((40, 6)).astype(dtype)
    y = (x[:, :3] + 0.3 * x[:, 3:]).argmax(1)
    D = lib.utils.data
    data = D.TensorDataset(lib.tensor(x), lib.tensor(y))
    model = model_of(lib, dtype)
    optimizer = make_optimizer(
        lib.optim,
        [
            {"params": model[0].parameters(), "lr": 0.02},
            {"params": [p for m in model[1:] for p in m.parameters()]},
        ],
    )
    scheduler = make_scheduler(lib.optim.lr_scheduler, optimizer)
    losses, rates = [], []
    for _ in range(4):
        total = 0.0
        for batch, target in D.DataLoader(data, batch_size=8):
            optimizer.zero_grad()
            loss = lib.nn.functional.cross_entropy(model(batch), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            total += loss.item()
            if not isinstance(scheduler, lib.optim.lr_scheduler.ReduceLROnPlateau):
                scheduler.step()
        if isinstance(scheduler, lib.optim.lr_scheduler.ReduceLROnPlateau):
            scheduler.step(total)
        rates.append([float(r) for r in scheduler.get_last_lr()])
    return losses, rates, {k: v.detach().numpy() for k, v in model.state_dict().items()}


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler")
@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_is_pytorchs(optimizer, scheduler):
    torch = pytest.importorskip("torch")
    options = OPTIMIZERS[optimizer], SCHEDULERS[scheduler], "float64"
    losses, rates, weights = trained(ad, *options)
    their_losses, their_rates, their_weights = trained(torch, *options)
    np.testing.assert_allclose(losses, their_losses, rtol=1e-7)
    np.testing.assert_allclose(rates, their_rates, rtol=1e-12)
    assert weights.keys() == their_weights.keys()
    for key, value in their_weights.items():
        np.testing.assert_allclose(weights[key], value, rtol=1e-6, atol=1e-9, err_msg=key)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_training_in_single_precision(optimizer):
    torch = pytest.importorskip("torch")
    options = OPTIMIZERS[optimizer], SCHEDULERS["steps"], "float32"
    losses, _, _ = trained(ad, *options)
    their_losses, _, _ = trained(torch, *options)
    # Rprop follows signs, so a gradient around zero may go either way.
    np.testing.assert_allclose(losses, their_losses, rtol=1e-2 if optimizer == "Rprop" else 1e-4)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_lbfgs_trains_as_pytorchs(search):
    torch = pytest.importorskip("torch")
    seen = []
    for lib in (ad, torch):
        rng = np.random.default_rng(2)
        x, y = rng.standard_normal((30, 6)), rng.standard_normal((30, 3))
        model = model_of(lib, "float64")
        optimizer = lib.optim.LBFGS(
            model.parameters(), lr=0.2 if search is None else 1, max_iter=8, line_search_fn=search
        )

        def closure(lib=lib, x=x, y=y, model=model, optimizer=optimizer):
            optimizer.zero_grad()
            loss = lib.nn.functional.mse_loss(model(lib.tensor(x)), lib.tensor(y))
            loss.backward()
            return loss

        seen.append([float(optimizer.step(closure)) for _ in range(4)])
    np.testing.assert_allclose(*seen, rtol=1e-6)
    assert seen[0][-1] < seen[0][0]
