"""The sentinel around loops, beside optimizers, scalers and captured steps."""

from __future__ import annotations

import inspect
import math
import random
import threading

import pytest

import anadrome as ad
from anadrome.nn import functional as F
from anadrome.plugins.sentinel.registry import current

nn = ad.nn
INF = math.inf
NAN = math.nan


def line_of(mark: str) -> str:
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    lines, start = inspect.getsourcelines(frame.f_back.f_code)
    (number,) = [i for i, text in enumerate(lines) if text.rstrip().endswith(f"# {mark}")]
    return f"tests/test_sentinel_loops.py:{start + number},"


# -- loops --------------------------------------------------------------------------------------
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


# -- steps --------------------------------------------------------------------------------------
def found(step, *args, **kwargs):
    with pytest.raises(ad.NonFiniteError) as caught:
        step(*args, **kwargs)
    return caught.value


def test_a_step_that_updates_by_hand():
    w = ad.tensor([0.0, 4.0], requires_grad=True)

    @ad.sentinel(file=None)
    def step():
        loss = w.sqrt().sum()
        loss.backward()
        with ad.no_grad():
            w.sub_(w.grad)

    assert found(step).finding.op == "sqrt"
    assert w.tolist() == [0.0, 4.0]


def test_two_optimizers_in_one_step():
    """The second update goes bad after the first was made: the replay does not make it again."""
    a = ad.tensor([1.0], requires_grad=True)
    b = ad.tensor([0.0], requires_grad=True)
    first, second = ad.optim.Adam([a], lr=0.5), ad.optim.SGD([b], lr=0.5)
    bad = False

    @ad.sentinel(file=None)
    def step():
        first.zero_grad()
        (a * 1.0).sum().backward()
        first.step()
        second.zero_grad()
        (a + (b.sqrt() if bad else b)).sum().backward()
        second.step()

    step()
    bad = True
    b.data.zero_()
    error = found(step)
    assert error.finding.op == "sqrt"
    assert "had stepped earlier" in str(error)
    assert a.item() == pytest.approx(0.0, abs=1e-6) and b.item() == 0.0
    assert first.state[a]["step"].item() == 2


def test_an_optimizer_that_calls_a_closure():
    w = ad.tensor([4.0], requires_grad=True)
    optimizer = ad.optim.LBFGS([w], lr=1.0, max_iter=2)

    @ad.sentinel(file=None)
    def step(x):
        def closure():
            optimizer.zero_grad()
            loss = (w * x).log().sum()
            loss.backward()
            return loss

        return optimizer.step(closure)

    assert found(step, ad.tensor([0.0])).finding.op == "log"
    assert w.item() == 4.0


def test_writes_in_place_are_followed():
    w = ad.tensor([0.0, 1.0], requires_grad=True)

    @ad.sentinel(file=None)
    def step():
        x = w * 1.0
        x.log_()  # fault
        x.mul_(2.0)
        x.sum().backward()

    finding = found(step).finding
    assert finding.op == "log" and finding.where.startswith(line_of("fault"))


def test_a_write_that_no_op_made_is_named_as_such():
    w = ad.ones(2, requires_grad=True)

    @ad.sentinel(file=None)
    def step():
        x = ad.zeros(2) + 1
        x.numpy()[0] = NAN
        (w * x).sum().backward()  # fault

    finding = found(step).finding
    assert finding.phase == "given" and "was written in place" in finding.op
    assert finding.where.startswith(line_of("fault"))


def test_a_step_that_is_not_the_same_again():
    w = ad.ones(1, requires_grad=True)
    values = iter([NAN, 1.0])

    @ad.sentinel(file=None)
    def step():
        (w * next(values)).sum().backward()

    error = found(step)
    assert error.finding is None
    assert "the step run again gave finite values only" in str(error)


def test_a_step_that_cannot_be_run_again():
    w = ad.ones(1, requires_grad=True)
    values = iter([NAN])

    @ad.sentinel(file=None)
    def step():
        try:
            value = next(values)
        except StopIteration:
            raise LookupError("no more data") from None
        (w * value).sum().backward()

    assert "LookupError('no more data')" in str(found(step))


def test_random_numbers_are_drawn_again():
    w = ad.ones(4, requires_grad=True)
    own = ad.Generator().manual_seed(3)
    drawn = []

    @ad.sentinel(file=None)
    def step():
        noise = ad.rand(4) + ad.rand(4, generator=own)
        drawn.append(noise.tolist())
        (w * noise / 0.0).sum().backward()

    found(step)
    position = own.get_state().tolist()
    assert drawn[0] == drawn[1]
    assert position[1] == 1  # the replay moved no generator


def test_an_error_of_the_step_is_its_own():
    @ad.sentinel()
    def step():
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        step()
    assert current.get() is None


def test_a_handler_in_the_step_does_not_catch_the_hit():
    w = ad.tensor([NAN], requires_grad=True)

    @ad.sentinel(file=None)
    def step():
        try:
            w.sum().backward()
        except Exception:
            return "caught"

    found(step)


def test_a_method_is_a_step_too():
    class Trainer:
        def __init__(self):
            self.model = nn.Linear(1, 1)

        @ad.sentinel(file=None)
        def step(self, x):
            self.model(x).sum().backward()

    trainer = Trainer()
    trainer.step(ad.ones(1, 1))
    with ad.no_grad():
        trainer.model.weight.fill_(NAN)
    assert found(trainer.step, ad.ones(1, 1)).finding.op == "self.model.weight"


def test_each_thread_has_its_own():
    w = ad.ones(2, requires_grad=True)
    errors = []

    @ad.sentinel(file=None)
    def step(x):
        (w * x).sum().backward()

    def work(value):
        try:
            step(ad.full((2,), value))
        except ad.NonFiniteError as error:
            errors.append(error.finding.op)

    for value in (1.0, NAN, 1.0):
        thread = threading.Thread(target=work, args=(value,))
        thread.start()
        thread.join()
        w.grad = None
    assert errors == ["x (argument)"]


def test_what_is_not_looked_at_is_told():
    @ad.sentinel()
    def step():
        return 1

    with pytest.warns(UserWarning, match="has seen no backward"):
        step()
    step()  # once


def test_a_captured_step_is_told():
    w = ad.ones(2, requires_grad=True)

    @ad.capture
    def step(x):
        w.grad = None
        (w * x).sum().backward()
        return w.grad.sum()

    guarded = ad.sentinel()(step)
    with pytest.warns(UserWarning, match="capture"):
        for _ in range(4):
            guarded(ad.ones(2))
    assert step.replays


def test_without_parentheses():
    with pytest.raises(TypeError, match=r"write `@ad.sentinel\(\)`"):

        @ad.sentinel
        def step():
            pass


def test_gradients_are_left_as_they_were_found():
    """Of an accumulation over several calls, too: what earlier calls gave is still there."""
    w = ad.tensor([1.0, 1.0], requires_grad=True)

    @ad.sentinel(file=None)
    def step(x):
        (w * x).sum().backward()

    step(ad.tensor([1.0, 1.0]))
    found(step, ad.tensor([NAN, 2.0]))
    assert math.isnan(w.grad[0].item()) and w.grad[1].item() == 3.0


@pytest.mark.parametrize("scaled", [False, True])
def test_a_call_that_takes_no_optimizer_step(scaled):
    w = ad.tensor([1.0], requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=0.1)
    scaler = ad.amp.GradScaler("cpu", enabled=scaled)

    @ad.sentinel(file=None)
    def step(x, update):
        optimizer.zero_grad()
        scaler.scale((w * x).log().sum()).backward()
        if update:
            scaler.step(optimizer)
            scaler.update()

    step(ad.ones(1), True)
    step(ad.ones(1), True)
    error = found(step, -ad.ones(1), False)
    assert error.finding.op == "log" and "after the step that was called" in str(error)


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
        assert found(guard(step)).finding.op == "div"
    else:
        with guard:
            assert "div at" in str(found(step))
    assert w.item() == 0.0


def test_numbers_of_pythons_own_are_not_drawn_again():
    w = ad.ones(1, requires_grad=True)
    random.seed(1)
    first = random.random()
    random.seed(1)

    @ad.sentinel(file=None)
    def step():
        (w * (NAN if random.random() == first else 1.0)).sum().backward()

    assert "numbers of Python's `random`" in str(found(step))
