"""nn.utils.prune: the same masks, parameters, gradients and refusals as PyTorch's."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import anadrome as ad

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.torch


class Pair:
    """A small network with the same numbers in either library, and what can be seen of it."""

    def __init__(self, L: Any) -> None:
        self.L = L
        self.prune = importlib.import_module(f"{L.__name__}.nn.utils.prune")
        nn = L.nn
        self.net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5))
        rng = np.random.default_rng(0)
        for p in self.net.parameters():
            p.data = L.from_numpy(rng.standard_normal(tuple(p.shape)))
        self.x = L.from_numpy(rng.standard_normal((3, 2, 4, 4)))

    def seen(self) -> dict[str, Any]:
        out = {k: v.numpy() for k, v in self.net.state_dict().items()}
        for p in self.net.parameters():
            p.grad = None
        y = self.net(self.x)
        (y * y).sum().backward()
        out["y"] = y.detach().numpy()
        out |= {f"{n}.grad": p.grad.numpy() for n, p in self.net.named_parameters()}
        out["weight"] = self.net[0].weight.detach().numpy()
        out["pruned"] = self.prune.is_pruned(self.net)
        out["names"] = [n for n, _ in self.net.named_parameters()]
        return out


def twice(p: Pair) -> None:
    p.prune.l1_unstructured(p.net[0], "weight", amount=0.3)
    p.prune.ln_structured(p.net[0], name="weight", amount=0.5, n=2, dim=0)
    p.prune.l1_unstructured(p.net[0], "weight", amount=5)


def scored(p: Pair) -> None:
    scores = p.net[3].weight.detach().cos()
    p.prune.l1_unstructured(p.net[3], "weight", 0.5, importance_scores=scores)
    p.prune.l1_unstructured(p.net[3], name="bias", amount=2)


def everywhere(p: Pair) -> None:
    chosen = ((p.net[0], "weight"), (p.net[3], "weight"))
    p.prune.l1_unstructured(p.net[0], "weight", amount=10)
    p.prune.global_unstructured(chosen, pruning_method=p.prune.L1Unstructured, amount=0.4)


def of_ones_own(p: Pair) -> None:
    class Every(p.prune.BasePruningMethod):  # type: ignore[name-defined]
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t: Any, default_mask: Any) -> Any:
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    Every.apply(p.net[3], "weight")
    p.prune.identity(p.net[0], "bias")
    Every.apply(p.net[3], "weight")


def masked(p: Pair) -> None:
    mask = (p.net[0].weight.detach() > 0).to(p.L.float64)
    p.prune.custom_from_mask(p.net[0], name="weight", mask=mask)


def removed(p: Pair) -> None:
    twice(p)
    scored(p)
    p.prune.remove(p.net[0], "weight")


def columns(p: Pair) -> None:
    p.prune.ln_structured(p.net[3], "weight", amount=3, n=1, dim=1)
    p.prune.ln_structured(p.net[3], "weight", amount=0.25, n=float("inf"), dim=-1)


@pytest.mark.parametrize(
    "change", [twice, scored, everywhere, of_ones_own, masked, removed, columns]
)
def test_same_as_pytorch(change: Callable[[Pair], None]) -> None:
    found, wanted = Pair(ad), Pair(torch)
    for pair in (found, wanted):
        change(pair)
    f, w = found.seen(), wanted.seen()
    assert list(f) == list(w)
    for key, value in w.items():
        if isinstance(value, np.ndarray):
            np.testing.assert_allclose(f[key], value, rtol=1e-9, atol=1e-12, err_msg=key)
        else:
            assert f[key] == value, key


@pytest.mark.parametrize("structured", [False, True])
def test_a_lot_takes_as_many_as_asked(structured: bool) -> None:
    pair = Pair(ad)
    ad.manual_seed(1)
    if structured:
        pair.prune.random_structured(pair.net[3], "weight", amount=2, dim=1)
        mask = pair.net[3].weight_mask
        assert sorted(mask.sum(0).tolist()) == [0.0] * 2 + [5.0] * 14
    else:
        pair.prune.random_unstructured(pair.net[3], "weight", amount=0.25)
        first = pair.net[3].weight_mask.clone()
        assert first.sum().item() == 60
        pair.prune.random_unstructured(pair.net[3], "weight", amount=0.5)
        second = pair.net[3].weight_mask
        assert second.sum().item() == 30
        assert bool((second <= first).all())


REFUSED: dict[str, Callable[[Pair], Any]] = {
    "a share above one": lambda p: p.prune.l1_unstructured(p.net[0], "weight", amount=1.5),
    "below zero": lambda p: p.prune.l1_unstructured(p.net[0], "weight", amount=-1),
    "too many": lambda p: p.prune.l1_unstructured(p.net[0], "weight", amount=1000),
    "a word": lambda p: p.prune.l1_unstructured(p.net[0], "weight", amount="a"),
    "slices of a vector": lambda p: p.prune.ln_structured(p.net[0], "bias", 1, 2, dim=0),
    "no such dimension": lambda p: p.prune.ln_structured(p.net[3], "weight", 1, 2, dim=4),
    "nothing to remove": lambda p: p.prune.remove(p.net[0], "weight"),
    "no list": lambda p: p.prune.global_unstructured(3, p.prune.L1Unstructured, amount=1),
    "slices everywhere": lambda p: p.prune.global_unstructured(
        [(p.net[0], "weight")], p.prune.LnStructured, amount=1, n=2, dim=0
    ),
    "a mask of another shape": lambda p: p.prune.custom_from_mask(
        p.net[0], "weight", p.L.ones(2, 2)
    ),
    "no such parameter": lambda p: p.prune.identity(p.net[0], "nothing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_alike(name: str) -> None:
    with pytest.raises(Exception) as wanted:
        REFUSED[name](Pair(torch))
    with pytest.raises(wanted.type):
        REFUSED[name](Pair(ad))
