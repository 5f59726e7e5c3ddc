"""Inference mode: what is made in it is barred from graphs, as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import anadrome as ad

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")


def made(library: Any, how: Callable[[Any], Any]) -> Any:
    with library.inference_mode():
        return how(library)


MAKERS = {
    "one array": lambda L: L.ones(2).exp(),
    "two arrays": lambda L: L.ones(2) * L.ones(2),
    "metadata": lambda L: L.ones(2).sum(0),
    "several arrays": lambda L: L.cat([L.ones(2), L.ones(2)]),
    "several outputs": lambda L: L.ones(2, 2).max(0)[0],
    "creation": lambda L: L.ones(2),
    "chance": lambda L: L.rand(2),
    "a view": lambda L: L.ones(2, 2)[0],
}


@pytest.mark.parametrize("name", MAKERS)
def test_they_know(name: str) -> None:
    for library in (ad, torch):
        assert made(library, MAKERS[name]).is_inference(), library.__name__
        assert not MAKERS[name](library).is_inference()
        assert not made(library, MAKERS[name]).clone().is_inference()


def refusal(library: Any, call: Callable[[Any, Any], Any]) -> str:
    x = made(library, lambda L: L.ones(2) * 2)
    with pytest.raises(RuntimeError) as caught:
        call(library, x)
    return str(caught.value)


REFUSED = {
    "Inference tensors cannot be saved for backward": lambda L, x: (
        L.ones(2, requires_grad=True) * x
    ),
    "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed": (
        lambda L, x: x.requires_grad_()
    ),
    "Inplace update to inference tensor outside InferenceMode is not allowed": lambda L, x: x.add_(
        1
    ),
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    for library in (ad, torch):
        assert refusal(library, REFUSED[text]).startswith(text)


def test_what_saves_nothing_may_use_them() -> None:
    for library in (ad, torch):
        x = made(library, lambda L: L.ones(2) * 2)
        leaf = library.ones(2, requires_grad=True)
        (leaf + x).sum().backward()
        assert leaf.grad.tolist() == [1.0, 1.0]


def test_in_the_mode_they_are_written() -> None:
    for library in (ad, torch):
        with library.inference_mode():
            x = library.ones(2)
            x.add_(1)
        assert x.tolist() == [2.0, 2.0]
