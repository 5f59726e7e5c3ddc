"""Faults: Ctrl-C at every line of ours that a training step runs (see ``interrupting``).

After each: weights and the optimizer's state are those before the step or those after it, bit for
bit; no setting is left on; and the step made next is, bit for bit, the one that comes next.
"""

from __future__ import annotations

import contextvars
import os
import signal
import subprocess
import sys
import threading

import interrupting
import numpy as np
import pytest

import anadrome as ad
from anadrome import graph, modes

F = ad.nn.functional
pytestmark = pytest.mark.skipif(
    threading.current_thread() is not threading.main_thread(), reason="signals need the main thread"
)

#: Where no Python code can be safe: the ``__exit__`` of a ``with`` may be interrupted before its
#: first instruction. What it would have switched off stays on until an enclosing one ends.
EXITS = {
    ("state.py", "__exit__"),
    ("autocasting.py", "__exit__"),
    ("random.py", "__exit__"),
}


class Training:
    """A small training whose arrays can be put back, so that every interruption starts alike."""

    def __init__(self, kind):
        ad.manual_seed(0)
        self.net = ad.nn.Sequential(
            ad.nn.Linear(4, 6), ad.nn.Dropout(0.2), ad.nn.Tanh(), ad.nn.Linear(6, 1)
        )
        self.x, self.y = ad.randn(3, 4), ad.randn(3, 1)
        self.optimizer = ad.optim.Adam(self.net.parameters(), lr=0.1)
        self.scaler = ad.amp.GradScaler("cpu", init_scale=8.0)
        self.step = ad.capture(self.clipped) if kind == "captured" else getattr(self, kind)
        for _ in range(3):
            self.step()
        self.first = [a.copy() for a in self.arrays()]
        self.scale = self.scaler.state_dict()
        self.random = ad.get_rng_state()
        self.step()
        self.second = [a.copy() for a in self.arrays()]
        ad.set_rng_state(self.random)
        self.step()
        self.third = [a.copy() for a in self.arrays()]
        self.reset()

    def clipped(self):
        self.optimizer.zero_grad()
        F.mse_loss(self.net(self.x), self.y).backward()
        ad.nn.utils.clip_grad_norm_(self.net.parameters(), 0.5)
        self.optimizer.step()

    def scaled(self):
        self.optimizer.zero_grad()
        with ad.autocast("cpu", dtype=ad.float16):
            out = self.net(self.x)
        with ad.no_grad():
            self.net[0].weight.sum()
        self.scaler.scale(F.mse_loss(out.float(), self.y)).backward()
        self.scaler.unscale_(self.optimizer)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def recomputed(self):
        self.optimizer.zero_grad()
        out = ad.utils.checkpoint.checkpoint(self.net, self.x, use_reentrant=False)
        F.mse_loss(out, self.y).backward()
        self.optimizer.step()

    def hooked(self):
        handles = [
            self.net[0].register_forward_hook(lambda module, args, out: out * 1.0),
            self.net[3].register_full_backward_hook(lambda module, gx, gy: None),
            self.optimizer.register_step_pre_hook(lambda *seen: None),
        ]
        try:
            self.optimizer.zero_grad()
            loss = F.mse_loss(self.net(self.x), self.y)
            (g,) = ad.autograd.grad(loss, self.net[0].bias, create_graph=True)
            (loss + (g * g).sum()).backward()
            self.optimizer.step()
        finally:
            for handle in handles:
                handle.remove()

    def loaded(self):
        data = ad.utils.data.TensorDataset(self.x, self.y)
        self.optimizer.zero_grad()
        for x, y in ad.utils.data.DataLoader(data, batch_size=2):
            F.mse_loss(self.net(x), y).backward()
        self.optimizer.step()

    def arrays(self):
        params = list(self.net.parameters())
        held = [self.optimizer.state[p] for p in params]
        return [p._data for p in params] + [h[k]._data for h in held for k in sorted(h)]

    def reset(self):
        for array, value in zip(self.arrays(), self.first, strict=True):
            array[...] = value
        self.scaler.load_state_dict(self.scale)
        ad.set_rng_state(self.random)

    def again(self):
        """The next step, as one makes it who has caught the interrupt."""
        ad.set_rng_state(self.random)
        try:
            self.step()
        except RuntimeError as error:
            if "call scaler.update() first" not in str(error):
                raise
            self.scaler.update()
            ad.set_rng_state(self.random)
            self.step()


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def settings():
    """Every context variable, but the notes of a mixed-precision region and backward."""
    passing = {"scaled_backward", "autocast"}
    return {v.name: x for v, x in contextvars.copy_context().items() if v.name not in passing}


def left_on(before):
    """The settings that are others than before, and not what they are when nothing is on."""
    return {
        name
        for name, now in settings().items()
        if now is not before.get(name) and now and now is not modes.EAGER
    }


KINDS = ["clipped", "scaled", "recomputed", "hooked", "loaded", "captured"]


@pytest.fixture(autouse=True)
def python_handles_it():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_each(kind, chosen):
    """Interrupt the step at the chosen lines, and look at what is left; returns how many."""
    training = Training(kind)
    count = interrupting.lines(training.step)
    done = 0
    for number in chosen(count):
        training.reset()
        before = settings()
        at, raised = interrupting.run(training.step, number)
        if at.place is None:  # this run had fewer lines
            continue
        done += 1
        assert raised, at.place
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if (os.path.basename(at.place[0]), at.place[1]) in EXITS:
            modes.set_state(modes.EAGER)
            ad.random._tape.set(None)
        assert not left_on(before), at.place
        assert graph.accumulate_lock.acquire(blocking=False), at.place
        graph.accumulate_lock.release()
        now = training.arrays()
        assert same(now, training.first) or same(now, training.second), at.place
        expected = training.second if same(now, training.first) else training.third
        training.again()
        assert same(training.arrays(), expected), at.place
    return done


@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c_here_and_there(kind):
    """Every so many lines, from a start that the day chooses."""
    start = int(os.environ.get("ANADROME_TEST_SEED", "0"))
    assert interrupt_each(kind, lambda n: range(1 + start % 37, n + 1, max(n // 60, 1))) > 40


@pytest.mark.nightly
@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c_at_every_line(kind):
    assert interrupt_each(kind, lambda n: range(1, n + 1)) > 400


CHILD = """
import signal, sys, threading, time, os
import anadrome as ad
w = [ad.randn(300, 300).requires_grad_() for _ in range(6)]
optimizer = ad.optim.Adam(w)
for p in w:
    p.grad = ad.ones(300, 300)
optimizer.step()
steps = 0
def tell():
    time.sleep(float(sys.argv[1]))
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=tell, daemon=True).start()
try:
    while True:
        optimizer.step()
        steps += 1
except KeyboardInterrupt:
    pass
counts = {int(optimizer.state[p]["step"].item()) for p in w}
assert len(counts) == 1, counts
assert counts <= {steps + 1, steps + 2}, (counts, steps)
moments = {optimizer.state[p]["exp_avg"].flatten().tolist()[0] for p in w}
assert len(moments) == 1, moments
assert all(len(set(optimizer.state[p]["exp_avg"].flatten().tolist())) == 1 for p in w)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("after", [0.05, 0.083, 0.121])
def test_a_signal_from_outside(after):
    """Every parameter has taken the same number of steps, and its state with it."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(after)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_handler_of_ones_own_is_called_at_the_end():
    seen = []
    w = ad.ones(3, requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=1.0)
    w.grad = ad.ones(3)
    true = ad.optim.flat._straight

    def straight(*args, **keywords):
        signal.raise_signal(signal.SIGINT)
        seen.append("still writing")
        return true(*args, **keywords)

    signal.signal(signal.SIGINT, lambda *what: seen.append(w.tolist()))
    ad.optim.flat._straight = straight
    try:
        optimizer.step()
    finally:
        ad.optim.flat._straight = true
    assert seen == ["still writing", [0.0] * 3]


def test_in_another_thread_there_is_nothing_to_hold_back():
    w = ad.ones(3, requires_grad=True)
    w.grad = ad.ones(3)
    optimizer = ad.optim.SGD([w], lr=1.0)
    thread = threading.Thread(target=optimizer.step)
    thread.start()
    thread.join()
    assert w.tolist() == [0.0] * 3


def test_an_outer_scope_puts_right_what_an_inner_one_left_on():
    with ad.no_grad():
        inner = ad.enable_grad()
        inner.__enter__()  # and its exit never comes
        assert ad.is_grad_enabled()
    assert ad.is_grad_enabled()
    with ad.enable_grad():
        ad.no_grad().__enter__()
        assert not ad.is_grad_enabled()
    assert ad.is_grad_enabled()
