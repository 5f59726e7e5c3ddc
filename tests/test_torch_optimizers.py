"""The optimizers besides SGD and Adam: PyTorch's numbers, states, signatures and refusals."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from twin_optimizers import SHAPES, Twins

import anadrome as ad

pytestmark = pytest.mark.torch

FLAT = {
    "NAdam": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.7), "weight_decay": 0.1},
        {"weight_decay": 0.1, "decoupled_weight_decay": True, "momentum_decay": 0.1},
        {"maximize": True, "eps": 1e-3, "foreach": False},
    ],
    "RAdam": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.7), "weight_decay": 0.1},
        {"betas": (0.9, 0.9), "weight_decay": 0.1, "decoupled_weight_decay": True},
        {"maximize": True, "eps": 1e-3, "foreach": False},
    ],
    "Adamax": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.7), "weight_decay": 0.1},
        {"maximize": True, "eps": 1e-3, "foreach": False},
    ],
    "Adagrad": [
        {},
        {"lr": 0.1, "lr_decay": 0.3, "weight_decay": 0.1, "initial_accumulator_value": 0.5},
        {"maximize": True, "eps": 1e-3, "foreach": False},
    ],
    "Adadelta": [
        {},
        {"lr": 0.1, "rho": 0.5, "weight_decay": 0.1},
        {"maximize": True, "eps": 1e-3, "foreach": False},
    ],
    "RMSprop": [
        {},
        {"lr": 0.1, "alpha": 0.5, "weight_decay": 0.1, "momentum": 0.9},
        {"centered": True, "eps": 1e-3},
        {"centered": True, "momentum": 0.5, "maximize": True, "eps": 1e-2, "foreach": False},
    ],
    "Rprop": [
        {},
        {"lr": 0.1, "etas": (0.3, 1.9), "step_sizes": (1e-3, 0.2)},
        {"maximize": True, "foreach": False},
    ],
    "ASGD": [
        {},
        {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 3, "weight_decay": 0.1},
        {"maximize": True, "t0": 0, "foreach": False},
    ],
}
CASES = [(name, options) for name, each in FLAT.items() for options in each]
ids = [f"{name}-{i}" for name, each in FLAT.items() for i in range(len(each))]


def maker(name, options):
    return lambda lib, ps: getattr(lib.optim, name)(ps, **options)


@pytest.mark.parametrize("name,options", CASES, ids=ids)
def test_numbers_are_pytorchs(name, options):
    twins = Twins(maker(name, options))
    for i in range(25):
        twins.step({i % len(SHAPES)} if i in (0, 3, 4, 11) else ())
    twins.check(rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", FLAT)
def test_numbers_in_single_precision(name):
    twins = Twins(maker(name, FLAT[name][0]), dtype="float32")
    for _ in range(20):
        twins.step()
    twins.check(rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", FLAT)
def test_half_precision_is_computed_in_single(name):
    x = ad.tensor([1.0, -2.0], dtype=ad.float16, requires_grad=True)
    y = x.detach().float().requires_grad_()
    for t in (x, y):
        optimizer = getattr(ad.optim, name)([t], lr=0.125)
        for _ in range(3):
            t.grad = ad.tensor([0.5, 0.25], dtype=t.dtype)
            optimizer.step()
    np.testing.assert_allclose(x.detach().float().numpy(), y.detach().numpy(), rtol=4e-3)


@pytest.mark.parametrize("name", [*FLAT, "LBFGS", "SGD", "Adam", "AdamW"])
def test_signatures_are_pytorchs(name):
    import torch

    ours = inspect.signature(getattr(ad.optim, name)).parameters
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    assert list(ours) == list(theirs)
    for key, p in theirs.items():
        assert ours[key].default == p.default, key
        assert ours[key].kind == p.kind, key


@pytest.mark.parametrize("name", FLAT)
def test_the_defaults_of_a_group_are_pytorchs(name):
    import torch

    ours = getattr(ad.optim, name)([ad.zeros(1, requires_grad=True)])
    theirs = getattr(torch.optim, name)([torch.zeros(1, requires_grad=True)])
    assert ours.defaults == theirs.defaults
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name,options", CASES, ids=ids)
def test_a_rate_changed_from_outside_and_groups(name, options):
    def make(lib, ps):
        groups = [{"params": ps[:3], "lr": 0.3}, {"params": ps[3:]}]
        return getattr(lib.optim, name)(groups, **options)

    twins = Twins(make, shapes=SHAPES[:5])
    for i in range(6):
        for optimizer in (twins.our_optimizer, twins.their_optimizer):
            optimizer.param_groups[1]["lr"] = 0.1 / (1 + i)
        twins.step()
    twins.check(rtol=1e-10, atol=1e-12)


# PyTorch's own Adamax and Rprop raise there.
@pytest.mark.parametrize("name", sorted({*FLAT} - {"Adamax", "Rprop"}))
def test_a_step_that_is_differentiated(name):
    import torch

    found = []
    for lib in (ad, torch):
        p = lib.tensor([0.5, -1.5], dtype=lib.float64, requires_grad=True)
        w = lib.tensor([1.0, 2.0], dtype=lib.float64, requires_grad=True)
        x = p.clone()
        optimizer = getattr(lib.optim, name)([x], lr=0.1, differentiable=True)
        for _ in range(3):
            x.grad = w * w + 0.1 * p
            optimizer.step()
        loss = (x * x).sum()
        found.append([g.numpy() for g in lib.autograd.grad(loss, [p, w], allow_unused=True)])
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


REFUSED = [
    (name, {"lr": -1.0}, ValueError, "Invalid learning rate: -1.0") for name in [*FLAT, "LBFGS"]
] + [
    ("NAdam", {"betas": (1.0, 0.5)}, ValueError, "Invalid beta parameter at index 0: 1.0"),
    ("NAdam", {"momentum_decay": -0.2}, ValueError, "Invalid momentum_decay value: -0.2"),
    ("RAdam", {"betas": (0.5, -1)}, ValueError, "Invalid beta parameter at index 1: -1"),
    ("RAdam", {"weight_decay": -1}, ValueError, "Invalid weight_decay value: -1"),
    ("Adamax", {"eps": -1}, ValueError, "Invalid epsilon value: -1"),
    ("Adagrad", {"lr_decay": -0.5}, ValueError, "Invalid lr_decay value: -0.5"),
    (
        "Adagrad",
        {"initial_accumulator_value": -0.5},
        ValueError,
        "Invalid initial_accumulator_value value: -0.5",
    ),
    ("Adadelta", {"rho": 1.1}, ValueError, "Invalid rho value: 1.1"),
    ("RMSprop", {"momentum": -1.0}, ValueError, "Invalid momentum value: -1.0"),
    ("RMSprop", {"alpha": -1.0}, ValueError, "Invalid alpha value: -1.0"),
    ("Rprop", {"etas": (1.0, 0.5)}, ValueError, "Invalid eta values: 1.0, 0.5"),
    ("ASGD", {"weight_decay": -0.5}, ValueError, "Invalid weight_decay value: -0.5"),
]


@pytest.mark.parametrize("name,options,kind,text", REFUSED)
def test_refusals_are_pytorchs(name, options, kind, text):
    import torch

    for lib in (ad, torch):
        with pytest.raises(kind) as caught:
            getattr(lib.optim, name)([lib.zeros(2, requires_grad=True)], **options)
        assert str(caught.value) == text


@pytest.mark.parametrize("name,options", CASES, ids=ids)
def test_a_state_of_pytorchs_is_taken_over(name, options):
    """Five steps in PyTorch, then both go on, ours from the state that PyTorch saved."""
    twins = Twins(maker(name, options), shapes=SHAPES[:5])
    for _ in range(5):
        twins.step()
    saved = twins.their_optimizer.state_dict()
    fresh = getattr(ad.optim, name)(twins.ours, **options)
    fresh.load_state_dict(
        {
            "param_groups": saved["param_groups"],
            "state": {
                number: {key: ad.tensor(value.numpy()) for key, value in state.items()}
                for number, state in saved["state"].items()
            },
        }
    )
    twins.our_optimizer = fresh
    for _ in range(3):
        twins.step()
    twins.check(rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", FLAT)
def test_a_state_that_is_cleared_starts_again(name):
    twins = Twins(maker(name, {"lr": 0.1}), shapes=[(3,), (2, 2)])
    for i in range(6):
        if i == 3:
            twins.our_optimizer.state.clear()
            twins.their_optimizer.state.clear()
        twins.step()
    twins.check(rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name,options", CASES, ids=ids)
def test_a_captured_step_goes_on_as_an_eager_one(name, options):
    start = np.random.default_rng(0).standard_normal((4, 3))
    data = np.random.default_rng(1).standard_normal((12, 4))
    results = []
    for captured in (False, True):
        w = ad.tensor(start, requires_grad=True)
        optimizer = getattr(ad.optim, name)([w], **options)

        def step(x, w=w, optimizer=optimizer):
            optimizer.zero_grad()
            loss = (x @ w).square().sum()
            loss.backward()
            optimizer.step()
            return loss

        run = ad.capture(step) if captured else step
        for row in data:
            run(ad.tensor(row))
        results.append(w.detach().numpy().copy())
        if captured:
            assert int(optimizer.state[w]["step"].item()) == len(data)
    np.testing.assert_allclose(results[1], results[0], rtol=1e-12)


def rosenbrock(lib, search, **options):
    """The path of LBFGS down the banana valley, with the losses on the way."""
    x = lib.tensor([-1.2, 1.0], dtype=lib.float64, requires_grad=True)
    y = lib.tensor([[0.5]], dtype=lib.float64, requires_grad=True)
    unused = lib.tensor([1.0], dtype=lib.float64, requires_grad=True)
    optimizer = lib.optim.LBFGS([x, y, unused], line_search_fn=search, **options)
    calls = []

    def closure():
        optimizer.zero_grad()
        loss = 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2 + (y**4 - y).sum()
        loss.backward()
        calls.append(loss.item())
        return loss

    path = []
    for _ in range(6):
        loss = optimizer.step(closure)
        path.append([float(loss), *x.tolist(), y.item()])
    state = optimizer.state[x]
    return np.array(path), calls, (state["func_evals"], state["n_iter"]), optimizer.state_dict()


@pytest.mark.parametrize(
    "search,options",
    [
        ("strong_wolfe", {}),
        ("strong_wolfe", {"lr": 0.1, "max_iter": 7, "history_size": 3}),
        ("strong_wolfe", {"max_eval": 5}),
        ("strong_wolfe", {"tolerance_change": 1e-3}),
        (None, {"lr": 1e-3}),
        (None, {"lr": 1e-2, "max_iter": 4, "history_size": 2}),
        (None, {"lr": 1e-3, "tolerance_grad": 50.0}),
    ],
)
def test_lbfgs_takes_pytorchs_path(search, options):
    import torch

    ours, our_calls, our_counts, our_state = rosenbrock(ad, search, **options)
    theirs, their_calls, their_counts, their_state = rosenbrock(torch, search, **options)
    assert our_counts == their_counts
    np.testing.assert_allclose(our_calls, their_calls, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-12)
    assert our_state["state"][0].keys() == their_state["state"][0].keys()
    assert our_state["param_groups"] == their_state["param_groups"]


@pytest.mark.parametrize(
    "name,options",
    [
        ("Adafactor", {}),
        ("Adafactor", {"lr": 0.3, "weight_decay": 0.1, "d": 2.0, "eps": (1e-4, 0.1)}),
        ("Adafactor", {"beta2_decay": -0.5, "maximize": True, "foreach": False}),
    ],
)
def test_adafactor_is_pytorchs(name, options):
    twins = Twins(maker(name, options), shapes=[(3, 4), (5,), (2, 5, 4), (1, 3)])
    for _ in range(12):
        twins.step()
    twins.check(rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lr": 0.1, "momentum": 0.5, "nesterov": False, "weight_decay": 0.0},
        {"lr": 0.1, "adjust_lr_fn": "match_rms_adamw", "ns_steps": 3},
    ],
)
def test_muon_is_pytorchs(options):
    """Up to the rounding of bfloat16, in which both compute the direction."""
    twins = Twins(maker("Muon", options), shapes=[(3, 4), (6, 2), (5, 5)], dtype="float32")
    for _ in range(8):
        twins.step()
    rate = options.get("lr", 1e-3)
    twins.check(rtol=1e-4, atol=rate * 0.1)


@pytest.mark.parametrize(
    "name,options",
    [
        ("Adafactor", {"lr": -1.0}), ("Adafactor", {"beta2_decay": 0.5}),
        ("Adafactor", {"eps": (-1.0, 1e-3)}), ("Adafactor", {"eps": (None, -1.0)}),
        ("Adafactor", {"d": 0.5}), ("Adafactor", {"weight_decay": -1.0}),
        ("Muon", {"lr": -1.0}), ("Muon", {"momentum": -1.0}), ("Muon", {"weight_decay": -1.0}),
        ("Muon", {"adjust_lr_fn": "no"}), ("Muon", {"vector": True}),
    ],
)  # fmt: skip
def test_refusals_of_those_that_keep_little(name, options):
    torch = pytest.importorskip("torch")
    shape = (3,) if options.pop("vector", False) else (3, 3)
    said = []
    for L in (torch, ad):
        with pytest.raises(ValueError) as raised:
            getattr(L.optim, name)([L.ones(shape, requires_grad=True)], **options)
        said.append(str(raised.value))
    assert said[1].startswith(said[0].replace("torch.Size", "anadrome.Size"))


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
def test_their_signatures_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    theirs = inspect.signature(getattr(torch.optim, name)).parameters
    ours = inspect.signature(getattr(ad.optim, name)).parameters
    assert list(ours) == list(theirs)
    assert {k: p.default for k, p in ours.items()} == {k: p.default for k, p in theirs.items()}


def test_lbfgs_refusals():
    import torch

    for lib in (ad, torch):
        p, q = (lib.zeros(1, requires_grad=True) for _ in range(2))
        with pytest.raises(ValueError, match="LBFGS doesn't support per-parameter options"):
            lib.optim.LBFGS([{"params": [p]}, {"params": [q]}])
        optimizer = lib.optim.LBFGS([p], line_search_fn="armijo")

        def closure(p=p):
            loss = (p - 1).square().sum()
            loss.backward()
            return loss

        with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
            optimizer.step(closure)
        with pytest.raises(TypeError):
            optimizer.step()
    with pytest.raises(TypeError, match="needs a closure that clears the gradients"):
        ad.optim.LBFGS([ad.zeros(1, requires_grad=True)]).step(None)
