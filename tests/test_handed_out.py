"""Gradients that a user is handed, and writes into: no later backward is another by that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import anadrome as ad


def _through_a_function(x: ad.Tensor, write: Callable[[ad.Tensor], None]) -> ad.Tensor:
    class Same(ad.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: ad.Tensor) -> ad.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: Any, grad: ad.Tensor) -> ad.Tensor:
            write(grad)
            return grad

    return Same.apply(x)


HANDED_OUT: dict[str, Callable[[ad.Tensor, Any], Any]] = {
    "hook": lambda y, write: (y.register_hook(write), y.backward(retain_graph=True)),
    "retain_grad": lambda y, write: (y.retain_grad(), y.backward(retain_graph=True), write(y.grad)),
    "autograd.grad": lambda y, write: write(ad.autograd.grad(y, y, retain_graph=True)[0]),
    "Function": lambda y, write: _through_a_function(y, write).backward(retain_graph=True),
}


@pytest.mark.parametrize("way", HANDED_OUT)
def test_what_is_written_into_a_gradient_changes_no_later_backward(way: str) -> None:
    def write(grad: ad.Tensor) -> None:
        with ad.no_grad():
            grad.mul_(7.0)

    x = ad.tensor(2.0, requires_grad=True)
    HANDED_OUT[way](x * 3.0, write)
    x.grad = None
    (x * 3.0).backward()
    assert x.grad.item() == 3.0
