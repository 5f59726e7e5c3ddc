"""Every optimizer with the options of PyTorch's own test suite, and with its schedules."""

from __future__ import annotations

import io
import warnings
from inspect import signature
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch.testing._internal.common_optimizers")

import anadrome as ad

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch.testing._internal.common_optimizers import optim_db

# That import forbids the process to set flags; the programs of other tests do.
torch.backends.flags_frozen.__globals__["__allow_nonbracketed_mutation_flag"] = True

#: Of SparseAdam's sparse gradients there are tests of their own (``test_torch_sparse_adam``).
OPTIMIZERS = [info for info in optim_db if not info.only_supports_sparse_grads]
each_optimizer = pytest.mark.parametrize(
    "info", OPTIMIZERS, ids=lambda info: info.optim_cls.__name__
)

#: Which way an update is computed. Here it is always the fast one; what PyTorch refuses is refused.
FLAGS: list[dict[str, bool]] = [
    {}, {"foreach": True}, {"fused": True}, {"differentiable": True},
    {"foreach": False, "fused": False}, {"foreach": True, "fused": True},
    {"fused": True, "differentiable": True},
]  # fmt: skip

#: Muon orthogonalises in bfloat16; ASGD and NAdam keep products of steps in float32.
TOLERANCE = {"Muon": 2e-3, "ASGD": 1e-6, "NAdam": 1e-6}


def ours(value: Any) -> Any:
    return ad.tensor(value.numpy().copy()) if isinstance(value, torch.Tensor) else value


class Pair:
    """One optimizer of both libraries; ``refused`` if PyTorch does not make it."""

    def __init__(self, info: Any, options: dict[str, Any], values: Any = None) -> None:
        self.info = info
        self.name = info.optim_cls.__name__
        self.tolerance = TOLERANCE.get(self.name, 1e-9)
        rng = np.random.default_rng(0)
        shapes = [(3, 4), (5, 2)] if self.name == "Muon" else [(3, 4), (5,), (), (2, 3)]
        values = values or [np.asarray(rng.standard_normal(s)) for s in shapes]
        self.theirs = [torch.tensor(v, requires_grad=True) for v in values]
        self.mine = [ad.tensor(v, requires_grad=True) for v in values]
        if options.get("differentiable"):  # a step is recorded: parameters are no leaves
            self.theirs = [p.clone() for p in self.theirs]
            self.mine = [p.clone() for p in self.mine]
            self.tolerance = 1e-6  # with a count of steps in float32
        self.refused = False
        my_options = {k: ours(v) for k, v in options.items()}
        try:
            self.their_optimizer = info.optim_cls(self.theirs, **options)
        except Exception as error:
            self.refused = True
            with pytest.raises(type(error)):
                getattr(ad.optim, self.name)(self.mine, **my_options)
            return
        self.my_optimizer = getattr(ad.optim, self.name)(self.mine, **my_options)

    def step(self, seed: int) -> None:
        for L, parameters, optimizer in (
            (torch, self.theirs, self.their_optimizer),
            (ad, self.mine, self.my_optimizer),
        ):
            rng = np.random.default_rng(seed)
            for p in parameters:
                p.grad = L.tensor(np.asarray(rng.standard_normal(tuple(p.shape))))
            optimizer.step(self._closure(L, parameters, optimizer))

    def _closure(self, L: Any, parameters: Any, optimizer: Any) -> Any:
        if not self.info.step_requires_closure:
            return None

        def closure() -> Any:
            optimizer.zero_grad()
            loss = sum(((p - 0.3) ** 2).sum() + (p**4).sum() for p in parameters)
            loss.backward()
            return loss

        return closure

    def check(self) -> None:
        """Values, states and options are the same, and have the same names."""
        for mine, theirs in zip(self.mine, self.theirs):
            self.near(mine, theirs, self.name)
        found, wanted = self.my_optimizer.state_dict(), self.their_optimizer.state_dict()
        assert found["state"].keys() == wanted["state"].keys()
        for number, state in wanted["state"].items():
            assert found["state"][number].keys() == state.keys()
            for name, value in state.items():
                self.near(found["state"][number][name], value, name)
        for mine, theirs in zip(found["param_groups"], wanted["param_groups"], strict=True):
            assert mine.keys() == theirs.keys()
            for name, value in theirs.items():
                self.near(mine[name], value, name)

    def near(self, found: Any, wanted: Any, name: str) -> None:
        if isinstance(wanted, (list, tuple)):
            assert len(found) == len(wanted), name
            for f, w in zip(found, wanted):
                self.near(f, w, name)
            return
        if isinstance(wanted, torch.Tensor):
            wanted = wanted.detach().numpy()
            if isinstance(found, ad.Tensor):
                found = found.detach().numpy()
            assert np.shape(found) == wanted.shape, name
        elif wanted is None or isinstance(wanted, (bool, str)):
            assert found == wanted, name
            return
        np.testing.assert_allclose(found, wanted, self.tolerance, self.tolerance, err_msg=name)


@each_optimizer
def test_five_steps(info: Any) -> None:
    count = 0
    for given in info.optim_inputs_func(device="cpu"):
        for flags in FLAGS:
            if not flags.keys() <= signature(info.optim_cls).parameters.keys():
                continue
            pair = Pair(info, {**given.kwargs, **flags})
            if pair.refused:
                continue
            for seed in range(2 if info.step_requires_closure else 5):
                pair.step(seed)
            pair.check()
            count += 1
    assert count >= 5


@each_optimizer
def test_states_go_both_ways(info: Any) -> None:
    """Each goes on from the other's file, and both as if nothing had happened."""
    # With and without momentum; LBFGS takes its time.
    for given in info.optim_inputs_func(device="cpu")[-1 if info.step_requires_closure else -2 :]:
        pair = Pair(info, given.kwargs)
        for seed in range(3):
            pair.step(seed)
        other = Pair(info, given.kwargs, [p.detach().numpy() for p in pair.theirs])
        ours_kept, theirs_kept = io.BytesIO(), io.BytesIO()
        ad.save(pair.my_optimizer.state_dict(), ours_kept)
        torch.save(pair.their_optimizer.state_dict(), theirs_kept)
        ours_kept.seek(0)
        theirs_kept.seek(0)
        other.my_optimizer.load_state_dict(ad.load(theirs_kept))
        other.their_optimizer.load_state_dict(torch.load(ours_kept))
        for seed in range(3, 6):
            pair.step(seed)
            other.step(seed)
        other.check()
        for theirs, mine in zip(pair.theirs, other.mine):
            other.near(mine, theirs, "gone on")


SCHEDULES = [
    lambda L, o: L.StepLR(o, 2, gamma=0.5), lambda L, o: L.MultiStepLR(o, [1, 3], gamma=0.3),
    lambda L, o: L.ConstantLR(o, factor=0.4, total_iters=3), lambda L, o: L.LinearLR(o, 0.3),
    lambda L, o: L.ExponentialLR(o, 0.8), lambda L, o: L.CosineAnnealingLR(o, 4),
    lambda L, o: L.PolynomialLR(o, 4, 2.0), lambda L, o: L.CosineAnnealingWarmRestarts(o, 2),
    lambda L, o: L.LambdaLR(o, lambda epoch: 0.9**epoch),
    lambda L, o: L.MultiplicativeLR(o, lambda epoch: 0.9),
    lambda L, o: L.SequentialLR(o, [L.LinearLR(o, 0.3), L.ExponentialLR(o, 0.8)], [2]),
    lambda L, o: L.ChainedScheduler([L.LinearLR(o, 0.3), L.ExponentialLR(o, 0.8)]),
    lambda L, o: L.OneCycleLR(o, 0.1, total_steps=12, cycle_momentum=False),
    lambda L, o: L.CyclicLR(o, 0.01, 0.1, 2, cycle_momentum=False),
]  # fmt: skip


@pytest.mark.parametrize("number", range(3 * len(SCHEDULES)))
def test_schedules(number: int) -> None:
    """Each schedule with three of the optimizers, each optimizer with three or so."""
    turn, which = divmod(number, len(SCHEDULES))
    schedule = SCHEDULES[which]
    pair = Pair(OPTIMIZERS[(which + 5 * turn) % len(OPTIMIZERS)], {})
    theirs = schedule(torch.optim.lr_scheduler, pair.their_optimizer)
    mine = schedule(ad.optim.lr_scheduler, pair.my_optimizer)
    for seed in range(5):
        pair.step(seed)
        theirs.step()
        mine.step()
        pair.near(mine.get_last_lr(), theirs.get_last_lr(), "lr")
        if seed == 2:  # each takes over the other's state
            kept, found = theirs.state_dict(), mine.state_dict()
            plain = {"_schedulers", "lr_lambdas", "anneal_func"}
            assert found.keys() == kept.keys()
            if not plain & kept.keys():
                theirs.load_state_dict(found)
                mine.load_state_dict(kept)
    pair.check()
