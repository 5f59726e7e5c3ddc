"""Steps of optimizers, schedulers and clipping, captured: the eager numbers, bit by bit."""

from __future__ import annotations

import copy

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


# -- what others do to the state between two replays ---------------------------------------------
def load(optimizer, params, saved):
    optimizer.load_state_dict(saved)


def replace(optimizer, params, saved):
    for p in params:
        for state in optimizer.state[p].values():
            state.fill_(1.0)
        optimizer.state[p][list(optimizer.state[p])[-1]] = ad.full_like(p.detach(), 0.5)


def forget(optimizer, params, saved):
    optimizer.state.clear()


def skip(optimizer, params, saved):
    """An eager step without one of the gradients: the others are updated without it."""
    for p in params[1:]:
        p.grad = ad.full_like(p.detach(), 0.25)
    params[0].grad = None
    optimizer.step()
    params[0].grad = ad.full_like(params[0].detach(), 0.25)
    for p in params[1:]:
        p.grad = None
    optimizer.step()


def touched(name, touch, *, captured):
    """Five steps, then whatever ``touch`` does, then three more."""
    params = [ad.full((n,), n * 0.5, dtype=ad.float64).requires_grad_() for n in (1, 2, 3)]
    optimizer = MAKERS[name](params)

    def step(x):
        optimizer.zero_grad()
        sum((p * p).sum() * x for p in params).backward()
        optimizer.step()

    run = ad.capture(step) if captured else step
    x = ad.tensor(1.5, dtype=ad.float64)
    run(x)
    saved = copy.deepcopy(optimizer.state_dict())
    old = optimizer.state_dict()
    for _ in range(4):
        run(x)
    before = {k: v.tolist() for k, v in old["state"][1].items()}
    touch(optimizer, params, saved)
    for _ in range(3):
        run(x)
    if touch is load:  # the state it had before is out of reach
        assert {k: v.tolist() for k, v in old["state"][1].items()} == before
    state = [{k: v.tolist() for k, v in optimizer.state[p].items()} for p in params]
    return [p.tolist() for p in params], state


@pytest.mark.parametrize("touch", [load, replace, forget, skip])
@pytest.mark.parametrize("name", ["nesterov", "adam"])
def test_a_replay_sees_what_became_of_the_state(name, touch):
    assert touched(name, touch, captured=True) == touched(name, touch, captured=False)


def test_steps_that_have_come_apart():
    params = [ad.ones(2, requires_grad=True), ad.ones(3, requires_grad=True)]
    optimizer = ad.optim.Adam(params)

    @ad.capture
    def step():
        optimizer.zero_grad()
        sum((p * p).sum() for p in params).backward()
        optimizer.step()

    for _ in range(4):
        step()
    optimizer.state[params[0]]["step"].fill_(0)
    with pytest.raises(ad.errors.CaptureError, match="have not all taken the same number of steps"):
        step()
