"""The schedulers that came later: PyTorch's rates, states and refusals, alone and combined."""

from __future__ import annotations

import inspect
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import anadrome as ad

pytestmark = pytest.mark.torch

CASES = {
    "multiplicative": lambda S, o: S.MultiplicativeLR(o, lambda e: 0.5 + 0.1 * e),
    "multiplicative-each": lambda S, o: S.MultiplicativeLR(o, [lambda e: 0.9, lambda e: 1.1]),
    "polynomial": lambda S, o: S.PolynomialLR(o),
    "polynomial-2": lambda S, o: S.PolynomialLR(o, total_iters=7, power=2.5),
    "restarts": lambda S, o: S.CosineAnnealingWarmRestarts(o, 3),
    "restarts-longer": lambda S, o: S.CosineAnnealingWarmRestarts(o, 2, T_mult=2, eta_min=0.01),
    "cyclic": lambda S, o: S.CyclicLR(o, 0.01, 0.5, step_size_up=3),
    "cyclic-2": lambda S, o: S.CyclicLR(
        o, [0.01, 0.02], [0.5, 0.4], 2, 3, mode="triangular2", base_momentum=0.7
    ),
    "cyclic-exp": lambda S, o: S.CyclicLR(o, 0.01, 0.5, 2, mode="exp_range", gamma=0.9),
    "cyclic-own": lambda S, o: S.CyclicLR(
        o, 0.01, 0.5, 2, scale_fn=lambda x: 1 / x, cycle_momentum=False
    ),
    "cyclic-own-steps": lambda S, o: S.CyclicLR(
        o, 0.01, 0.5, 2, scale_fn=lambda x: 0.9**x, scale_mode="iterations"
    ),
    "chained": lambda S, o: S.ChainedScheduler(
        [S.ConstantLR(o, 0.1, 3), S.ExponentialLR(o, 0.9), S.StepLR(o, 2, 0.5)]
    ),
    "sequential": lambda S, o: S.SequentialLR(
        o, [S.LinearLR(o, 0.1, total_iters=3), S.CosineAnnealingLR(o, 5)], [3]
    ),
    "sequential-3": lambda S, o: S.SequentialLR(
        o, [S.ConstantLR(o, 0.5, 9), S.ExponentialLR(o, 0.9), S.StepLR(o, 2)], [2, 6]
    ),
    "sequential-nested": lambda S, o: S.SequentialLR(
        o,
        [
            S.SequentialLR(o, [S.ExponentialLR(o, 0.9), S.PolynomialLR(o, 4)], [3]),
            S.ConstantLR(o, 0.1, 2),
        ],
        [5],
    ),
    "sequential-restarts": lambda S, o: S.SequentialLR(
        o, [S.LinearLR(o, total_iters=4), S.CosineAnnealingWarmRestarts(o, 2)], [4]
    ),
    "lambda": lambda S, o: S.LambdaLR(o, lambda e: 0.95**e),
}


def optimizer_of(lib, name="SGD"):
    groups = [
        {"params": [lib.zeros(1, requires_grad=True)]},
        {"params": [lib.zeros(1, requires_grad=True)], "lr": 0.7},
    ]
    return getattr(lib.optim, name)(groups, lr=0.3, **({"momentum": 0.9} if name == "SGD" else {}))


def row(optimizer, scheduler):
    """Rates, momenta and betas of the groups, and the rates that the scheduler tells."""
    out = list(scheduler.get_last_lr())
    for g in optimizer.param_groups:
        out += [g["lr"], g.get("momentum", 0.0), *g.get("betas", ())]
    return [float(x) for x in out]


def rates(lib, make, optimizer_name="SGD", steps=14):
    optimizer = optimizer_of(lib, optimizer_name)
    scheduler = make(lib.optim.lr_scheduler, optimizer)
    seen = [row(optimizer, scheduler)]
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
        seen.append(row(optimizer, scheduler))
    return seen, scheduler


@pytest.mark.filterwarnings("ignore:The epoch parameter")
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler")
@pytest.mark.parametrize("optimizer_name", ["SGD", "AdamW"])
@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
def test_rates_are_pytorchs(make, optimizer_name):
    import torch

    ours, our_scheduler = rates(ad, make, optimizer_name)
    theirs, their_scheduler = rates(torch, make, optimizer_name)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-15)
    mine, other = our_scheduler.state_dict(), their_scheduler.state_dict()
    for key in ("last_epoch", "_last_lr", "base_lrs", "_step_count"):
        assert (key in mine) == (key in other)
        if key in mine:
            assert mine[key] == pytest.approx(other[key], rel=1e-12)


@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
def test_resuming(make):
    """A new scheduler goes on from what an old one has saved, as it would have gone on."""
    optimizer = optimizer_of(ad)
    scheduler = make(ad.optim.lr_scheduler, optimizer)
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    saved, groups = scheduler.state_dict(), optimizer.state_dict()
    fresh_optimizer = optimizer_of(ad)
    fresh = make(ad.optim.lr_scheduler, fresh_optimizer)
    fresh.load_state_dict(saved)
    fresh_optimizer.load_state_dict(groups)
    for _ in range(6):
        for o, s in ((optimizer, scheduler), (fresh_optimizer, fresh)):
            o.step()
            s.step()
        assert row(fresh_optimizer, fresh) == row(optimizer, scheduler)


plateau_options = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["min", "max"]),
        "factor": st.sampled_from([0.1, 0.5]),
        "patience": st.integers(0, 3),
        "threshold": st.sampled_from([1e-4, 0.1]),
        "threshold_mode": st.sampled_from(["rel", "abs"]),
        "cooldown": st.integers(0, 2),
        "min_lr": st.sampled_from([0, 0.05, [0.05, 0.2]]),
        "eps": st.sampled_from([1e-8, 0.03]),
    }
)


@given(plateau_options, st.lists(st.floats(-1, 3), min_size=8, max_size=30))
@settings(max_examples=60)
def test_plateaus_are_pytorchs(options, metrics):
    import torch

    seen = []
    for lib in (ad, torch):
        optimizer = optimizer_of(lib)
        scheduler = lib.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        rows = []
        for i, m in enumerate(metrics):
            scheduler.step(lib.tensor(m) if i % 2 else m)
            rows.append(row(optimizer, scheduler))
        state = scheduler.state_dict()
        seen.append((rows, state))
    np.testing.assert_allclose(seen[0][0], seen[1][0], rtol=1e-13)
    assert seen[0][1] == seen[1][1]


def test_a_plateau_resumes():
    scheduler = ad.optim.lr_scheduler.ReduceLROnPlateau(optimizer_of(ad), "max", patience=1)
    for m in (1.0, 2.0, 1.5):
        scheduler.step(m)
    fresh = ad.optim.lr_scheduler.ReduceLROnPlateau(optimizer_of(ad))
    fresh.load_state_dict(scheduler.state_dict())
    fresh.step(1.0)
    assert fresh.get_last_lr() == pytest.approx([0.03, 0.07])


def test_fractions_of_an_epoch():
    import torch

    seen = []
    for lib in (ad, torch):
        optimizer = optimizer_of(lib)
        scheduler = lib.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 2, T_mult=2)
        rows = []
        for i in range(30):
            scheduler.step(i / 3)
            rows.append([*row(optimizer, scheduler), scheduler.T_cur, scheduler.T_i])
        seen.append(rows)
    np.testing.assert_allclose(*seen, rtol=1e-12)


@pytest.mark.parametrize("name", ad.optim.lr_scheduler.__all__)
def test_signatures_are_pytorchs(name):
    import torch

    ours = inspect.signature(getattr(ad.optim.lr_scheduler, name)).parameters
    theirs = inspect.signature(getattr(torch.optim.lr_scheduler, name)).parameters
    assert list(ours) == list(theirs)
    for key, p in theirs.items():
        assert ours[key].default == p.default, key


REFUSED = [
    (lambda S, o: S.MultiplicativeLR(o, 0.5), TypeError, "lr_lambda should be a function, but got"),
    (lambda S, o: S.MultiplicativeLR(o, [len]), ValueError, "Expected 2 lr_lambdas, but got 1"),
    (lambda S, o: S.CosineAnnealingWarmRestarts(o, 0), ValueError, "Expected positive integer T_0"),
    (lambda S, o: S.CosineAnnealingWarmRestarts(o, 2, 0), ValueError, "Expected integer T_mult"),
    (lambda S, o: S.CosineAnnealingWarmRestarts(o, 2, 1, "a"), ValueError, "Expected float or int"),
    (
        lambda S, o: S.CosineAnnealingWarmRestarts(o, 2).step(-1),
        ValueError,
        "Expected non",
    ),
    (lambda S, o: S.CyclicLR(o, 0.1, 1.0, mode="square"), ValueError, "mode is invalid and scale"),
    (lambda S, o: S.CyclicLR(o, [0.1], 1.0), ValueError, "base_lr must have the same length"),
    (lambda S, o: S.CyclicLR(None, 0.1, 1.0), TypeError, "NoneType is not an Optimizer"),
    (lambda S, o: S.ChainedScheduler([]), ValueError, "ChainedScheduler expects at least one"),
    (lambda S, o: S.SequentialLR(o, [], []), ValueError, "SequentialLR expects at least one sched"),
    (
        lambda S, o: S.SequentialLR(o, [S.ExponentialLR(o, 0.9)], [1]),
        ValueError,
        "Sequential Schedulers expects number of schedulers provided to be one more",
    ),
    (
        lambda S, o: S.ChainedScheduler([S.ReduceLROnPlateau(o)]),
        ValueError,
        "ChainedScheduler does not support `ReduceLROnPlateau` scheduler as it requires",
    ),
    (
        lambda S, o: S.SequentialLR(o, [o], []),
        TypeError,
        "SequentialLR at index 0 should have `optimizer` as its attribute.",
    ),
    (lambda S, o: S.ReduceLROnPlateau(o, factor=1.0), ValueError, "Factor should be < 1.0."),
    (lambda S, o: S.ReduceLROnPlateau(o, "best"), ValueError, "mode best is unknown!"),
    (lambda S, o: S.ReduceLROnPlateau(o, min_lr=[0]), ValueError, "expected 2 min_lrs, got 1"),
    (
        lambda S, o: S.ReduceLROnPlateau(o, threshold_mode="x"),
        ValueError,
        "threshold mode x is unknown!",
    ),
]


@pytest.mark.parametrize("make,kind,text", REFUSED)
def test_refusals_are_pytorchs(make, kind, text):
    import torch

    for lib in (ad, torch):
        with pytest.raises(kind) as caught:
            make(lib.optim.lr_scheduler, optimizer_of(lib))
        assert str(caught.value).startswith(text)


def test_schedulers_of_different_optimizers():
    S = ad.optim.lr_scheduler
    one, two = optimizer_of(ad), optimizer_of(ad)
    parts = [S.ExponentialLR(one, 0.9), S.ExponentialLR(two, 0.9)]
    for make in (lambda: S.ChainedScheduler(parts), lambda: S.SequentialLR(one, parts, [1])):
        with pytest.raises(ValueError, match="expects all schedulers to belong to the same optim"):
            make()


def test_cyclic_needs_momentum():
    optimizer = ad.optim.Adagrad([ad.zeros(1, requires_grad=True)])
    with pytest.raises(ValueError, match="optimizer must support momentum or beta1 with"):
        ad.optim.lr_scheduler.CyclicLR(optimizer, 0.1, 1.0)


def test_a_group_added_to_a_plateau():
    S = ad.optim.lr_scheduler
    for min_lr, refused in ((0.01, False), ([0.01, 0.01], True)):
        optimizer = optimizer_of(ad)
        scheduler = S.ReduceLROnPlateau(optimizer, patience=0, min_lr=min_lr)
        optimizer.add_param_group({"params": [ad.zeros(1, requires_grad=True)], "lr": 1.0})
        scheduler.step(1.0)
        if refused:
            with pytest.raises(RuntimeError, match=r"The number of param groups .*\(3\) differs"):
                scheduler.step(2.0)
        else:
            scheduler.step(2.0)
            assert scheduler.get_last_lr() == pytest.approx([0.03, 0.07, 0.1])


def test_a_rate_that_is_a_tensor_is_written_in_place():
    import torch

    seen = []
    for lib in (ad, torch):
        rate = lib.tensor(0.5, dtype=lib.float64)
        optimizer = lib.optim.SGD([lib.zeros(1, requires_grad=True)], lr=rate)
        S = lib.optim.lr_scheduler
        scheduler = S.ChainedScheduler([S.ExponentialLR(optimizer, 0.5), S.PolynomialLR(optimizer)])
        plateau = S.ReduceLROnPlateau(optimizer, patience=0)
        optimizer.step()
        scheduler.step()
        plateau.step(1.0)
        plateau.step(1.0)
        assert optimizer.param_groups[0]["lr"] is rate
        seen.append(rate.item())
    assert seen[0] == pytest.approx(seen[1], rel=1e-12)


@pytest.mark.filterwarnings("ignore:Detected call")
@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
def test_in_a_captured_step(make):
    """Captured with the step, a scheduler goes on as it does outside."""
    seen = []
    for captured in (False, True):
        w = ad.tensor([1.0, 2.0], dtype=ad.float64, requires_grad=True)
        v = ad.tensor([1.0], dtype=ad.float64, requires_grad=True)
        optimizer = ad.optim.SGD([{"params": [w]}, {"params": [v]}], lr=0.1, momentum=0.5)
        scheduler = make(ad.optim.lr_scheduler, optimizer)

        def step(x, w=w, v=v, optimizer=optimizer, scheduler=scheduler):
            optimizer.zero_grad()
            ((x * w).square().sum() * v).sum().backward()
            optimizer.step()
            scheduler.step()

        run = ad.capture(step) if captured else step
        rows = []
        for i in range(9):
            run(ad.tensor([0.1 * i, 0.2], dtype=ad.float64))
            rows.append([*row(optimizer, scheduler), *w.tolist(), *v.tolist()])
        seen.append(rows)
    np.testing.assert_allclose(seen[1], seen[0], rtol=1e-12)


def test_no_warnings_in_a_plain_loop():
    for name, make in CASES.items():
        if name == "sequential-nested":  # PyTorch's warns there too
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            rates(ad, make, steps=3)
