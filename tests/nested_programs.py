"""What the tests of nested tensors share: programs whose values and gradients are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from oracle import numbers

import anadrome as ad

torch = pytest.importorskip("torch")

BOTH = [ad, torch]
LENGTHS = [2, 4, 1]


def jagged(L: Any, leaf: Any, *inner: int, seed: int = 0, like: Any = None) -> tuple[Any, Any]:
    """Packed values that require a gradient, and a nested tensor of them."""
    values = leaf(L.tensor(numbers(sum(LENGTHS), *inner, seed=seed)).requires_grad_())
    offsets = L.tensor([0, 2, 6, 7]) if like is None else like.offsets()
    return values, L.nested.nested_tensor_from_jagged(values, offsets)


def told(value: Any) -> Any:
    """The parts of a nested tensor; other tensors as arrays."""
    if isinstance(value, (tuple, list)):
        return [told(v) for v in value]
    if getattr(value, "is_nested", False):
        return [value.dim(), *[told(v) for v in value.unbind()]]
    return value.detach().numpy() if hasattr(value, "detach") else value


def ends(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [e for v in value for e in ends(v)]
    if not hasattr(value, "requires_grad") or not value.requires_grad:
        return []
    if value.is_nested and value.layout is not ad.strided and value.layout is not torch.strided:
        value = value.values()
    return list(value.unbind()) if value.is_nested else [value]


def total(L: Any, value: Any) -> Any:
    """A number of a result, of which every part has another weight."""
    parts = ends(value)
    return sum((p * L.tensor(numbers(*p.shape, seed=9))).sum() for p in parts) if parts else None


def same(found: Any, wanted: Any, tolerance: float = 1e-12) -> None:
    assert type(found) is type(wanted)
    if isinstance(found, list):
        assert len(found) == len(wanted)
        for f, w in zip(found, wanted):
            same(f, w, tolerance)
    elif isinstance(found, np.ndarray):
        assert found.shape == wanted.shape and found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)
    else:
        assert found == wanted


def agree(program: Any, theirs: bool = True) -> None:
    """The same values and gradients; ``theirs``: whether PyTorch computes these gradients.

    Ours are compared with finite differences in any case.
    """
    out, found = [], []
    for L in BOTH:
        value, leaves = program(L, lambda x: x)
        out.append(told(value))
        end = total(L, value)
        if end is not None and (theirs or L is ad):
            grads = L.autograd.grad(end, leaves, allow_unused=True)
            found.append([None if g is None else g.numpy() for g in grads])
    same(*out)
    if len(found) == 2:
        same(*found)
    value, leaves = program(ad, lambda x: x)
    end = total(ad, value)
    if end is None:
        return
    rest = iter(())

    def run(*given: Any) -> Any:
        nonlocal rest
        rest = iter(given)
        return total(ad, program(ad, lambda x: next(rest))[0])

    assert ad.autograd.gradcheck(run, [x.detach().requires_grad_() for x in leaves])
