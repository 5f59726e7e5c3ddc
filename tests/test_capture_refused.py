"""capture: what a fixed program cannot do is refused, with the line, and nothing is left behind."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from captures import replayed

import anadrome as ad
from anadrome.errors import CaptureError
from anadrome.tensor import Tensor

W = ad.ones(8, 1, requires_grad=True)
VALUE = r"cannot take a value out of a Tensor.*test_capture_refused\.py:\d+, `.*Return the Tensor"
SIZES = r"as many elements as the data says.*test_capture_refused\.py:\d+.*use `where\(\)`"
REFUSED: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "item": (lambda x: x.sum().item(), VALUE),
    "item of what is held": (lambda x: x * W.detach().sum().item(), VALUE),
    "float": (lambda x: float(x.sum()), VALUE),
    "int": (lambda x: int(x.sum()), VALUE),
    "branch": (lambda x: x if x.sum() > 0 else -x, VALUE),
    "loop": (lambda x: [x for _ in range(x.sum().long())], VALUE),
    "max": (lambda x: max(x.sum(), x.mean()), VALUE),
    "tolist": (lambda x: x.tolist(), VALUE),
    "numpy": (lambda x: x.numpy(), VALUE),
    "array": (lambda x: np.asarray(x + 1), VALUE),
    "print": (lambda x: print(x + 1), VALUE),
    "format": (lambda x: f"{x.sum():.2f}", VALUE),
    "allclose": (lambda x: ad.allclose(x, x), VALUE),
    "math on a live value": (lambda x: x * math.sqrt(ad.modes.live(lambda: 2.0)), VALUE),
    "index by a live value": (lambda x: [1, 2][ad.modes.live(lambda: 1)], VALUE),
    "mask": (lambda x: x[x > 0], SIZES),
    "nonzero": (lambda x: ad.nonzero(x + 1), SIZES),
    "where": (lambda x: ad.where(x > 0), SIZES),
    "masked_select": (lambda x: ad.masked_select(x, x > 0), SIZES),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_when_recorded(name: str) -> None:
    function, text = REFUSED[name]
    x = ad.ones(4, 8)
    with pytest.raises(CaptureError, match=f"(?s){text}"):
        ad.capture(function)(x)
    assert type(x._data) is type(W._data) is np.ndarray
    assert (x @ W).sum().item() == 32.0


@pytest.mark.parametrize(
    ("other", "text"),
    [
        (ad.ones(3, 8), r"'x' has shape \(3, 8\).*captured with \(4, 8\).*smaller batch"),
        (ad.ones(4, 8, dtype=ad.float64), r"'x' has .*dtype float64.*with .*float32"),
        (2.0, r"captured with other arguments: \(x=Tensor\).*with \(x=2.0\)"),
        (ad.ones(4, 8, requires_grad=True) * 2, r"'x' was computed by `MulBackward0`.*detach\(\)"),
    ],
)  # fmt: skip
def test_refused_when_called(other: Any, text: str) -> None:
    captured = replayed(lambda x: x * 2, ad.ones(4, 8))
    with pytest.raises(CaptureError, match=f"(?s){text}"):
        captured(x=other)
    assert captured(ad.ones(4, 8)).shape == (4, 8)
    if not isinstance(other, float):
        with pytest.raises(CaptureError, match=f"(?s){text}"):
            captured(other)


def test_refused_arguments_that_change() -> None:
    captured = ad.capture(lambda x, scale: x * scale)
    captured(ad.ones(2), 1.0)
    with pytest.raises(CaptureError, match=r"scale=1.0\).*_refused\.py:\d+.*scale=2.0\)"):
        captured(ad.ones(2), 2.0)


def test_one_tensor_twice_and_then_two() -> None:
    x, y = ad.ones(2), ad.zeros(2)
    captured = replayed(lambda a, b: a + b, x, x)
    assert captured(y, y).tolist() == [0.0, 0.0]
    assert captured(x, y).tolist() == [1.0, 1.0]


def test_refused_a_parameter_whose_array_was_replaced() -> None:
    weight = ad.ones(2, requires_grad=True)
    captured = replayed(lambda x: x * weight, ad.ones(2))
    weight.data = ad.zeros(2)
    with pytest.raises(CaptureError, match=r"array of 'weight' was replaced.*copy_"):
        captured(ad.ones(2))
    with ad.no_grad():
        weight.fill_(3.0)


def test_refused_to_replace_an_array() -> None:
    weight = ad.ones(2, requires_grad=True)

    def step(x: Tensor) -> Tensor:
        weight.data = weight.data - x
        return weight * x

    captured = ad.capture(step)
    captured(ad.ones(2))
    with pytest.raises(CaptureError, match=r"replaces the array of weight; write into it in place"):
        captured(ad.ones(2))
    assert weight.tolist() == [-1.0, -1.0]


def test_refused_a_history_for_what_is_held() -> None:
    hidden = ad.zeros(2)
    weight = ad.ones(2, requires_grad=True)
    captured = ad.capture(lambda x: hidden.add_(x * weight))
    with pytest.raises(CaptureError, match=r"gives hidden a history.*detach"):
        for _ in range(3):
            captured(ad.ones(2))


def test_refused_a_tensor_kept_outside() -> None:
    losses: list[Tensor] = []

    def step(x: Tensor) -> None:
        losses.append((x * 2).sum())

    captured = ad.capture(step)
    captured(ad.ones(2))
    with pytest.raises(
        CaptureError, match=r"made at .*test_capture_refused\.py:\d+.*kept outside.*return it"
    ):
        captured(ad.ones(2))
    assert [t.item() for t in losses] == [4.0, 4.0]


@pytest.mark.parametrize(
    "make",
    [
        lambda n: 1.0 / n,
        lambda n: ad.tensor([1.0 * n, 2.0]),
        lambda n: ad.from_numpy(np.array([1.0 * n, 2.0], "float32")),
    ],
)
def test_refused_what_changes_unseen(make: Callable[[int], Any]) -> None:
    count = iter(range(1, 10))
    captured = ad.capture(lambda x: x * make(next(count)))
    captured(ad.ones(2))
    captured(ad.ones(2))
    with pytest.raises(CaptureError, match=r"another program in each call.*_refused\.py.*live"):
        captured(ad.ones(2))


def test_refused_an_array_that_is_made_unseen_and_written() -> None:
    def step(x: Tensor) -> Tensor:
        total = ad.from_numpy(np.zeros(2, "float32"))
        total += x
        return total

    captured = ad.capture(step)
    assert captured(ad.ones(2)).tolist() == captured(ad.ones(2)).tolist() == [1.0, 1.0]
    with pytest.raises(CaptureError, match="another program in each call"):
        captured(ad.ones(2))


def test_an_error_of_the_step_is_passed_on() -> None:
    weight = ad.ones(3, 3, requires_grad=True)
    failing = [True]

    def step(x: Tensor) -> Tensor:
        out = x @ weight
        if failing:
            raise KeyError("mine")
        return out

    captured = ad.capture(step)
    with pytest.raises(KeyError, match="mine"):
        captured(ad.ones(2, 3))
    assert type(weight._data) is np.ndarray
    failing.clear()
    assert captured(ad.ones(2, 3)).tolist() == [[3.0] * 3] * 2
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        ad.capture(step)(ad.ones(2, 4))


def test_leftover_traced_arrays_are_real_again() -> None:
    kept: list[Tensor] = []

    def step(x: Tensor) -> None:
        kept.append(x * 2)
        x.sum().item()

    with pytest.raises(CaptureError):
        ad.capture(step)(ad.ones(2))
    assert type(kept[0]._data) is np.ndarray
    assert (kept[0] + 1).tolist() == [3.0, 3.0]
