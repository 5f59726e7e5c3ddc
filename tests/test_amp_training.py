"""Loss scaling beside other things: captures, bfloat16, PyTorch's states."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import anadrome as ad
from anadrome import nn

INF = math.inf


def test_a_captured_step_scales_unscales_and_updates_as_before() -> None:
    def run(captured: bool) -> tuple[list[float], float]:
        w = ad.ones(3, requires_grad=True)
        optimizer = ad.optim.SGD([w], lr=0.1)
        scaler = ad.amp.GradScaler("cpu", init_scale=4.0, growth_interval=3)

        def step(x: Any) -> Any:
            optimizer.zero_grad()
            loss = (w * x).sum()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_([w], 1.0)
            optimizer.step()
            scaler.update()
            return loss.detach()

        scaler.scale(w.sum())
        again = ad.capture(step) if captured else step
        for n in range(7):
            again(ad.full((3,), float(n)))
        if captured:
            assert again.replays
        return w.tolist(), scaler.get_scale()

    assert run(True) == run(False)
    assert run(True)[1] == 16.0


def test_bfloat16_needs_no_scaler_and_one_does_no_harm() -> None:
    """The scale is a power of two: what it multiplies and divides is bit for bit the same."""

    def trained(scaling: bool) -> list[bytes]:
        ad.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
        optimizer = ad.optim.SGD(model.parameters(), lr=0.1)
        scaler = ad.amp.GradScaler("cpu", enabled=scaling, growth_interval=3)
        x, y = ad.randn(16, 6), ad.randn(16, 1)
        for _ in range(10):
            optimizer.zero_grad()
            with ad.autocast("cpu", dtype=ad.bfloat16):
                out = model(x)
            loss = nn.functional.mse_loss(out.float(), y)
            scaler.scale(loss).backward()
            assert scaler.step(optimizer)
            scaler.update()
        return [p.detach().numpy().tobytes() for p in model.parameters()]

    assert trained(True) == trained(False)


def test_the_size_that_overflows_float16_does_not_overflow_bfloat16() -> None:
    def gradient(kind: Any) -> float:
        w = ad.ones(1, 1, requires_grad=True)
        with ad.autocast("cpu", dtype=kind):
            y = ad.full((1, 1), 300.0).mm(w)
        (y.float() * 300.0).sum().backward()
        return w.grad.item()

    assert gradient(ad.float16) == INF
    assert gradient(ad.bfloat16) == pytest.approx(90000.0, rel=1e-2)
    assert np.isfinite(gradient(ad.bfloat16))


@pytest.mark.torch
def test_states_are_exchanged_with_pytorch() -> None:
    """Each continues from what the other saved, as it would have gone on itself."""
    torch = pytest.importorskip("torch")

    def made(fw: Any, w: Any = (1.0, -2.0)) -> Any:
        w = fw.tensor(list(w), requires_grad=True)
        return w, fw.optim.SGD([w], lr=0.25), fw.amp.GradScaler("cpu", 8.0, growth_interval=3)

    def train(w: Any, optimizer: Any, scaler: Any, factors: tuple[float, ...]) -> None:
        for factor in factors:
            optimizer.zero_grad()
            scaler.scale((w * w * factor).sum()).backward()
            scaler.step(optimizer)
            scaler.update()

    first, then = (1.0, 1.0, 1.0, INF, 1.0, 1.0), (1.0, INF, 1.0, 1.0, 1.0)
    for one, other in ((ad, torch), (torch, ad)):
        setting = made(one)
        train(*setting, first)
        state = setting[2].state_dict()
        train_on = made(other, setting[0].detach().tolist())
        train_on[2].load_state_dict(state)
        assert train_on[2].state_dict() == state
        train(*train_on, then)
        train(*setting, then)
        assert train_on[2].state_dict() == setting[2].state_dict()
        assert train_on[0].detach().tolist() == setting[0].detach().tolist()
