"""Gradients of parts: put side by side where they are all of an array, added up elsewhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import anadrome as ad
from anadrome import patch

Pieces = Any

WHOLE: dict[str, Pieces] = {
    "split": lambda x: x.split(2, dim=1),
    "split, of unequal sizes": lambda x: x.split([1, 4, 1], dim=1),
    "chunk of the last": lambda x: x.chunk(2, dim=-1),
    "unbind": lambda x: x.unbind(0),
    "unbind of the middle": lambda x: x.unbind(1),
    "slices from behind": lambda x: (x[..., 2:], x[..., :2]),
    "slices and an integer": lambda x: (x[:, 1:5], x[:, 0], x[:, -1]),
    "an empty slice besides": lambda x: (x[:2], x[2:2], x[2:]),
}
PARTLY: dict[str, Pieces] = {
    "one left out": lambda x: x.split(2, dim=1)[1:],
    "the last left out": lambda x: x.split(2, dim=1)[:2],
    "a step in the first": lambda x: (x[:, :3:2], x[:, 3:]),
    "one in the middle left out": lambda x: (x[:, :2], x[:, 4:]),
    "one twice": lambda x: (x[:, :3], x[:, 3:], x[:, 0]),
    "as large as all, but one twice": lambda x: (x[0], x[0], x[1]),
    "of two axes": lambda x: (x[:2], x[2:, :3], x[2:, 3:]),
    "along two axes": lambda x: (x[:, :2], x[:2]),
    "every second": lambda x: (x[:, ::2], x[:, 1::2]),
    "with a new axis": lambda x: (x[None, :2], x[None, 2:]),
    "by an array": lambda x: (x[[0, 2]], x[[1]]),
    "overlapping, more than all": lambda x: [x[:, i : i + 4] for i in range(3)] + [x[:, :3]],
}


def gradient(pieces: Pieces, create_graph: bool = False) -> tuple[Any, Any]:
    """Of a sum that has another weight for each value of each piece, and what it must be."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(3, 6, 4))
    x = ad.tensor(values, requires_grad=True)
    wanted = np.zeros_like(values)
    places = ad.arange(values.size).reshape(values.shape)
    total: Any = 0.0
    for piece, place in zip(pieces(x * 1.0), pieces(places)):
        weight = rng.normal(size=tuple(piece.shape))
        total = total + (piece * ad.tensor(weight)).sum()
        np.add.at(wanted.reshape(-1), place.numpy(), weight)
    (got,) = ad.autograd.grad(total, x, create_graph=create_graph)
    return got.detach().numpy(), wanted


@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", [*WHOLE, *PARTLY])
def test_gradient_of_pieces(name: str, create_graph: bool) -> None:
    got, wanted = gradient({**WHOLE, **PARTLY}[name], create_graph)
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


@pytest.mark.parametrize("name", [*WHOLE, *PARTLY])
def test_pieces_of_all_are_put_side_by_side(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no array of zeros is made for them."""
    found = []
    before = patch._side_by_side

    def seen(*given: Any) -> Any:
        out = before(*given)
        found.append(bool(out[1]))
        return out

    monkeypatch.setattr(patch, "_side_by_side", seen)
    gradient({**WHOLE, **PARTLY}[name])
    assert found == [True] if name in WHOLE else True not in found


def test_no_more_is_kept_than_the_full_array() -> None:
    """Windows that overlap are added up as they come."""
    values = np.ones((2, 3))
    whole = patch.Patch((4, 3), values, lambda out, value: None)
    assert whole.takes(patch.Patch((4, 3), values, lambda out, value: None))
    assert not whole.takes(patch.Patch((4, 3), values[:1], lambda out, value: None))


def test_the_gradient_is_an_array_of_its_own() -> None:
    """What a hook or another leaf was given is not written by the next backward."""
    x = ad.ones(4, requires_grad=True)
    a, b = (x * 1.0).split(2)
    weight = ad.tensor([1.0, 2.0])
    (a * weight + b * weight).sum().backward()
    assert x.grad is not None
    x.grad.zero_()
    assert weight.tolist() == [1.0, 2.0]
