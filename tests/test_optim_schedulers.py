"""Schedulers: PyTorch's rates, warnings and errors; saving and resuming."""

from __future__ import annotations

import copy
import pickle
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import anadrome as ad

S = ad.optim.lr_scheduler
factors = st.sampled_from([0.1, 0.5, 0.9, 1.0])
SCHEDULES = st.one_of(
    st.fixed_dictionaries(
        {"name": st.just("StepLR"), "step_size": st.integers(1, 4), "gamma": factors}
    ),
    st.fixed_dictionaries(
        {
            "name": st.just("MultiStepLR"),
            "milestones": st.lists(st.integers(1, 8), max_size=4).map(sorted),
            "gamma": factors,
        }
    ),
    st.fixed_dictionaries(
        {"name": st.just("ConstantLR"), "factor": factors, "total_iters": st.integers(0, 6)}
    ),
    st.fixed_dictionaries(
        {
            "name": st.just("LinearLR"),
            "start_factor": factors,
            "end_factor": factors,
            "total_iters": st.integers(1, 6),
        }
    ),
    st.fixed_dictionaries({"name": st.just("ExponentialLR"), "gamma": factors}),
    st.fixed_dictionaries(
        {
            "name": st.just("CosineAnnealingLR"),
            "T_max": st.integers(1, 6),
            "eta_min": st.sampled_from([0.0, 0.01]),
        }
    ),
    st.fixed_dictionaries(
        {
            "name": st.just("OneCycleLR"),
            "max_lr": st.sampled_from([0.5, [0.5, 0.25]]),
            "total_steps": st.integers(12, 30),
            "pct_start": st.sampled_from([0.25, 0.3, 0.5]),
            "anneal_strategy": st.sampled_from(["cos", "linear"]),
            "cycle_momentum": st.booleans(),
            "three_phase": st.booleans(),
        }
    ),
)


def optimizer_of(lib, name="SGD", lr=0.3):
    groups = [
        {"params": [lib.zeros(1, requires_grad=True)]},
        {"params": [lib.zeros(1, requires_grad=True)], "lr": 0.7},
    ]
    return getattr(lib.optim, name)(groups, lr=lr, **({"momentum": 0.9} if name == "SGD" else {}))


def rates(lib, options, optimizer_name, closed):
    options = dict(options)
    optimizer = optimizer_of(lib, optimizer_name)
    scheduler = getattr(lib.optim.lr_scheduler, options.pop("name"))(optimizer, **options)
    seen = []
    for epoch in range(10):
        seen.append(
            [
                (g["lr"], g.get("momentum"), g.get("betas"), last)
                for g, last in zip(optimizer.param_groups, scheduler.get_last_lr())
            ]
        )
        optimizer.step()
        if closed and epoch == 6:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scheduler.step(3)
        else:
            scheduler.step()
    return seen


@pytest.mark.torch
@given(SCHEDULES, st.sampled_from(["SGD", "Adam"]), st.booleans())
@settings(max_examples=60)
def test_rates_are_pytorchs(options, optimizer_name, closed):
    torch = pytest.importorskip("torch")
    closed = closed and options["name"] != "OneCycleLR"
    ours = rates(ad, options, optimizer_name, closed)
    theirs = rates(torch, options, optimizer_name, closed)
    for a, t in zip(ours, theirs):
        for mine, other in zip(a, t):
            assert numbers(mine) == pytest.approx(numbers(other), rel=1e-13, abs=1e-16)


def numbers(row):
    """A rate, a momentum or None, betas or None, and the last rate, as one list."""
    flat = [x for v in row for x in (v if isinstance(v, tuple) else (v,))]
    return [x for x in flat if x is not None]


@pytest.mark.torch
def test_lambdas():
    torch = pytest.importorskip("torch")
    options = {"name": "LambdaLR", "lr_lambda": [lambda e: 0.9**e, lambda e: 1 / (1 + e)]}
    assert rates(ad, options, "SGD", False) == rates(torch, options, "SGD", False)
    with pytest.raises(ValueError, match="Expected 2 lr_lambdas, but got 1"):
        S.LambdaLR(optimizer_of(ad), [lambda e: 1.0])


def test_several_on_one_optimizer():
    optimizer = ad.optim.SGD([ad.zeros(1, requires_grad=True)], lr=1.0)
    one = S.ExponentialLR(optimizer, gamma=0.5)
    two = S.StepLR(optimizer, step_size=2, gamma=0.1)
    seen = []
    for _ in range(4):
        optimizer.step()
        one.step()
        two.step()
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx([0.5, 0.025, 0.0125, 0.000625])


def test_the_rate_reaches_the_step():
    x = ad.tensor([1.0], requires_grad=True)
    optimizer = ad.optim.SGD([x], lr=0.5)
    scheduler = S.ExponentialLR(optimizer, gamma=0.5)
    x.grad = ad.tensor([1.0])
    for expected in (0.5, 0.25, 0.125):
        optimizer.step()
        scheduler.step()
        assert x.item() == expected


def test_a_rate_that_is_a_tensor_is_written_in_place():
    lr = ad.tensor(0.5)
    optimizer = ad.optim.SGD([ad.zeros(1, requires_grad=True)], lr=lr)
    scheduler = S.StepLR(optimizer, step_size=1, gamma=0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is lr and lr.item() == 0.25
    assert scheduler.get_last_lr()[0] is not lr
    assert scheduler.base_lrs[0].item() == 0.5


SAVED = [
    lambda o: S.StepLR(o, 2, 0.3),
    lambda o: S.MultiStepLR(o, [2, 5], 0.3),
    lambda o: S.CosineAnnealingLR(o, 7, 0.01),
    lambda o: S.OneCycleLR(o, 0.5, total_steps=20),
    lambda o: S.LinearLR(o, total_iters=8),
    lambda o: S.LambdaLR(o, Halving(1)),
]


class Halving:
    def __init__(self, rate):
        self.rate = rate

    def __call__(self, epoch):
        return 0.5 ** (self.rate * epoch)


@pytest.mark.parametrize("make", SAVED)
def test_resuming(make):
    optimizer = optimizer_of(ad)
    scheduler = make(optimizer)
    for _ in range(4):
        optimizer.step()
        scheduler.step()
    other = optimizer_of(ad)
    resumed = make(other)
    if hasattr(scheduler, "lr_lambdas"):
        scheduler.lr_lambdas[0].rate = 3
    saved = scheduler.state_dict()
    assert "optimizer" not in saved
    resumed.load_state_dict(saved)
    other.load_state_dict(optimizer.state_dict())
    for _ in range(4):
        for o, s in ((optimizer, scheduler), (other, resumed)):
            o.step()
            s.step()
        assert scheduler.get_last_lr() == resumed.get_last_lr()
        assert [g["lr"] for g in other.param_groups] == resumed.get_last_lr()


@pytest.mark.torch
@pytest.mark.parametrize("name", ["StepLR", "CosineAnnealingLR", "ExponentialLR", "LinearLR"])
def test_going_on_from_an_epoch(name):
    torch = pytest.importorskip("torch")
    options = {
        "StepLR": {"step_size": 2},
        "CosineAnnealingLR": {"T_max": 9},
        "ExponentialLR": {"gamma": 0.5},
        "LinearLR": {"total_iters": 9},
    }[name]

    def run(lib):
        optimizer = optimizer_of(lib)
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"] * 2
        scheduler = getattr(lib.optim.lr_scheduler, name)(optimizer, **options, last_epoch=3)
        seen = [scheduler.get_last_lr()]
        for _ in range(3):
            optimizer.step()
            scheduler.step()
            seen.append(scheduler.get_last_lr())
        return [lr for row in seen for lr in row]

    assert run(ad) == pytest.approx(run(torch), rel=1e-13)


# -- warnings and errors ------------------------------------------------------------------------
def test_stepping_before_the_optimizer_warns():
    optimizer = optimizer_of(ad)
    scheduler = S.StepLR(optimizer, 2)
    with pytest.warns(UserWarning, match=r"Detected call of `lr_scheduler.step\(\)` before"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        scheduler.step()  # once is enough
        other = optimizer_of(ad)
        scheduler = S.StepLR(other, 2)
        other.step()
        scheduler.step()


def test_a_replaced_step_warns():
    optimizer = optimizer_of(ad)
    scheduler = S.StepLR(optimizer, 2)
    optimizer.step = lambda: None
    with pytest.warns(UserWarning, match=r"`optimizer.step\(\)` has been overridden"):
        scheduler.step()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_a_copy_goes_on_beside_its_own_optimizer(copied):
    """One that starts later, as a part of another does, asks the copied optimizer for its steps."""
    optimizer = optimizer_of(ad)
    parts = [S.ConstantLR(optimizer, 0.5, 5), S.ExponentialLR(optimizer, 0.5)]
    scheduler = S.SequentialLR(optimizer, parts, [2])
    twin = copied(scheduler)
    assert twin.optimizer is not optimizer
    rates = []
    for s in (scheduler, twin):
        for _ in range(4):
            s.optimizer.step()
            s.step()
        rates.append(s.get_last_lr())
    assert rates[0] == rates[1]


def test_asking_outside_a_step_warns():
    scheduler = S.StepLR(optimizer_of(ad), 2)
    with pytest.warns(UserWarning, match=r"please use `get_last_lr\(\)`"):
        scheduler.get_lr()


def test_an_epoch_given_to_step_warns():
    optimizer = optimizer_of(ad)
    scheduler = S.StepLR(optimizer, 2)
    optimizer.step()
    with pytest.warns(UserWarning, match="epoch parameter in `scheduler.step"):
        scheduler.step(4)
    assert scheduler.get_last_lr() == pytest.approx([0.003, 0.007])


def wrong_number():
    class Wrong(S.LRScheduler):
        def get_lr(self):
            return [0.1]

    Wrong(optimizer_of(ad))


def steps(total=None, **options):
    return S.OneCycleLR(optimizer_of(ad), 0.1, total_steps=total, **options)


@pytest.mark.parametrize(
    "make,kind,text",
    [
        (lambda: S.StepLR([1], 2), TypeError, "list is not an Optimizer"),
        (lambda: S.OneCycleLR([1], 2), TypeError, "list is not an Optimizer"),
        (lambda: S.LRScheduler(optimizer_of(ad)), NotImplementedError, "does not define get_lr"),
        (
            lambda: S.StepLR(optimizer_of(ad), 2, last_epoch=1),
            KeyError,
            r"param 'initial_lr' is not specified in param_groups\[0\] when resuming",
        ),
        (
            lambda: S.ConstantLR(optimizer_of(ad), 2.0),
            ValueError,
            "Constant multiplicative factor expected to be between 0 and 1",
        ),
        (
            lambda: S.LinearLR(optimizer_of(ad), 0.0),
            ValueError,
            "Starting multiplicative factor expected to be greater than 0 and less or equal to 1",
        ),
        (
            lambda: S.LinearLR(optimizer_of(ad), 1.0, 2.0),
            ValueError,
            "Ending multiplicative factor expected to be between 0 and 1",
        ),
        (steps, ValueError, "You must define either total_steps OR"),
        (lambda: steps(0), ValueError, "Expected positive integer total_steps, but got 0"),
        (
            lambda: steps(epochs=2.0, steps_per_epoch=1),
            ValueError,
            "Expected positive integer epochs, but got 2.0",
        ),
        (
            lambda: steps(9, pct_start=1.5),
            ValueError,
            "Expected float between 0 and 1 pct_start, but got 1.5",
        ),
        (
            lambda: steps(9, anneal_strategy="up"),
            ValueError,
            "anneal_strategy must be one of 'cos' or 'linear', instead got up",
        ),
        (
            lambda: S.OneCycleLR(optimizer_of(ad), [0.1], total_steps=9),
            ValueError,
            "max_lr must have the same length as optimizer.param_groups. max_lr has 1 values",
        ),
        (wrong_number, ValueError, r"Wrong.get_lr\(\) gave 1 rates for 2 parameter groups"),
    ],
)
def test_errors(make, kind, text):
    with pytest.raises(kind, match=text):
        make()


def test_one_cycle_needs_momentum():
    class Plain(ad.optim.Optimizer):
        def step(self, closure=None):
            pass

    optimizer = Plain([ad.zeros(1, requires_grad=True)], {"lr": 0.1})
    with pytest.raises(ValueError, match="optimizer must support momentum or beta1"):
        S.OneCycleLR(optimizer, 0.1, total_steps=4)
    S.OneCycleLR(optimizer, 0.1, total_steps=4, cycle_momentum=False)


def test_one_cycle_ends():
    optimizer = optimizer_of(ad)
    scheduler = S.OneCycleLR(optimizer, 0.1, epochs=2, steps_per_epoch=2)
    for _ in range(4):
        optimizer.step()
        scheduler.step()
    with pytest.raises(ValueError, match=r"Tried to step 5 times\. The specified number .* is 4"):
        scheduler.step()
