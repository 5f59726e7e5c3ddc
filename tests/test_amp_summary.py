"""What a GradScaler tells of all its steps: their course, advice, and what underflows."""

from __future__ import annotations

import copy
import gc
import pickle
import warnings
import weakref
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from overflowing import INF, NAN, iteration, layers

import anadrome as ad
from anadrome.plugins.amp import history


# -- the course -----------------------------------------------------------------------------------
@given(
    outcomes=st.lists(st.booleans(), max_size=14),
    interval=st.integers(1, 3),
)
def test_summary_follows_the_course(outcomes: list[bool], interval: int) -> None:
    w = ad.ones(1, requires_grad=True)
    optimizer = ad.optim.SGD([("w", w)], lr=0.0)
    scaler = ad.amp.GradScaler("cpu", init_scale=64.0, growth_interval=interval, warn_after=None)
    changes, row, longest, before = [], 0, 0, 64.0
    for n, fine in enumerate(outcomes, 1):
        optimizer.zero_grad()
        scaler.scale((w * (1.0 if fine else NAN)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        row = 0 if fine else row + 1
        longest = max(longest, row)
        now = scaler.get_scale()
        if now != before:
            changes.append((n, "growth" if now > before else "backoff", now))
        before = now
    told = scaler.summary()
    assert (told.taken, told.skipped) == (sum(outcomes), len(outcomes) - sum(outcomes))
    assert told.iterations == len(outcomes)
    assert (told.in_a_row, told.longest_row) == (row, longest)
    assert told.scale == scaler.get_scale()
    assert told.changes == changes
    if False in outcomes:
        assert told.last_skip_iteration == len(outcomes) - outcomes[::-1].index(False)
        assert told.last_skip.parameters == ["w"]
    else:
        assert told.last_skip is None


def test_summary_in_words() -> None:
    model, optimizer, scaler = layers(init_scale=4.0, growth_interval=2)
    for factor in (1.0, 1.0, INF, 1.0):
        iteration(model, optimizer, scaler, factor)
    scaler.update(16.0)
    lines = str(scaler.summary()).splitlines()
    assert lines[0] == "3 steps taken, 1 skipped (0 in a row now, 1 at most); the scale is 16"
    assert lines[1:4] == [
        "  iteration 2: growth to 8",
        "  iteration 3: backoff to 4",
        "  iteration 5: set to 16",
    ]
    assert lines[4].startswith("  iteration 3: the step was skipped: infinity or NaN in the gradi")
    assert len(lines) == 5
    lines = str(scaler.summary(optimizer)).splitlines()
    assert lines[5].startswith("  `first.weight`: ")
    assert lines[5].endswith("% zero, 0.0% subnormal")


def test_a_scale_that_cannot_grow_is_no_change() -> None:
    w = ad.zeros(1, requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=0.5)
    scaler = ad.amp.GradScaler("cpu", init_scale=3e38, growth_interval=1)
    scaler.scale((w * 1e-30).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert scaler.summary().changes == []


def test_an_outcome_that_only_the_device_knows() -> None:
    """Unscaled and not stepped: the scale follows, and the counts go on when it is known again."""
    w = ad.ones(1, requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=0.0)
    scaler = ad.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    for factor, steps in ((1.0, True), (INF, False), (1.0, True), (1.0, True), (1.0, True)):
        optimizer.zero_grad()
        scaler.scale((w * factor).sum()).backward()
        scaler.unscale_(optimizer)
        if steps:
            scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() == 8.0
    assert scaler.summary().changes == [(2, "backoff", 4.0), (4, "growth", 8.0)]
    assert scaler.state_dict()["_growth_tracker"] == 1


def test_a_good_outcome_that_only_the_device_knows() -> None:
    w = ad.ones(1, requires_grad=True)
    optimizer = ad.optim.SGD([w], lr=0.0)
    scaler = ad.amp.GradScaler("cpu", init_scale=8.0, growth_interval=3)
    for steps in (True, False, True):
        optimizer.zero_grad()
        scaler.scale(w.sum()).backward()
        scaler.unscale_(optimizer)
        if steps:
            scaler.step(optimizer)
        scaler.update()
    assert scaler.summary().changes == [(3, "growth", 16.0)]
    assert scaler.summary().taken == 2


def test_only_so_many_changes_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "_REMEMBERED", 2)
    model, optimizer, scaler = layers(init_scale=16.0, growth_interval=1)
    for factor in (INF, INF, 1.0, INF):
        iteration(model, optimizer, scaler, factor)
    assert scaler.summary().changes == [(3, "growth", 8.0), (4, "backoff", 4.0)]


@pytest.mark.parametrize("interval", [1, 2, 4])
def test_an_interval_changed_on_the_way(interval: int) -> None:
    """It is met exactly or, where that many good ones have passed already, not any more."""
    model, optimizer, scaler = layers(init_scale=16.0, growth_interval=3)
    for n in range(8):
        if n == 2:
            scaler.set_growth_interval(interval)
        iteration(model, optimizer, scaler)
    want = {1: [], 2: [], 4: [(4, "growth", 32.0), (8, "growth", 64.0)]}[interval]
    assert scaler.summary().changes == want
    assert scaler.get_scale() == (want[-1][2] if want else 16.0)


def test_two_optimizers_are_two_steps_and_one_iteration() -> None:
    u, v = ad.ones(1, requires_grad=True), ad.ones(1, requires_grad=True)
    first, second = ad.optim.SGD([u], lr=1.0), ad.optim.SGD([v], lr=1.0)
    scaler = ad.amp.GradScaler("cpu", init_scale=2.0)
    scaler.scale((u * INF + v).sum()).backward()
    scaler.step(first)
    scaler.step(second)
    scaler.update()
    told = scaler.summary()
    assert (told.taken, told.skipped, told.iterations, told.in_a_row) == (1, 1, 1, 1)


def test_copies_and_pickles_keep_the_counts() -> None:
    model, optimizer, scaler = layers()
    iteration(model, optimizer, scaler, INF)
    iteration(model, optimizer, scaler)
    for other in (pickle.loads(pickle.dumps(scaler)), copy.deepcopy(scaler)):
        told = other.summary()
        assert (told.taken, told.skipped, told.longest_row) == (1, 1, 1)
        assert told.changes == [(1, "backoff", 1.0)]
        assert other.get_scale() == 1.0
        iteration(model, optimizer, other, INF)
        assert other.summary().skipped == 2


def test_nothing_is_kept_alive() -> None:
    model, optimizer, scaler = layers()
    loss = model(ad.ones(4, 2), INF).sum()
    scaler.scale(loss).backward()
    result = scaler.step(optimizer)
    scaler.update()
    parts = [weakref.ref(p) for p in model.parameters()]
    parts.append(weakref.ref(loss))
    del loss, model, optimizer
    gc.collect()
    assert [part() for part in parts] == [None] * len(parts)
    assert result.first == "third.weight"
    assert result.node is not None
    assert result.node_parameters == [], "the parameters are gone, their line is not"


# -- advice ---------------------------------------------------------------------------------------
def warned(scaler: Any, model: Any, optimizer: Any, factors: list[float]) -> list[tuple[int, Any]]:
    told = []
    for n, factor in enumerate(factors, 1):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            iteration(model, optimizer, scaler, factor)
        told += [(n, w) for w in caught if w.category is ad.amp.SkippedStepsWarning]
    return told


def test_advice_after_so_many_skips_in_a_row() -> None:
    model, optimizer, scaler = layers(warn_after=3, init_scale=1024.0)
    told = warned(scaler, model, optimizer, [NAN, NAN, 1.0] + [INF] * 13 + [1.0] + [NAN] * 3)
    assert [n for n, _ in told] == [6, 9, 15, 20], "again after twice and four times as many"
    first = str(told[0][1].message)
    assert first.startswith(
        "GradScaler has skipped steps in 3 iterations in a row; the scale is down to 32. Each time "
        "the gradient of `first.weight`, `first.bias`, `second.weight`, `second.bias` and 1 more "
        "had an infinity or NaN. It came from AddmmBackward0 ("
    )
    assert "; the op uses `third.weight`, `third.bias`. " in first
    for word in (
        "init_scale", "learning rate", "NaN in the data", "float16", "ad.sentinel()",
        "ad.autograd.detect_anomaly()", "bfloat16",
    ):  # fmt: skip
        assert word in first
    assert told[0][1].filename.endswith("overflowing.py"), "the line of update()"
    assert "With a scale of 1 or less it is not the scaling" in str(told[2][1].message)
    assert "init_scale" not in str(told[2][1].message)


def test_advice_where_it_is_another_parameter_each_time() -> None:
    u, v = ad.ones(1, requires_grad=True), ad.ones(1, requires_grad=True)
    optimizer = ad.optim.SGD([("u", u), ("v", v)], lr=0.1)
    scaler = ad.amp.GradScaler("cpu", warn_after=2)
    with pytest.warns(ad.amp.SkippedStepsWarning) as caught:
        for a, b in ((NAN, 1.0), (1.0, NAN)):
            optimizer.zero_grad()
            scaler.scale((u * a + v * b).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
    assert "The last time it was the gradient of `v`. " in str(caught[0].message)
    assert "Too large a scale makes infinities rather than NaN. " in str(caught[0].message)


def test_advice_is_of_this_row_alone() -> None:
    u, v = ad.ones(1, requires_grad=True), ad.ones(1, requires_grad=True)
    optimizer = ad.optim.SGD([("u", u), ("v", v)], lr=0.0)
    scaler = ad.amp.GradScaler("cpu", warn_after=2)
    with pytest.warns(ad.amp.SkippedStepsWarning) as caught:
        for a, b in ((INF, 1.0), (1.0, 1.0), (1.0, INF), (1.0, INF)):
            optimizer.zero_grad()
            scaler.scale((u * a + v * b).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
    assert "Each time the gradient of `v` had" in str(caught[0].message)


def test_by_default_advice_comes_when_the_default_scale_is_down_to_one() -> None:
    model, optimizer, _ = layers()
    scaler = ad.amp.GradScaler("cpu")
    assert [n for n, _ in warned(scaler, model, optimizer, [NAN] * 17)] == [16]
    scaler = ad.amp.GradScaler("cpu", warn_after=None)
    assert not warned(scaler, model, optimizer, [NAN] * 17)


# -- underflow ------------------------------------------------------------------------------------
def test_underflow_shares_by_hand() -> None:
    w = ad.ones(8, requires_grad=True)
    empty = ad.ones(0, requires_grad=True)
    unused = ad.ones(2, requires_grad=True)
    optimizer = ad.optim.SGD([("w", w), ("empty", empty), ("unused", unused)], lr=1.0)
    scaler = ad.amp.GradScaler("cpu", init_scale=2.0, growth_interval=1)
    tiny = 2.0**-14
    factors = ad.tensor([0.0, -0.0, tiny / 2, -tiny / 4, tiny / 2.5, tiny, NAN, INF])
    scaler.scale((w * factors).sum() + empty.sum()).backward()
    # Times two: the first is just normal, the second and third are not.
    want = {"w": (0.25, 0.25)}
    assert scaler.underflow(optimizer) == want
    scaler.unscale_(optimizer)
    assert scaler.underflow(optimizer) == want, "the size that the backward had, once unscaled"
    scaler.step(optimizer)
    assert scaler.underflow(optimizer) == want
    scaler.update()
    assert scaler.get_scale() == 1.0
    assert scaler.underflow(optimizer) == want, "the scale that they had, not the next one"
    assert scaler.summary(optimizer).underflow == want


def test_underflow_of_gradients_written_to_before_unscaling() -> None:
    w = ad.ones(2, requires_grad=True)
    optimizer = ad.optim.SGD([("w", w)], lr=1.0)
    scaler = ad.amp.GradScaler("cpu", init_scale=2.0**10)
    for _ in range(2):
        optimizer.zero_grad()
        scaler.scale((w * ad.tensor([2.0**-20, 1.0])).sum()).backward()
        w.grad.mul_(1.0)
        assert scaler.underflow(optimizer) == {"w": (0.0, 0.0)}
        w.grad.mul_(2.0**-5)
        assert scaler.underflow(optimizer) == {"w": (0.0, 0.5)}
        scaler.step(optimizer)
        scaler.update()


def test_underflow_in_a_float16_network_shrinks_with_the_scale() -> None:
    def zeros(scale: float) -> float:
        ad.manual_seed(0)
        w = ad.ones(16, 1, requires_grad=True)
        x = ad.randn(8, 16) * 1e-3
        optimizer = ad.optim.SGD([("w", w)], lr=1.0)
        scaler = ad.amp.GradScaler("cpu", init_scale=scale)
        with ad.autocast("cpu", dtype=ad.float16):
            y = x.mm(w)
        scaler.scale(y.float().mean() * 1e-3).backward()
        return sum(scaler.underflow(optimizer)["w"])

    assert zeros(1.0) == 1.0
    assert zeros(2.0**24) < 0.2


def test_underflow_does_not_disturb_the_iteration() -> None:
    model, optimizer, scaler = layers(growth_interval=2)
    assert set(scaler.underflow(optimizer)) == set()
    for _ in range(2):
        iteration(model, optimizer, scaler)
        scaler.underflow(optimizer)
        scaler.summary(optimizer)
    assert scaler.summary().changes == [(2, "growth", 4.0)]
    off = ad.amp.GradScaler("cpu", enabled=False)
    assert off.summary(optimizer).scale == 1.0
    assert len(off.underflow(optimizer)) == 6
