"""`utils.swap_tensors`, and what becomes of parameters where a module is converted."""

from __future__ import annotations

import importlib
import weakref
from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.torch


def both(program: Any) -> tuple[Any, Any]:
    return program(ad), program(torch)


def told(t: Any) -> Any:
    if t is None:
        return None
    return type(t).__name__, tuple(t.shape), t.requires_grad, t.is_leaf, t.device.type


def test_everything_of_a_tensor_is_swapped() -> None:
    def program(L: Any) -> Any:
        a, b = L.ones(2), L.nn.Parameter(L.full((3, 3), 2.0))
        a.note = 5
        (b * b).sum().backward()
        held = [a, b]
        L.utils.swap_tensors(a, b)
        (a * a).sum().backward()
        same = held[0] is a, hasattr(a, "note"), b.note
        return told(a), told(b), same, a.tolist(), b.tolist(), a.grad.tolist()

    mine, theirs = both(program)
    assert mine == theirs


def test_results_and_views_are_swapped() -> None:
    def program(L: Any) -> Any:
        x = L.ones(2, requires_grad=True)
        y, z = x * 2, L.zeros(3)
        L.utils.swap_tensors(y, z)
        z.sum().backward()
        base = L.ones(4)
        part, other = base[1:], L.zeros(3)
        L.utils.swap_tensors(part, other)
        other.mul_(7)
        part.add_(1)
        return told(y), x.grad.tolist(), base.tolist(), part.tolist(), other.tolist()

    mine, theirs = both(program)
    assert mine == theirs


def test_a_view_stays_one_of_what_it_was_a_view_of() -> None:
    x = ad.ones(3, requires_grad=True)
    base = x * 1
    part, other = base[1:], ad.zeros(5)
    ad.utils.swap_tensors(base, other)
    part.mul_(3)
    other.sum().backward()
    assert base.tolist() == [0.0] * 5 and other.tolist() == [1.0, 3.0, 3.0]
    assert x.grad.tolist() == [1.0, 3.0, 3.0]


def test_what_somebody_counts_on_is_not_swapped() -> None:
    for L in (ad, torch):
        a, b = L.ones(2, requires_grad=True), L.ones(2)
        ref = weakref.ref(b)
        with pytest.raises(RuntimeError, match="Cannot swap t2 because it has weakref"):
            L.utils.swap_tensors(a, b)
        del ref
        loss = (a * a).sum()
        with pytest.raises(RuntimeError):
            L.utils.swap_tensors(a, L.zeros(2))
        loss.backward()
        with pytest.raises((TypeError, AttributeError)):
            L.utils.swap_tensors(L.ones(2), 3)


def test_a_saved_value_that_was_swapped_away_is_not_used() -> None:
    x = ad.ones(2, requires_grad=True)
    y = x * 3
    loss = (y * y).sum()
    ad.utils.swap_tensors(y, ad.zeros(2))
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def _kept(L: Any, convert: Any, before: Any = lambda m: m) -> Any:
    module = before(L.nn.Linear(2, 3))
    old = module.weight
    if not old.is_meta:
        old.grad = L.ones(3, 2)
    convert(module)
    now = module.weight
    return now is old, told(old), told(now), told(now.grad), now.dtype.itemsize


def _tied(L: Any, convert: Any) -> Any:
    a, b = L.nn.Linear(2, 2), L.nn.Linear(2, 2)
    b.weight = a.weight
    both = convert(L.nn.Sequential(a, b))
    return a.weight is b.weight, len(list(both.parameters()))


def _program(L: Any) -> Any:
    assigned = L.nn.Linear(2, 2, device="meta")
    held = assigned.weight
    assigned.load_state_dict({"weight": L.ones(2, 2), "bias": L.zeros(2)}, assign=True)
    return (
        _kept(L, lambda m: m.to("meta")),
        _kept(L, lambda m: m.to_empty(device="cpu"), lambda m: m.to("meta")),
        _kept(L, lambda m: m.double()),
        _tied(L, lambda m: m.to("meta")),
        _tied(L, lambda m: m.double()),
        held is assigned.weight,
        assigned.weight.tolist(),
        told(assigned.weight),
    )


@pytest.mark.parametrize("switch", [None, "swap", "overwrite"])
def test_parameters_of_a_converted_module(switch: str | None) -> None:
    found = []
    for L in (ad, torch):
        future = importlib.import_module(f"{L.__name__}.__future__")
        name = f"{switch}_module_params_on_conversion"
        if switch is not None:
            assert getattr(future, f"get_{name}")() is False
            getattr(future, f"set_{name}")(True)
        try:
            found.append(_program(L))
        finally:
            if switch is not None:
                getattr(future, f"set_{name}")(False)
    assert found[0] == found[1]
