"""Loss scaling on a device that runs ahead of Python: the same course, and nobody waits for it.

NumPy plays the device: it is given the kernels, and its values arrive when the test says so.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import anadrome as ad
from anadrome.amp import SkippedStepsWarning
from anadrome.op import table

INF = float("inf")
OPTIMIZERS: dict[str, Any] = {
    "SGD": lambda p: ad.optim.SGD(p, lr=0.1),
    "momentum": lambda p: ad.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "Adam": lambda p: ad.optim.Adam(p, lr=0.1, amsgrad=True, weight_decay=0.1),
    "AdamW": lambda p: ad.optim.AdamW(p, lr=0.1, maximize=True),
}


class Late:
    """A value that arrives ``lag`` iterations after it was asked for."""

    now = 0
    lag = 0
    waited = 0

    def __init__(self, value: Any) -> None:
        self.value, self.at = value.copy(), Late.now + Late.lag

    @property
    def done(self) -> bool:
        return Late.now >= self.at

    def read(self) -> Any:
        Late.waited += not self.done
        return self.value.item()


class Ahead:
    """Inside, NumPy has the kernels that heed a flag."""

    def __enter__(self) -> None:
        self.backend = ad.backend.get("numpy")
        self.names = ("adam_updates", "sgd_updates")
        self.kernels = self.backend.kernels
        self.backend.kernels = {
            **self.backend.kernels,
            **{name: self.backend.composed(table[name]) for name in self.names},
        }
        self.backend.gathered_below = 0
        self.backend.arriving = Late  # type: ignore[method-assign,assignment]
        Late.now = Late.lag = Late.waited = 0

    def __exit__(self, *exc: Any) -> None:
        self.backend.kernels = self.kernels
        for name in self.names:
            table[name].implementations.clear()
        del self.backend.arriving, self.backend.gathered_below


@pytest.fixture
def ahead() -> Iterator[None]:
    with Ahead():
        yield


def start(kind: str, **options: Any) -> tuple[Any, Any, Any]:
    params = [
        ("a", ad.arange(6.0).reshape(2, 3).requires_grad_()),
        ("b", ad.tensor([0.5], requires_grad=True)),
    ]
    scaler = ad.amp.GradScaler("cpu", init_scale=8.0, **options)
    return [p for _, p in params], OPTIMIZERS[kind](params), scaler


def iteration(params: Any, optimizer: Any, scaler: Any, factor: float) -> Any:
    optimizer.zero_grad()
    scaler.scale(((params[0] ** 2).sum() + params[1].sum() * factor) * 0.1).backward()
    result = scaler.step(optimizer)
    scaler.update()
    Late.now += 1
    return result


def course(kind: str, factors: list[float], **options: Any) -> dict[str, Any]:
    """All that can be seen of a run."""
    params, optimizer, scaler = start(kind, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = [iteration(params, optimizer, scaler, f) for f in factors]
        summary = scaler.summary()
    told = [str(w.message) for w in caught if w.category is SkippedStepsWarning]
    return {
        "skipped": [r.skipped for r in results],
        "bad": [r.parameters for r in results],
        "first": [r.first for r in results],
        "values": [r.value for r in results],
        "summary": summary[:7] + summary[8:9],
        "last": None if summary.last_skip is None else summary.last_skip.parameters,
        "scaler": scaler.state_dict(),
        "warned": len(told),
        "params": [p.tolist() for p in params],
        "state": [
            {name: value.tolist() for name, value in state.items()}
            for state in optimizer.state.values()
        ],
    }


def same(a: Any, b: Any) -> None:
    skipped_first = a["skipped"] and all(a["skipped"])
    for key in a:
        if key == "state" and skipped_first:
            continue  # made by the first step, taken or not; none was
        if key in ("params", "state"):
            for x, y in zip(a[key], b[key], strict=True):
                for left, right in zip(
                    *(list(v.values()) if isinstance(v, dict) else v for v in (x, y)), strict=True
                ):
                    np.testing.assert_allclose(left, right, rtol=2e-5, atol=1e-6)
        else:
            assert a[key] == b[key], key


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(OPTIMIZERS)),
    st.lists(st.sampled_from([1.0, 1.0, INF]), min_size=1, max_size=9),
    st.integers(0, 3),
    st.integers(1, 4),
    st.sampled_from([None, 1, 2]),
)
def test_the_course_is_that_of_a_scaler_that_waits(
    kind: str, factors: list[float], lag: int, interval: int, warn_after: int | None
) -> None:
    options = {"growth_interval": interval, "warn_after": warn_after}
    want = course(kind, factors, **options)
    with Ahead():
        Late.lag = lag
        got = course(kind, factors, **options)
    same(want, got)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_nothing_waits_until_it_is_asked(ahead: None, kind: str) -> None:
    params, optimizer, scaler = start(kind)
    Late.lag = 2
    results = [iteration(params, optimizer, scaler, f) for f in (1.0, INF, 1.0, 1.0)]
    assert optimizer.skips_on_device and Late.waited == 0
    assert results[1].has_arrived and not results[3].has_arrived
    assert [r.skipped for r in results] == [False, True, False, False] and Late.waited == 1
    assert results[1].node.node == "MulBackward0"  # not known yet to hold: watched
    assert str(results[1]).startswith("the step was skipped: infinity or NaN in the gradient of `b")


def test_a_skipped_step_is_not_counted(ahead: None) -> None:
    params, optimizer, scaler = start("Adam")
    for factor, count in ((INF, 0.0), (1.0, 1.0), (INF, 1.0), (1.0, 2.0)):
        before = [p.tolist() for p in params]
        iteration(params, optimizer, scaler, factor)
        assert [s["step"].item() for s in optimizer.state.values()] == [count] * 2
        assert (before == [p.tolist() for p in params]) == (factor == INF)


def test_the_count_comes_back_where_no_scaler_steps(ahead: None) -> None:
    """With a scaler, without, and with it again: one count."""
    runs = []
    for scaled in (True, False):
        params, optimizer, scaler = start("Adam")
        for number in range(6):
            if scaled and number % 3 < 2:
                iteration(params, optimizer, scaler, 1.0)
                continue
            optimizer.zero_grad()
            (((params[0] ** 2).sum() + params[1].sum()) * 0.1).backward()
            optimizer.step()
        runs.append([p.tolist() for p in params])
        assert {s["step"].item() for s in optimizer.state.values()} == {6.0}
    np.testing.assert_allclose(*(r[0] for r in runs), rtol=1e-5)


def test_a_state_that_was_saved_goes_on(ahead: None) -> None:
    params, optimizer, scaler = start("Adam")
    for factor in (1.0, INF, 1.0):
        iteration(params, optimizer, scaler, factor)
    others, other, second = start("Adam")
    with ad.no_grad():
        for q, p in zip(others, params):
            q.copy_(p)
    other.load_state_dict(optimizer.state_dict())
    second.load_state_dict(scaler.state_dict())
    for p, o, s in ((params, optimizer, scaler), (others, other, second)):
        iteration(p, o, s, 1.0)
    assert [p.tolist() for p in params] == [q.tolist() for q in others]


@pytest.mark.parametrize("reason", ["hooks", "a step of its own", "dampening", "numbers", "kind"])
def test_where_the_optimizer_cannot_the_scaler_asks(ahead: None, reason: str) -> None:
    w = ad.ones(2, requires_grad=True)
    stepped = []

    class Own(ad.optim.Adam):
        def step(self, closure: Any = None) -> Any:
            stepped.append(1)
            return super().step(closure)

    class Rate(ad.optim.Adam):
        def numbers(self, group: Any, step: int) -> dict[str, Any]:
            stepped.append(1)
            return super().numbers(group, step)

    if reason == "a step of its own":
        optimizer: Any = Own([w])
    elif reason == "numbers":
        optimizer = Rate([w])
    elif reason == "dampening":
        optimizer = ad.optim.SGD([w], momentum=0.9, dampening=0.5)
    elif reason == "kind":
        optimizer = ad.optim.RMSprop([w])
    else:
        optimizer = ad.optim.Adam([w])
        optimizer.register_step_post_hook(lambda *args: stepped.append(1))
    assert not optimizer.skips_on_device
    scaler = ad.amp.GradScaler("cpu")
    scaler.scale((w * INF).sum()).backward()
    result = scaler.step(optimizer)
    assert result.has_arrived and result.skipped and not stepped and w.tolist() == [1.0, 1.0]


def test_a_scheduler_follows_the_steps_that_were_taken(ahead: None) -> None:
    params, optimizer, scaler = start("AdamW")
    scheduler = ad.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    Late.lag = 3
    rates = []
    for factor in (1.0, INF, 1.0):
        result = iteration(params, optimizer, scaler, factor)
        scheduler.step(after=result)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == [0.05, 0.05, 0.025]


def test_backwards_are_watched_until_it_is_known_that_a_scale_holds(ahead: None) -> None:
    params, optimizer, scaler = start("SGD", growth_interval=4)
    Late.lag = 2
    watched = []
    for factor in (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, INF, 1.0, 1.0, 1.0, 1.0):
        watched.append(scaler._iteration.watches)
        iteration(params, optimizer, scaler, factor)
    # Until the first is known; where growth may have come, until it is known; after the overflow.
    assert [n for n, yes in enumerate(watched) if not yes] == [3, 7, 11]


def test_an_optimizer_that_was_unscaled_and_not_stepped(ahead: None) -> None:
    """Then only the device knows how many good iterations there were; that arrives, too."""
    params, optimizer, scaler = start("SGD", growth_interval=3)
    Late.lag = 2
    for number in range(6):
        optimizer.zero_grad()
        scaler.scale((params[0] ** 2).sum() * 0.1 + params[1].sum()).backward()
        scaler.unscale_(optimizer)
        if number != 1:
            scaler.step(optimizer)
        scaler.update()
        Late.now += 1
    assert Late.waited == 0
    summary = scaler.summary()
    assert summary.changes == [(3, "growth", 16.0), (6, "growth", 32.0)]
    assert (summary.taken, summary.skipped, summary.iterations) == (5, 0, 6)
    assert scaler._history.good == 0  # known again, so that the next backward is watched


def test_the_sentinel_leaves_what_the_scaler_leaves_out(ahead: None) -> None:
    params, optimizer, scaler = start("Adam")
    with ad.sentinel():
        result = iteration(params, optimizer, scaler, INF)
    assert result.skipped
