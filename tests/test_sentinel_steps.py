"""Steps under watch: what they may do, and what is as it was when they are stopped."""

from __future__ import annotations

import math
import random
import threading

import pytest
from faults_named import error_of, line_of

import anadrome as ad
from anadrome.plugins.sentinel.registry import current

nn = ad.nn
NAN = math.nan


def test_a_step_that_updates_by_hand():
    w = ad.tensor([0.0, 4.0], requires_grad=True)

    @ad.sentinel(file=None)
    def step():
        loss = w.sqrt().sum()
        loss.backward()
        with ad.no_grad():
            w.sub_(w.grad)

    assert error_of(step).finding.op == "sqrt"
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
    error = error_of(step)
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

    assert error_of(step, ad.tensor([0.0])).finding.op == "log"
    assert w.item() == 4.0


def test_writes_in_place_are_followed():
    w = ad.tensor([0.0, 1.0], requires_grad=True)

    @ad.sentinel(file=None)
    def step():
        x = w * 1.0
        x.log_()  # fault
        x.mul_(2.0)
        x.sum().backward()

    finding = error_of(step).finding
    assert finding.op == "log" and finding.where.startswith(line_of("fault"))


def test_a_write_that_no_op_made_is_named_as_such():
    w = ad.ones(2, requires_grad=True)

    @ad.sentinel(file=None)
    def step():
        x = ad.zeros(2) + 1
        x.numpy()[0] = NAN
        (w * x).sum().backward()  # fault

    finding = error_of(step).finding
    assert finding.phase == "given" and "was written in place" in finding.op
    assert finding.where.startswith(line_of("fault"))


def test_mapped_functions_are_not_followed_and_it_says_so():
    w = ad.zeros(3, requires_grad=True)

    @ad.sentinel(file=None)
    def step(x):
        rows = ad.func.vmap(lambda row: (row * w).log())(x)
        rows.sum().backward()  # fault

    error = error_of(step, ad.ones(2, 3))
    assert "no op made" in error.finding.op and error.finding.where.startswith(line_of("fault"))
    assert "`vmap`" in str(error)


def test_a_step_that_is_not_the_same_again():
    w = ad.ones(1, requires_grad=True)
    values = iter([NAN, 1.0])

    @ad.sentinel(file=None)
    def step():
        (w * next(values)).sum().backward()

    error = error_of(step)
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

    assert "LookupError('no more data')" in str(error_of(step))


def test_a_hit_is_told_whatever_the_search_for_its_origin_meets(monkeypatch):
    def stumble(*_):
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr("anadrome.plugins.sentinel.replaying.diagnose", stumble)
    w = ad.tensor([NAN], requires_grad=True)
    error = error_of(ad.sentinel(file=None)(lambda: w.sum().backward()))
    assert "could not be found: ZeroDivisionError('a fault of ours')" in str(error)


def test_random_numbers_are_drawn_again():
    w = ad.ones(4, requires_grad=True)
    own = ad.Generator().manual_seed(3)
    drawn = []

    @ad.sentinel(file=None)
    def step():
        noise = ad.rand(4) + ad.rand(4, generator=own)
        drawn.append(noise.tolist())
        (w * noise / 0.0).sum().backward()

    error_of(step)
    position = own.get_state()
    assert drawn[0] == drawn[1]
    expected = ad.Generator().manual_seed(own.initial_seed())
    ad.rand(4, generator=expected)
    assert ad.equal(position, expected.get_state())  # the replay moved no generator


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

    error_of(step)


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
    assert error_of(trainer.step, ad.ones(1, 1)).finding.op == "self.model.weight"


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


@pytest.mark.parametrize("form", ["step", "loop"])
def test_a_step_that_is_captured_with_its_sentinel_is_told(form):
    w = ad.ones(2, requires_grad=True)
    guard = ad.sentinel()

    def step(x):
        w.grad = None
        (w * x).sum().backward()
        return w.grad.sum()

    captured = ad.capture(guard(step) if form == "step" else step)
    with pytest.warns(UserWarning, match="nothing was looked at") as told, guard:
        for _ in range(5):
            assert captured(ad.ones(2)).item() == 2.0
    assert len(told) == 1 and captured.replays


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
    error_of(step, ad.tensor([NAN, 2.0]))
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
    error = error_of(step, -ad.ones(1), False)
    assert error.finding.op == "log" and "after the step that was called" in str(error)


def test_numbers_of_pythons_own_are_not_drawn_again():
    w = ad.ones(1, requires_grad=True)
    random.seed(1)
    first = random.random()
    random.seed(1)

    @ad.sentinel(file=None)
    def step():
        (w * (NAN if random.random() == first else 1.0)).sum().backward()

    assert "numbers of Python's `random`" in str(error_of(step))
