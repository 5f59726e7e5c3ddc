"""Loss scaling: the scale's course, what a step does, what it refuses."""

from __future__ import annotations

import math
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import anadrome as ad
from anadrome.plugins.amp import scaler as scaler_module
from anadrome.plugins.amp.ops import unscale

NAN, INF = math.nan, math.inf


def setting(*values: float, lr: float = 0.5, **options: Any) -> tuple[Any, Any, Any]:
    w = ad.tensor(list(values), requires_grad=True)
    return w, ad.optim.SGD([w], lr=lr), ad.amp.GradScaler("cpu", **options)


def iteration(w: Any, optimizer: Any, scaler: Any, factor: float = 1.0) -> Any:
    optimizer.zero_grad()
    scaler.scale((w * factor).sum()).backward()
    result = scaler.step(optimizer)
    scaler.update()
    return result


def test_step_uses_gradients_in_their_true_size() -> None:
    w, optimizer, scaler = setting(1.0, 2.0, init_scale=1024.0)
    scaler.scale((w * w).sum()).backward()
    assert w.grad.tolist() == [2048.0, 4096.0]
    assert scaler.step(optimizer)
    assert w.tolist() == [0.0, 0.0]
    assert w.grad.tolist() == [2.0, 4.0]


def test_unscale_shows_them_before_the_step() -> None:
    w, optimizer, scaler = setting(1.0, 2.0, init_scale=1000.0)
    scaler.scale((w * w).sum()).backward()
    scaler.unscale_(optimizer)
    np.testing.assert_allclose(w.grad.numpy(), [2.0, 4.0], rtol=1e-6)
    w.grad.mul_(0.5)
    scaler.step(optimizer)
    np.testing.assert_allclose(w.tolist(), [0.5, 1.0], rtol=1e-6)


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
def test_step_with_a_bad_gradient_is_skipped(bad: float) -> None:
    w, optimizer, scaler = setting(1.0, 2.0, init_scale=8.0)
    result = iteration(w, optimizer, scaler, bad)
    assert not result
    assert result.skipped
    assert result.value is None
    assert repr(result) == "StepResult(skipped=True, value=None)"
    assert w.tolist() == [1.0, 2.0]
    assert scaler.get_scale() == 4.0


def test_one_bad_value_among_many_is_found() -> None:
    for place in (0, 40_000, 99_999):  # in the first, a middle and the last block
        g = ad.ones(100_000)
        g[place] = NAN
        found = ad.zeros(2)
        unscale(g, found, ad.tensor(0.5), at=(1,))
        assert found.tolist() == [0.0, 1.0]
        assert g[place - 1 if place else 1].item() == 0.5
    g, found = ad.ones(300, 400).t(), ad.zeros(1)  # not contiguous, larger than a block
    unscale(g, found, ad.tensor(0.25), at=(0,))
    assert found.item() == 0.0
    assert bool((g == 0.25).all())


def test_overflow_that_unscaling_itself_makes_is_found() -> None:
    g, found = ad.tensor([1e30]), ad.zeros(1)
    unscale(g, found, ad.tensor(1e20), at=(0,))
    assert found.item() == 1.0


def test_step_says_what_the_optimizer_returned() -> None:
    class Telling(ad.optim.SGD):
        def step(self, word: str) -> str:  # type: ignore[override]
            return word * 2

    w = ad.ones(1, requires_grad=True)
    scaler = ad.amp.GradScaler("cpu")
    scaler.scale(w.sum()).backward()
    result = scaler.step(Telling([w], lr=0.1), "ab")
    assert (bool(result), result.skipped, result.value) == (True, False, "abab")


def test_growth_and_backoff() -> None:
    w, optimizer, scaler = setting(
        1.0, init_scale=16.0, growth_factor=4.0, backoff_factor=0.25, growth_interval=2
    )
    scales = []
    for factor in (1.0, 1.0, 1.0, NAN, 1.0, 1.0, INF, INF):
        iteration(w, optimizer, scaler, factor)
        scales.append(scaler.get_scale())
    assert scales == [16.0, 64.0, 64.0, 16.0, 16.0, 64.0, 16.0, 4.0]


def test_scale_does_not_grow_to_infinity() -> None:
    w, optimizer, scaler = setting(0.0, init_scale=3e38, growth_interval=1)
    optimizer.zero_grad()
    scaler.scale((w * 1e-30).sum()).backward()
    assert scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == pytest.approx(3e38)


@given(
    outcomes=st.lists(st.booleans(), max_size=12),
    interval=st.integers(1, 3),
    growth=st.sampled_from([1.5, 2.0]),
    backoff=st.sampled_from([0.5, 0.25]),
)
def test_scale_follows_the_rule(
    outcomes: list[bool], interval: int, growth: float, backoff: float
) -> None:
    w, optimizer, scaler = setting(
        1.0, init_scale=64.0, growth_interval=interval, growth_factor=growth, backoff_factor=backoff
    )
    scale, good = 64.0, 0
    for fine in outcomes:
        assert bool(iteration(w, optimizer, scaler, 1.0 if fine else NAN)) is fine
        good = good + 1 if fine else 0
        if not fine:
            scale *= backoff
        elif good == interval:
            scale, good = scale * growth, 0
        assert scaler.get_scale() == scale
        if outcomes:
            assert scaler.state_dict()["_growth_tracker"] == good


@pytest.mark.torch
@pytest.mark.parametrize("factors", [(1.0, 1.0, 1.0), (1.0, NAN, 1.0, 1.0), (INF, 1.0)])
def test_the_course_is_that_of_pytorch(factors: tuple[float, ...]) -> None:
    torch = pytest.importorskip("torch")

    def course(fw: Any) -> list[Any]:
        w = fw.tensor([1.0, -2.0], requires_grad=True)
        optimizer = fw.optim.SGD([w], lr=0.25)
        scaler = fw.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
        told = []
        for factor in factors:
            optimizer.zero_grad()
            scaler.scale((w * w * factor).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
            told.append((w.detach().tolist(), scaler.get_scale(), scaler.state_dict()))
        return told

    assert course(ad) == course(torch)


def test_nested_outputs_and_several_losses() -> None:
    w, _, scaler = setting(1.0, init_scale=4.0)
    a, (b, c) = scaler.scale([w.sum(), (w.sum() * 2, [w.sum() * 3])])
    assert isinstance(c, list)
    assert [x.item() for x in scaler.scale(x for x in (w.sum(), w.sum() * 2))] == [4.0, 8.0]
    ad.autograd.backward([a, b, c[0]])
    assert w.grad.tolist() == [24.0]
    with pytest.raises(ValueError, match=r"outputs must be a Tensor or an iterable of Tensors"):
        scaler.scale(1.0)


def test_two_optimizers_share_a_scale() -> None:
    u, v = ad.ones(1, requires_grad=True), ad.ones(1, requires_grad=True)
    first, second = ad.optim.SGD([u], lr=1.0), ad.optim.SGD([v], lr=1.0)
    scaler = ad.amp.GradScaler("cpu", init_scale=2.0)
    scaler.scale((u * INF + v).sum()).backward()
    assert scaler.step(first).skipped
    assert not scaler.step(second).skipped
    scaler.update()
    assert scaler.get_scale() == 1.0
    assert (u.item(), v.item()) == (1.0, 0.0)


def test_order_of_calls() -> None:
    w, optimizer, scaler = setting(1.0)
    for method, call in (
        ("step", lambda: scaler.step(optimizer)),
        ("unscale_", lambda: scaler.unscale_(optimizer)),
        ("update", scaler.update),
    ):
        with pytest.raises(AssertionError, match=rf"Attempted {method} but _scale is None\.  This"):
            call()
    scaler.scale(w.sum())
    with pytest.raises(AssertionError, match="No inf checks were recorded for this optimizer"):
        scaler.step(optimizer)
    with pytest.raises(AssertionError, match="No inf checks were recorded prior to update"):
        scaler.update()
    scaler.scale(w.sum()).backward()
    scaler = ad.amp.GradScaler("cpu")
    optimizer.zero_grad()
    scaler.scale(w.sum()).backward()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match=r"unscale_\(\) has already been called on this optimi"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"unscale_\(\) is being called after step\(\)\."):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) has already been called since the last upd"):
        scaler.step(optimizer)
    with pytest.raises(AssertionError, match="may only be pickled at the beginning"):
        pickle.dumps(scaler)
    scaler.update()
    iteration(w, optimizer, scaler)


def test_what_it_does_not_take() -> None:
    w = ad.ones(1, dtype=ad.float16, requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=0.1)
    scaler = ad.amp.GradScaler("cpu", init_scale=2.0)
    scaler.scale(w.sum()).backward()
    with pytest.raises(ValueError, match=r"Attempting to unscale FP16 gradients\. Keep the weigh"):
        scaler.unscale_(optimizer)
    assert w.grad.tolist() == [2.0]
    for call in (
        lambda: scaler.step(optimizer, closure=lambda: 1),
        lambda: scaler.step(optimizer, lambda: 1),
    ):
        with pytest.raises(RuntimeError, match="Closure use is not currently supported"):
            call()
    with pytest.raises(AssertionError, match=r"The growth factor must be > 1\.0"):
        ad.amp.GradScaler("cpu", growth_factor=1.0)
    with pytest.raises(AssertionError, match=r"The backoff factor must be < 1\.0"):
        ad.amp.GradScaler("cpu", backoff_factor=1.0)


@pytest.mark.parametrize("kind", [ad.bfloat16, ad.float32, ad.float64])
def test_gradients_of_any_other_type(kind: Any) -> None:
    w = ad.tensor([3.0], dtype=kind, requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=1.0)
    scaler = ad.amp.GradScaler("cpu", init_scale=2.0**40)
    scaler.scale((w * 0.5).sum()).backward()
    scaler.unscale_(optimizer)
    assert w.grad.dtype is kind
    assert w.grad.tolist() == [0.5]


def test_update_to_a_given_scale() -> None:
    w, optimizer, scaler = setting(1.0)
    iteration(w, optimizer, scaler)
    scaler.update(32.0)
    assert scaler.get_scale() == 32.0
    given = ad.tensor([8.0])
    scaler.update(given)
    given.mul_(0.0)
    assert scaler.get_scale() == 8.0
    for wrong in (ad.ones(2), ad.ones(1, requires_grad=True)):
        with pytest.raises(AssertionError, match="new_scale should be a float or a Tensor of one"):
            scaler.update(wrong)


def test_disabled_passes_through() -> None:
    w, optimizer, scaler = setting(1.0, enabled=False)
    loss = w.sum()
    assert scaler.scale(loss) is loss
    loss.backward()
    scaler.unscale_(optimizer)
    result = scaler.step(optimizer)
    assert result
    assert result.value is None
    scaler.update()
    assert w.tolist() == [0.5]
    assert (scaler.get_scale(), scaler.is_enabled(), scaler.state_dict()) == (1.0, False, {})
    scaler.load_state_dict({"anything": 1})


def test_state_continues() -> None:
    w, optimizer, scaler = setting(1.0, init_scale=8.0, growth_interval=3)
    iteration(w, optimizer, scaler)
    iteration(w, optimizer, scaler)
    state = scaler.state_dict()
    assert state == {
        "scale": 8.0,
        "growth_factor": 2.0,
        "backoff_factor": 0.5,
        "growth_interval": 3,
        "_growth_tracker": 2,
    }
    fresh = ad.amp.GradScaler("cpu")
    fresh.load_state_dict(state)
    pickled = pickle.loads(pickle.dumps(scaler))
    used = ad.amp.GradScaler("cpu")
    iteration(w, optimizer, used)
    used.load_state_dict(state)
    for continued in (fresh, pickled, used, scaler):
        assert continued.state_dict() == state
        iteration(w, optimizer, continued)
        assert continued.get_scale() == 16.0
    with pytest.raises(RuntimeError, match="The source state dict is empty, possibly because"):
        fresh.load_state_dict({})


def test_settings_can_be_changed() -> None:
    scaler = ad.amp.GradScaler("cpu")
    scaler.set_growth_factor(3.0)
    scaler.set_backoff_factor(0.1)
    scaler.set_growth_interval(7)
    assert scaler.get_growth_factor() == 3.0
    assert scaler.get_backoff_factor() == 0.1
    assert scaler.get_growth_interval() == 7


def test_without_a_gpu_the_default_device_disables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaler_module, "is_available", lambda device: device == "cpu")
    for make in (ad.amp.GradScaler, ad.cuda.amp.GradScaler):
        with pytest.warns(UserWarning, match=r"GradScaler is enabled, but CUDA is not a") as caught:
            assert not make(init_scale=2.0).is_enabled()
        assert caught[0].filename == __file__
    ad.cuda.amp.GradScaler(enabled=False)
    assert ad.cpu.amp.GradScaler(2.0).get_scale() == 2.0


def test_underflow_in_float16_is_what_it_is_for() -> None:
    def gradient(scaler: Any) -> float:
        w = ad.ones(4, 1, requires_grad=True)
        with ad.autocast("cpu", dtype=ad.float16):
            y = ad.ones(2, 4).mm(w)
        scaler.scale(y.float().mean() * 1e-8).backward()
        scaler.unscale_(ad.optim.SGD([w], lr=1.0))
        return w.grad[0].item()

    assert gradient(ad.amp.GradScaler("cpu", enabled=False)) == 0.0
    assert gradient(ad.amp.GradScaler("cpu")) == pytest.approx(1e-8, rel=1e-3)


def test_a_step_on_scaled_gradients_is_noticed() -> None:
    w, optimizer, scaler = setting(1.0, init_scale=8.0)
    scaler.scale(w.sum()).backward()
    with pytest.warns(ad.amp.ScaledGradientsWarning) as caught:
        optimizer.step()
    assert str(caught[0].message) == (
        "SGD.step() uses gradients of a scaled loss as they are: they are too large by "
        "GradScaler's scale. Write `scaler.step(optimizer)` and `scaler.update()` instead, or "
        "`scaler.unscale_(optimizer)` before the step."
    )
    assert caught[0].filename == __file__


@pytest.mark.parametrize("way", ["unscale", "scaler", "zero", "none", "clip", "disabled", "plain"])
def test_a_step_on_other_gradients_is_not(way: str) -> None:
    w, optimizer, scaler = setting(1.0, init_scale=8.0, enabled=way != "disabled")
    scaler.scale(w.sum()).backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        if way == "unscale":
            scaler.unscale_(optimizer)
        elif way == "zero":
            optimizer.zero_grad(set_to_none=False)
        elif way in ("none", "plain"):
            optimizer.zero_grad()
        elif way == "clip":
            w.grad.mul_(0.1)
        if way == "plain":
            w.sum().backward()
        if way == "scaler":
            scaler.step(optimizer)
        else:
            optimizer.step()


def test_on_an_array_library_that_keeps_to_the_standard() -> None:
    w = ad.ones(3, device="strict").requires_grad_()
    optimizer = ad.optim.SGD([w], lr=0.5)
    scaler = ad.amp.GradScaler("strict", init_scale=8.0, growth_interval=1)
    assert iteration(w, optimizer, scaler)
    assert w.tolist() == [0.5] * 3
    assert scaler.get_scale() == 16.0
    assert iteration(w, optimizer, scaler, INF).skipped
    assert scaler.get_scale() == 8.0
