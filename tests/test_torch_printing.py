"""A Tensor prints as PyTorch prints it, character by character."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import anadrome as ad
from anadrome import dtypes

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")

DTYPES = [d.name for d in dtypes.ALL]
SHAPES = [
    (), (1,), (3,), (20,), (2, 3), (2, 3, 4), (1, 1, 1, 2), (0,), (0, 3), (2, 0), (1001,), (40, 40),
    (4, 400), (7, 7, 50),
]  # fmt: skip


@pytest.fixture(autouse=True)
def shown_as_torch(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The library's name decides where a line breaks."""
    monkeypatch.setattr(dtypes, "shown_as", "torch")
    yield
    for library in (ad, torch):
        library.set_printoptions(profile="default")


def values(shape: tuple[int, ...]) -> dict[str, Any]:
    stream = np.random.default_rng(0)
    x = stream.standard_normal(shape)
    with np.errstate(all="ignore"):
        return {
            "plain": x,
            "whole": np.round(x * 10),
            "of all sizes": x * 10.0 ** stream.integers(-6, 6, shape),
            "not finite": np.where(x > 0.5, np.nan, np.where(x < -0.5, -np.inf, x)),
            "large": x * 1e9,
            "zero": np.zeros(shape),
        }


def pair(array: Any, kind: str) -> tuple[Any, Any]:
    if kind in ("int8", "uint8", "int16", "int32", "int64", "bool"):
        array = (np.nan_to_num(array, posinf=0, neginf=0) * 3).astype(np.int64) % 120
    elif kind.startswith("complex"):
        array = array - 1j * np.roll(array, 1)
    theirs = torch.tensor(array).to(getattr(torch, kind))
    host = theirs.float() if kind == "bfloat16" else theirs
    return ad.tensor(host.numpy(), dtype=dtypes.BY_NAME[kind]), theirs


@pytest.mark.parametrize("kind", DTYPES)
def test_values_of_every_kind(kind: str) -> None:
    for shape in SHAPES:
        for what, array in values(shape).items():
            ours, theirs = pair(array, kind)
            assert repr(ours) == repr(theirs), f"{shape} {what}"
            assert str(ours) == str(theirs)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_with_a_gradient(kind: str) -> None:
    for shape in SHAPES[:10]:
        ours, theirs = pair(values(shape)["plain"], kind)
        ours.requires_grad_()
        theirs.requires_grad_()
        assert repr(ours) == repr(theirs)
        assert repr(ours.exp()) == repr(theirs.exp())
        assert repr(ours.sum()) == repr(theirs.sum())
        assert repr(ad.nn.Parameter(ours.detach())) == repr(torch.nn.Parameter(theirs.detach()))


@pytest.mark.parametrize(
    "options",
    [
        {"precision": 2}, {"precision": 8}, {"sci_mode": True}, {"sci_mode": False},
        {"threshold": 5}, {"profile": "short"}, {"profile": "full"}, {"linewidth": 40},
        {"edgeitems": 1, "threshold": 3}, {"edgeitems": 0, "threshold": 3},
    ],
    ids=str,
)  # fmt: skip
def test_options(options: dict[str, Any]) -> None:
    for shape in [(30,), (3, 3, 3), (40, 40), (4, 8)]:
        for array in values(shape).values():
            ours, theirs = pair(array, "float32")
            for library in (ad, torch):
                library.set_printoptions(**options)
            assert repr(ours) == repr(theirs), f"{options} {shape}"
            for library in (ad, torch):
                library.set_printoptions(profile="default")


def test_options_for_a_while() -> None:
    x = ad.tensor([1.23456])
    with ad.printoptions(precision=1):
        assert repr(x) == "tensor([1.2])"
    assert repr(x) == "tensor([1.2346])"
    assert ad.get_printoptions()["precision"] == 4


def test_a_default_dtype_is_not_shown() -> None:
    for library in (ad, torch):
        library.set_default_dtype(library.float64)
    try:
        assert repr(ad.ones(2)) == repr(torch.ones(2)) == "tensor([1., 1.])"
        assert repr(ad.ones(2).float()) == repr(torch.ones(2).float())
    finally:
        for library in (ad, torch):
            library.set_default_dtype(library.float32)


def test_buffers_print_as_tensors() -> None:
    assert repr(ad.nn.Buffer(ad.ones(2))) == repr(torch.nn.Buffer(torch.ones(2)))


def test_subclasses_print_their_names() -> None:
    class Mine(ad.Tensor):
        pass

    assert repr(Mine([1.0])) == "Mine([1.])"


def test_the_library_is_named_where_it_is_not_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dtypes, "shown_as", "anadrome")
    assert repr(ad.ones(1, dtype=ad.float64)) == "tensor([1.], dtype=anadrome.float64)"
    assert repr(ad.ones(1).shape) == "anadrome.Size([1])"
