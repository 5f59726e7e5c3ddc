"""Steps of optimizers, schedulers and clipping, captured: the eager numbers, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

import anadrome as ad

MAKERS = {
    "sgd": lambda ps: ad.optim.SGD(ps, lr=0.1),
    "nesterov": lambda ps: ad.optim.SGD(ps, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "dampened": lambda ps: ad.optim.SGD(ps, lr=0.1, momentum=0.9, dampening=0.3, maximize=True),
    "adam": lambda ps: ad.optim.Adam(ps, lr=0.1, weight_decay=0.1),
    "adamw": lambda ps: ad.optim.AdamW(ps, lr=0.1, amsgrad=True),
    "groups": lambda ps: ad.optim.AdamW([{"params": ps[:1]}, {"params": ps[1:], "lr": 0.3}]),
}


def train(make, *, captured, max_norm=None, norm_type=2.0, set_to_none=True, steps=8):
    rng = np.random.default_rng(0)
    params = [
        ad.tensor(rng.standard_normal(s), requires_grad=True) for s in ((4, 3), (3,), (130, 130))
    ]
    w, b, large = params
    optimizer = make(params)
    scheduler = ad.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.2, total_steps=30, cycle_momentum="momentum" not in optimizer.defaults
    )

    def step(x):
        optimizer.zero_grad(set_to_none=set_to_none)
        loss = ((x @ w + b) ** 2).mean() + (large * large).mean() * b.sum()
        loss.backward()
        norm = None
        if max_norm is not None:
            norm = ad.nn.utils.clip_grad_norm_(params, max_norm, norm_type)
            ad.nn.utils.clip_grad_value_(params, max_norm)
        optimizer.step()
        return loss.detach() if norm is None else norm

    run = ad.capture(step) if captured else step
    seen = []
    for _ in range(steps):
        seen.append(run(ad.tensor(rng.standard_normal((5, 4)))).item())
        scheduler.step()
    if captured:
        assert run.program is not None, "it never replayed"
    state = [{k: v.tolist() for k, v in optimizer.state[p].items()} for p in params]
    return seen, [p.tolist() for p in params], state


@pytest.mark.parametrize("name", MAKERS)
def test_a_captured_step(name):
    assert train(MAKERS[name], captured=True) == train(MAKERS[name], captured=False)


def test_gradients_set_to_zero():
    eager = train(MAKERS["adam"], captured=False, set_to_none=False)
    assert train(MAKERS["adam"], captured=True, set_to_none=False) == eager


@pytest.mark.parametrize("norm_type", [2.0, 1.0, float("inf")])
@pytest.mark.parametrize("max_norm", [0.1, 100.0])
def test_clipping(max_norm, norm_type):
    options = {"max_norm": max_norm, "norm_type": norm_type}
    eager = train(MAKERS["sgd"], captured=False, **options)
    assert train(MAKERS["sgd"], captured=True, **options) == eager


def test_the_factor_is_found_anew_in_each_replay():
    """Recorded with small gradients, replayed with large ones."""
    x = ad.tensor([1.0, 1.0], dtype=ad.float64, requires_grad=True)

    @ad.capture
    def step(scale):
        x.grad = None
        (x * scale).sum().backward()
        norm = ad.nn.utils.clip_grad_norm_([x], 1.0)
        return norm, x.grad

    for value in (0.1, 0.1, 0.1, 0.1, 30.0, 0.2):
        norm, grad = step(ad.tensor(value, dtype=ad.float64))
        assert norm.item() == pytest.approx(value * 2**0.5)
        assert grad.tolist() == pytest.approx([min(value, 0.5**0.5)] * 2, rel=1e-5)
    assert step.program is not None


def test_asking_for_an_error_needs_a_value():
    x = ad.tensor([1.0], requires_grad=True)

    @ad.capture
    def step():
        x.grad = None
        (x * x).sum().backward()
        ad.nn.utils.clip_grad_norm_([x], 1.0, error_if_nonfinite=True)

    with pytest.raises(ad.errors.CaptureError, match=r"test_optim_captured\.py"):
        for _ in range(3):
            step()
