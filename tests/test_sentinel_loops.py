"""The sentinel around plain loops, and beside a scaler."""

from __future__ import annotations

import math

import pytest
from faults_named import error_of, line_of

import anadrome as ad
from anadrome.nn import functional as F
from anadrome.plugins.sentinel.registry import current

nn = ad.nn
NAN = math.nan


def test_a_loop_stops_before_anything_is_written():
    w = ad.tensor([0.0, 4.0], requires_grad=True)
    other = ad.ones(3, requires_grad=True)
    optimizer = ad.optim.Adam([w, other])
    with ad.sentinel() as guard, pytest.raises(ad.NonFiniteError) as caught:
        for turn in range(3):
            optimizer.zero_grad()
            loss = other.sum() * 2
            if turn == 2:
                loss = loss + w.sqrt().sum()  # fault
            else:
                loss = loss + w.sum()
            before = w.tolist(), other.tolist()
            if turn < 2:
                w.data.copy_(ad.tensor([0.0, 4.0]))
                before = w.tolist(), other.tolist()
            loss.backward()
            optimizer.step()
            w.data.copy_(ad.tensor([0.0, 4.0]))
    assert guard.looks > 3
    assert (w.tolist(), other.tolist()) == before
    text = str(caught.value)
    assert text.startswith("the gradient of a leaf of shape (2,) has 1 inf of 2 values")
    assert f"sqrt at {line_of('fault')}" in text
    assert "add at" not in text  # what fine gradients came through is not under suspicion
    assert "@ad.sentinel()" in text and caught.value.finding is None
    assert current.get() is None


def test_a_loop_whose_loss_is_bad_names_what_the_graph_kept():
    w = ad.tensor([0.5, 0.0], requires_grad=True)
    with ad.sentinel(), pytest.raises(ad.NonFiniteError) as caught:
        for _ in range(2):
            p = w * 2
            q = p.log()  # log
            loss = (p * q).sum()  # fault
            loss.backward()
    text = str(caught.value)
    assert text.startswith("the loss is NaN, seen before the backward at ")
    assert f"An infinity was there since log at {line_of('log')}" in text
    assert line_of("fault") in text
    assert w.grad is None  # the backward was not begun


def test_a_loop_over_a_bad_batch():
    model = nn.Linear(2, 1)
    x = ad.tensor([[1.0, NAN]])
    with ad.sentinel(), pytest.raises(ad.NonFiniteError, match="What came in was not finite"):
        model(x).sum().backward()


def test_a_loop_of_ops_that_keep_nothing():
    x = ad.tensor([1.0, NAN])
    w = ad.ones(2, requires_grad=True)
    with ad.sentinel(), pytest.raises(ad.NonFiniteError) as caught:
        (w + x).sum().backward()  # fault
    assert f"add at {line_of('fault')}" in str(caught.value)


@pytest.mark.parametrize("reaches", [True, False])
def test_a_device_that_runs_ahead_is_read_once_a_step(monkeypatch, reaches):
    """There the loss is looked at together with the gradients, before the optimizer writes."""
    monkeypatch.setattr("anadrome.plugins.sentinel.watching.runs_ahead", lambda tensor: True)
    w = ad.tensor([1.0], requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=0.1)
    with ad.sentinel() as guard:
        for turn in range(3):
            optimizer.zero_grad()
            w.sum().backward()
            if turn:
                before = guard.looks
            optimizer.step()
        assert guard.looks == before + 1
        optimizer.zero_grad()
        (w * NAN if reaches else w + NAN).sum().backward()
        before = w.item()
        error = error_of(optimizer.step)
    assert str(error).startswith("the loss is NaN")
    assert ("all gradients are finite" in str(error)) != reaches
    assert w.item() == before


def test_two_branches_meet_in_the_one_to_blame():
    a = ad.tensor([0.0], requires_grad=True)
    b = ad.tensor([0.0], requires_grad=True)
    fine = ad.tensor([1.0], requires_grad=True)
    with ad.sentinel(), pytest.raises(ad.NonFiniteError) as caught:
        joint = (a * 2.0 + b).sqrt()  # fault
        (joint + fine).sum().backward()
    text = str(caught.value)
    assert "mul at" not in text
    assert "as have 1 more" in text and f"sqrt at {line_of('fault')}" in text
    assert "sum at" not in text


def test_gradients_of_several_backwards_are_one_look():
    w = ad.ones(2, requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=0.1)
    with ad.sentinel() as guard:
        for _ in range(3):
            optimizer.zero_grad()
            for _ in range(4):
                (w * 2).sum().backward()
            optimizer.step()
    # A root a backward; the gradients once a step, but for the first, which looked at each.
    assert guard.looks == 3 * 4 + 3 + 4
    assert w.tolist() == pytest.approx([1 - 0.1 * 8 * 3] * 2)


# -- scalers ------------------------------------------------------------------------------------
@pytest.mark.parametrize("form", ["step", "loop"])
def test_a_scaler_may_overflow(form):
    """The scaler finds a scale that fits; meanwhile the infinities are its own business."""
    w = ad.tensor([0.01], requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=0.0)
    scaler = ad.amp.GradScaler("cpu", init_scale=2.0**24)
    guard = ad.sentinel(file=None)

    def step():
        optimizer.zero_grad()
        with ad.autocast("cpu", dtype=ad.float16):
            loss = F.linear(ad.ones(1, 1), w.reshape(1, 1)).sum()
        scaler.scale(loss).backward()
        taken = scaler.step(optimizer)
        scaler.update()
        return bool(taken)

    if form == "step":
        step = guard(step)
        taken = [step() for _ in range(16)]
    else:
        with guard:
            taken = [step() for _ in range(16)]
    assert taken[0] is False and taken[-1] is True


@pytest.mark.parametrize("form", ["step", "loop"])
def test_a_nan_loss_is_a_hit_under_a_scaler_too(form):
    w = ad.tensor([0.0], requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=0.1)
    scaler = ad.amp.GradScaler("cpu")
    guard = ad.sentinel(file=None)

    def step():
        optimizer.zero_grad()
        loss = (w / w).sum()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    if form == "step":
        assert error_of(guard(step)).finding.op == "div"
    else:
        with guard:
            assert "div at" in str(error_of(step))
    assert w.item() == 0.0


def test_what_overflows_by_the_scale_is_not_blamed():
    w = ad.tensor([1.0], requires_grad=True)
    scaler = ad.amp.GradScaler("cpu", init_scale=2.0**24)

    def step():
        with ad.autocast("cpu", dtype=ad.float16):
            loss = F.linear(ad.ones(1, 1), w.reshape(1, 1)).sum()
        scaler.scale(loss).backward()
        assert not w.grad.isfinite().all()
        scaler.scale(((w - 1.0) / (w - 1.0)).sum()).backward()

    assert error_of(ad.sentinel(file=None)(step)).finding.op == "div"
