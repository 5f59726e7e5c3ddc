"""Averaged weights (``optim.swa_utils``): PyTorch's numbers and refusals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import anadrome as ad

pytestmark = pytest.mark.torch


def model_of(lib, dtype="float32"):
    rng = np.random.default_rng(5)
    model = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4), lib.nn.Linear(4, 2))
    with lib.no_grad():
        for p in model.parameters():
            p.copy_(lib.tensor(rng.standard_normal(tuple(p.shape)).astype("float32")))
    return model.to(getattr(lib, dtype))


AVERAGES = {
    "mean": lambda lib: {},
    "mean-buffers": lambda lib: {"use_buffers": True},
    "swa": lambda lib: {"avg_fn": lib.optim.swa_utils.get_swa_avg_fn()},
    "swa-multi": lambda lib: {"multi_avg_fn": lib.optim.swa_utils.get_swa_multi_avg_fn()},
    "ema": lambda lib: {"avg_fn": lib.optim.swa_utils.get_ema_avg_fn(0.9)},
    "ema-multi": lambda lib: {"multi_avg_fn": lib.optim.swa_utils.get_ema_multi_avg_fn(0.9)},
    "ema-buffers": lambda lib: {
        "multi_avg_fn": lib.optim.swa_utils.get_ema_multi_avg_fn(0.9),
        "use_buffers": True,
    },
    "own": lambda lib: {"avg_fn": lambda averaged, current, n: averaged + current * n},
}


@pytest.mark.parametrize("options", AVERAGES.values(), ids=AVERAGES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_averaged_models(options, dtype):
    import torch

    states = []
    for lib in (ad, torch):
        model = model_of(lib, dtype)
        average = lib.optim.swa_utils.AveragedModel(model, **options(lib))
        optimizer = lib.optim.SGD(model.parameters(), lr=0.1)
        rng = np.random.default_rng(2)
        for _ in range(4):
            x = lib.tensor(rng.standard_normal((8, 3)).astype(dtype))
            optimizer.zero_grad()
            model(x).square().mean().backward()
            optimizer.step()
            average.update_parameters(model)
        lib.optim.swa_utils.update_bn([(x,), [x * 2]], average)
        out = average(x)
        states.append({**average.state_dict(), "out": out.detach()})
    ours, theirs = states
    assert list(ours) == list(theirs)
    for key, value in theirs.items():
        assert f"torch.{ours[key].dtype.name}" == str(value.dtype)
        np.testing.assert_allclose(
            ours[key].numpy(), value.numpy(), rtol=1e-5, atol=1e-6, err_msg=key
        )


def test_averaging_refusals():
    import torch

    for lib in (ad, torch):
        swa = lib.optim.swa_utils
        with pytest.raises(AssertionError, match="Only one of avg_fn and multi_avg_fn"):
            swa.AveragedModel(model_of(lib), avg_fn=max, multi_avg_fn=min)
        for make in (swa.get_ema_avg_fn, swa.get_ema_multi_avg_fn):
            with pytest.raises(ValueError, match="Invalid decay value 1.5 provided. Please"):
                make(1.5)
        optimizer = lib.optim.SGD([lib.zeros(1, requires_grad=True)], lr=1.0)
        with pytest.raises(ValueError, match="anneal_strategy must be one of 'cos' or 'linear'"):
            swa.SWALR(optimizer, 0.1, anneal_strategy="sine")
        with pytest.raises(ValueError, match="anneal_epochs must be equal or greater than 0, got"):
            swa.SWALR(optimizer, 0.1, anneal_epochs=-1)
        with pytest.raises(ValueError, match="swa_lr must have the same length as"):
            swa.SWALR(optimizer, [0.1, 0.2])


@pytest.mark.parametrize("epochs,strategy", list(itertools.product([0, 1, 4], ["cos", "linear"])))
def test_swa_rates(epochs, strategy):
    import torch

    found = []
    for lib in (ad, torch):
        groups = [{"params": [lib.zeros(1, requires_grad=True)], "lr": lr} for lr in (1.0, 0.2)]
        optimizer = lib.optim.SGD(groups, lr=1.0)
        before = lib.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
        scheduler = lib.optim.swa_utils.SWALR(optimizer, [0.05, 0.5], epochs, strategy)
        rates = [scheduler.get_last_lr()]
        for i in range(8):
            optimizer.step()
            (before if i < 2 else scheduler).step()
            rates.append([g["lr"] for g in optimizer.param_groups])
        found.append(rates)
    np.testing.assert_allclose(*found, rtol=1e-12)
