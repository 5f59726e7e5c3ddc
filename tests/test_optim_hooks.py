"""Optimizers: what is called around a step, of the optimizer's own and of plugins."""

from __future__ import annotations

import pytest

import anadrome as ad
from anadrome import hookimpl, manager


def with_grad(value):
    x = ad.tensor([value], requires_grad=True)
    x.grad = ad.ones(1)
    return x


def test_step_hooks():
    x = with_grad(1.0)
    optimizer = ad.optim.SGD([x], lr=0.5)
    seen = []
    first = optimizer.register_step_pre_hook(lambda o, a, k: seen.append((o, a, k, x.item())))
    optimizer.register_step_post_hook(lambda o, a, k: seen.append((o, a, k, x.item())))
    optimizer.step()
    assert seen == [(optimizer, (optimizer,), {}, 1.0), (optimizer, (optimizer,), {}, 0.5)]
    first.remove()
    optimizer.step()
    assert len(seen) == 3
    optimizer.register_step_pre_hook(lambda o, a, k: ((o, lambda: 7), {}))
    assert optimizer.step() == 7
    optimizer.register_step_pre_hook(lambda o, a, k: 3)
    with pytest.raises(RuntimeError, match=r"must return None or a tuple of \(new_args"):
        optimizer.step()


def test_hooks_of_plugins():
    seen = []

    class Plugin:
        @hookimpl
        def before_step(self, optimizer):
            seen.append(("before", optimizer, x.item()))

        @hookimpl
        def after_step(self, optimizer):
            seen.append(("after", optimizer, x.item()))

    x = with_grad(1.0)
    optimizer = ad.optim.SGD([x], lr=0.5)
    manager.register(Plugin(), name="step-watcher")
    try:
        optimizer.step()
        assert seen == [("before", optimizer, 1.0), ("after", optimizer, 0.5)]
        seen.clear()
        optimizer.step(lambda: seen.append("closure"))
        assert [s if s == "closure" else s[0] for s in seen] == ["closure", "before", "after"]
        seen.clear()
        optimizer.step(closure=lambda: seen.append("closure"))
        assert [s if s == "closure" else s[0] for s in seen] == ["closure", "before", "after"]
    finally:
        manager.unregister("step-watcher")
    seen.clear()
    optimizer.step()
    assert seen == []


def test_a_plugin_may_stop_the_step():
    class Plugin:
        @hookimpl
        def before_step(self, optimizer):
            raise ArithmeticError("not with these gradients")

    x = with_grad(1.0)
    optimizer = ad.optim.SGD([x], lr=0.5)
    manager.register(Plugin(), name="stopper")
    try:
        with pytest.raises(ArithmeticError):
            optimizer.step()
    finally:
        manager.unregister("stopper")
    assert x.item() == 1.0
    optimizer.step()
    assert x.item() == 0.5


def test_what_is_gathered_is_shown_before_anything_is_written():
    seen = []

    class Plugin:
        @hookimpl
        def before_update(self, gradients):
            seen.append([g.tolist() for g in gradients])
            assert (x.item(), y.tolist()) == (1.0, [2.0, 3.0])
            if stop:
                raise ArithmeticError("not with these gradients")

    x, y, alone = (ad.tensor(v, requires_grad=True) for v in (1.0, [2.0, 3.0], 0.0))
    x.grad, y.grad, alone.grad = ad.tensor(0.25), ad.tensor([0.5, 1.5]), ad.tensor(4.0)
    optimizer = ad.optim.Adam([{"params": [x, y]}, {"params": [alone], "lr": 0.5}], lr=1.0)
    before = optimizer.state_dict()
    stop = True
    manager.register(Plugin(), name="watcher")
    try:
        with pytest.raises(ArithmeticError):
            optimizer.step()
        assert seen == [[[0.25, 0.5, 1.5], 4.0]]
        assert all(s["step"].item() == 0 for s in optimizer.state_dict()["state"].values())
        assert before["param_groups"] == optimizer.state_dict()["param_groups"]
        stop = False
        optimizer.step()
    finally:
        manager.unregister("watcher")
    assert len(seen) == 2
    assert [x.item(), *y.tolist(), alone.item()] == pytest.approx([0.0, 1.0, 2.0, -0.5], abs=1e-6)


def test_a_step_of_ones_own_does_not_say_what_it_gathers():
    class Own(ad.optim.SGD):
        def step(self, closure=None):
            return None

    class Below(Own):
        pass

    assert ad.optim.SGD.announces_update and ad.optim.Adam.announces_update
    assert not (Own.announces_update or Below.announces_update or ad.optim.LBFGS.announces_update)


def test_super_step_announces_once():
    class Twice(ad.optim.SGD):
        def step(self, closure=None):
            super().step()
            return super().step()

    x = with_grad(1.0)
    optimizer = Twice([x], lr=0.25)
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append(x.item()))
    optimizer.step()
    assert seen == [1.0] and x.item() == 0.5
