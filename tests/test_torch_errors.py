"""Typical bad calls raise the same kind of error as in PyTorch, and say what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.torch

CALLS: dict[str, Callable[[Any], Any]] = {
    "add of shapes": lambda L: L.ones(2, 3) + L.ones(4),
    "mm of shapes": lambda L: L.ones(2, 3).mm(L.ones(2, 3)),
    "mm of vectors": lambda L: L.mm(L.ones(3), L.ones(3)),
    "matmul of shapes": lambda L: L.ones(2, 3) @ L.ones(4, 2),
    "matmul of scalars": lambda L: L.tensor(1.0) @ L.tensor(2.0),
    "bmm of shapes": lambda L: L.bmm(L.ones(2, 3, 4), L.ones(3, 4, 5)),
    "dot of matrices": lambda L: L.dot(L.ones(2, 2), L.ones(2, 2)),
    "mv of shapes": lambda L: L.mv(L.ones(2, 3), L.ones(2)),
    "reshape": lambda L: L.ones(6).reshape(4, 2),
    "reshape twice unknown": lambda L: L.ones(6).reshape(-1, -1),
    "view": lambda L: L.ones(6).view(4),
    "expand": lambda L: L.ones(2).expand(3),
    "expand to fewer": lambda L: L.ones(2, 3).expand(3),
    "permute": lambda L: L.ones(2, 3).permute(0, 0),
    "permute too few": lambda L: L.ones(2, 3).permute(0),
    "transpose": lambda L: L.ones(2, 3).transpose(0, 2),
    "t of three": lambda L: L.ones(2, 3, 4).t(),
    "unsqueeze": lambda L: L.ones(2).unsqueeze(4),
    "squeeze": lambda L: L.ones(2).squeeze(3),
    "flatten": lambda L: L.ones(2, 3).flatten(1, 0),
    "sum dim": lambda L: L.ones(2).sum(3),
    "mean of integers": lambda L: L.ones(2, dtype=L.int64).mean(),
    "max of nothing": lambda L: L.zeros(0).max(),
    "amax of nothing": lambda L: L.zeros(0).amax(),
    "argmax of nothing": lambda L: L.zeros(0).argmax(),
    "softmax dim": lambda L: L.softmax(L.ones(2), 2),
    "cumsum dim": lambda L: L.cumsum(L.ones(2), 1),
    "cat of nothing": lambda L: L.cat([]),
    "cat of shapes": lambda L: L.cat([L.ones(2, 3), L.ones(2, 4)], 0),
    "cat of a tensor": lambda L: L.cat(L.ones(2)),
    "cat dim": lambda L: L.cat([L.ones(2), L.ones(2)], 1),
    "stack of shapes": lambda L: L.stack([L.ones(2), L.ones(3)]),
    "split": lambda L: L.ones(5).split([2, 2]),
    "split by zero": lambda L: L.ones(5).split(0),
    "chunk": lambda L: L.ones(5).chunk(0),
    "index": lambda L: L.ones(3)[3],
    "index of scalar": lambda L: L.tensor(1.0)[0],
    "index too many": lambda L: L.ones(3)[0, 0],
    "index by float": lambda L: L.ones(3)[1.5],
    "index by float tensor": lambda L: L.ones(3)[L.ones(1)],
    "index out of range by tensor": lambda L: L.ones(3)[L.tensor([5])],
    "mask of wrong shape": lambda L: L.ones(3)[L.tensor([True, False])],
    "gather of dims": lambda L: L.gather(L.ones(2, 2), 0, L.tensor([0])),
    "gather by float": lambda L: L.gather(L.ones(2), 0, L.ones(1)),
    "gather out of range": lambda L: L.gather(L.ones(2), 0, L.tensor([7])),
    "index_select out of range": lambda L: L.index_select(L.ones(2), 0, L.tensor([7])),
    "narrow": lambda L: L.ones(3).narrow(0, 2, 5),
    "select": lambda L: L.ones(3).select(0, 4),
    "item of many": lambda L: L.ones(3).item(),
    "bool of many": lambda L: bool(L.ones(3)),
    "bool of none": lambda L: bool(L.zeros(0)),
    "float of many": lambda L: float(L.ones(3)),
    "len of scalar": lambda L: len(L.tensor(1.0)),
    "iter of scalar": lambda L: list(L.tensor(1.0)),
    "numpy of a leaf": lambda L: L.ones(2, requires_grad=True).numpy(),
    "integers to negative powers": lambda L: L.tensor([2]) ** -1,
    "clamp without bounds": lambda L: L.ones(2).clamp(),
    "tensor of a string": lambda L: L.tensor("x"),
    "tensor of ragged lists": lambda L: L.tensor([[1.0], [1.0, 2.0]]),
    "tensor of None": lambda L: L.tensor(None),
    "zeros of negative size": lambda L: L.zeros(-1),
    "arange of wrong sign": lambda L: L.arange(3, 0, 1),
    "add of a string": lambda L: L.ones(2) + "x",
    "add of None": lambda L: L.ones(2) + None,
    "unknown keyword": lambda L: L.sum(L.ones(2), dimension=0),
    "too many arguments": lambda L: L.exp(L.ones(2), 1, 2),
    "exp of a list": lambda L: L.exp([1.0]),
    "requires_grad of integers": lambda L: L.tensor([1], requires_grad=True),
    "unknown device": lambda L: L.ones(2, device="nowhere"),
    "masked_fill of shapes": lambda L: L.ones(3).masked_fill(L.tensor([True, False]), value=0.0),
    "where of shapes": lambda L: L.where(L.tensor([True, False]), L.ones(3), L.ones(3)),
    "repeat of too few": lambda L: L.ones(2, 3).repeat(2),
    "tril of a vector": lambda L: L.tril(L.ones(3)),
    "flip dim": lambda L: L.flip(L.ones(3), (1,)),
    "roll without dim": lambda L: L.roll(L.ones(3), (1, 2), (0,)),
    "movedim": lambda L: L.movedim(L.ones(2, 3), 0, 5),
    "unflatten": lambda L: L.ones(6).unflatten(0, (4, 2)),
    "deepcopy of a result": lambda L: __import__("copy").deepcopy(
        L.ones(2, requires_grad=True) * 2
    ),
    "outer of matrices": lambda L: L.outer(L.ones(2, 2), L.ones(2)),
    "einsum": lambda L: L.einsum("ij,jk", L.ones(2, 3), L.ones(4, 5)),
    "logical_and of shapes": lambda L: L.logical_and(L.ones(2) > 0, L.ones(3) > 0),
    "set_default_dtype": lambda L: L.set_default_dtype(L.int64),
    "grad of another type": lambda L: setattr(L.ones(2, requires_grad=True), "grad", 3.0),
}

FAMILIES = (IndexError, TypeError, NotImplementedError, RuntimeError, ValueError)


def family(function: Callable[[Any], Any], library: Any) -> set[str]:
    """The names of the usual error classes that what it raises belongs to; empty for none."""
    try:
        function(library)
    except Exception as error:
        return {c.__name__ for c in FAMILIES if isinstance(error, c)} or {type(error).__name__}
    return set()


@pytest.mark.parametrize("name", CALLS)
def test_same_kind_of_error(name: str) -> None:
    """Whoever catches PyTorch's error also catches ours."""
    theirs, ours = family(CALLS[name], torch), family(CALLS[name], ad)
    assert theirs, "PyTorch takes this"
    assert theirs - {"NotImplementedError"} <= ours, f"ours is {ours or 'no error'}, there {theirs}"
