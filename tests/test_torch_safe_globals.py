"""``serialization.add_safe_globals``: objects of allowed classes are read, others are refused."""

from __future__ import annotations

import dataclasses
import enum
import fractions
import io
from typing import Any

import pytest

import anadrome as ad
from anadrome import serialization as S

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@dataclasses.dataclass(frozen=True)
class Options:
    rate: float
    weight: Any


class Slotted:
    __slots__ = ("a",)

    def __init__(self, a: int) -> None:
        self.a = a


class Stateful:
    def __init__(self) -> None:
        self.kept = 1

    def __getstate__(self) -> dict[str, int]:
        return {"given": 7}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.kept = state["given"]


class Colour(enum.Enum):
    RED = "red"


def written(L: Any, obj: Any) -> io.BytesIO:
    file = io.BytesIO()
    L.save(obj, file)
    file.seek(0)
    return file


@pytest.mark.parametrize("L", [ad, torch], ids=["ours", "pytorch's"])
def test_allowed_objects(L: Any) -> None:
    def data() -> io.BytesIO:
        state = [
            Options(0.5, L.ones(2)),
            Slotted(3),
            Stateful(),
            Colour.RED,
            fractions.Fraction(1, 3),
        ]
        return written(L, state)

    with pytest.raises(RuntimeError, match=r"names .*Options.*serialization\.add_safe_globals"):
        ad.load(data())
    classes = [Options, Slotted, Stateful, Colour, fractions.Fraction]
    unsafe = S.get_unsafe_globals_in_checkpoint(data())
    theirs = torch.serialization.get_unsafe_globals_in_checkpoint(data())
    assert sorted(unsafe) == sorted(theirs)
    with S.safe_globals(classes):
        assert S.get_safe_globals() == classes
        assert S.get_unsafe_globals_in_checkpoint(data()) == [
            n for n in unsafe if not any(c.__name__ in n for c in classes)
        ]
        options, slotted, stateful, colour, third = ad.load(data())
    assert (options.rate, options.weight.tolist()) == (0.5, [1.0, 1.0])
    assert (slotted.a, stateful.kept, colour, third) == (3, 7, Colour.RED, fractions.Fraction(1, 3))
    assert S.get_safe_globals() == []


def test_names_and_refusals() -> None:
    file = written(ad, {"x": Slotted(3)})
    S.add_safe_globals([(Stateful, "nowhere.Else")])
    try:
        with pytest.raises(RuntimeError, match="Slotted"):
            ad.load(file)
        with pytest.raises(TypeError, match="takes functions and classes"):
            S.add_safe_globals([3])
        S.add_safe_globals([(Slotted, f"{__name__}.Slotted")])
        file.seek(0)
        assert ad.load(file)["x"].a == 3
    finally:
        S.clear_safe_globals()
    assert S.get_safe_globals() == []
    with pytest.raises(ValueError, match="Expected input to be a checkpoint"):
        S.get_unsafe_globals_in_checkpoint(io.BytesIO(b"no file"))
