"""Writing a tensor into memory that it shares: what is read is what was there before.

PyTorch refuses such a write where it notices, and otherwise leaves values that depend on the order
of its loop. Its result for a clone of the source is the oracle.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from oracle import agree, numbers

pytestmark = pytest.mark.torch


def apart(library: Any, source: Any) -> Any:
    """The source as it is for us, a clone of it for PyTorch."""
    return source.clone() if library.__name__ == "torch" else source


OVERLAPPING: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "transpose": (lambda y: y, lambda y: y.t()),
    "rows down": (lambda y: y[1:], lambda y: y[:-1]),
    "columns right": (lambda y: y[:, 1:], lambda y: y[:, :-1]),
    "columns left": (lambda y: y[:, :-1], lambda y: y[:, 1:]),
    "itself": (lambda y: y, lambda y: y),
}


@pytest.mark.parametrize("name", OVERLAPPING)
def test_copy(name: str) -> None:
    target, source = OVERLAPPING[name]

    def call(library: Any, x: Any) -> Any:
        y = x * 1.0
        target(y).copy_(apart(library, source(y)))
        return y * y

    agree(call, numbers(3, 3))


@pytest.mark.parametrize("name", OVERLAPPING)
def test_arithmetic(name: str) -> None:
    target, source = OVERLAPPING[name]

    def call(library: Any, x: Any) -> Any:
        y = x * 1.0
        target(y).sub_(apart(library, source(y)))
        return y * y

    agree(call, numbers(3, 3))


def test_setitem() -> None:
    def call(library: Any, x: Any) -> Any:
        y = x * 1.0
        y[1:] = apart(library, y[:-1])
        y[:, 0] = apart(library, y[0])
        return y * y

    agree(call, numbers(3, 3))
