"""What a user's hooks, closures and functions return is looked at; the error names them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import anadrome as ad


def backward_hook(kind: str, value: Any) -> Callable[[], object]:
    def wrong(*_: Any) -> Any:
        return value

    def run() -> object:
        layer = ad.nn.Linear(3, 2)
        getattr(layer, kind)(wrong)
        return layer(ad.ones(1, 3, requires_grad=True)).sum().backward()

    return run


def gradient_of_function(value: Any) -> Callable[[], object]:
    class Mine(ad.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            return value

    return lambda: Mine.apply(ad.ones(3, requires_grad=True)).sum().backward()


def stepped(make: Callable[[Any], Any]) -> Callable[[], object]:
    def run() -> object:
        parameter = ad.ones(3, requires_grad=True)
        parameter.grad = ad.ones(3)
        return make([parameter])

    return run


def scheduled(value: Any) -> Callable[[], object]:
    def wrong(epoch: int) -> Any:
        return value

    return stepped(lambda p: ad.optim.lr_scheduler.LambdaLR(ad.optim.SGD(p, 0.1), wrong))


def tensor_hook(value: Any) -> Callable[[], object]:
    def run() -> object:
        x = ad.ones(3, requires_grad=True)
        x.register_hook(lambda g: value)
        return (x * 2).sum().backward()

    return run


PRE, POST = "register_full_backward_pre_hook", "register_full_backward_hook"
WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "tensor hook, a word": (tensor_hook("a"), r"hook returned str where a Tensor of shape \(3,\)"),
    "tensor hook, a shape": (tensor_hook(ad.ones(2)), r"where a Tensor of shape \(3,\)"),
    "backward hook, a word": (
        backward_hook(POST, "a"),
        r"Backward hook \S*wrong returned str for grad_input\[0\]; it must return a Tensor of",
    ),
    "backward hook, a shape": (
        backward_hook(POST, (ad.ones(7),)), r"wrong returned shape \(7,\) for grad_input\[0\]"),
    "backward hook, two": (backward_hook(POST, (None, None)), "got 2, but expected 1"),
    "pre hook, a number": (
        backward_hook(PRE, 3), r"Backward pre hook \S*wrong returned int for grad_output\[0\]"),
    "pre hook, a shape": (
        backward_hook(PRE, (ad.ones(7),)), r"a Tensor of shape \(1, 2\), or None"),
    "Function, a word": (gradient_of_function("a"), "MineBackward returned a str as gradient"),
    "Function, two": (
        gradient_of_function((None, ad.ones(3))), "MineBackward returned an incorrect"),
    "Function, none": (gradient_of_function(()), r"expected 1, got 0"),
    "LBFGS' closure": (
        stepped(lambda p: ad.optim.LBFGS(p).step(lambda: None)),
        "the closure returned NoneType; it must return the loss"),
    "lr lambda, None": (
        scheduled(None), r"LambdaLR: lr_lambda \S*wrong returned NoneType for epoch 0; it must"),
    "lr lambda, a word": (scheduled("a"), "wrong returned str for epoch 0"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_the_error_names_the_callable_and_what_it_should_return(name: str) -> None:
    run, words = WRONG[name]
    with pytest.raises((TypeError, RuntimeError), match=words):
        run()


@pytest.mark.parametrize("kind", [PRE, POST])
def test_none_and_a_fitting_gradient_are_taken(kind: str) -> None:
    size = (1, 2) if kind == PRE else (1, 3)
    for value in (None, (ad.ones(size),), ad.ones(size)):
        backward_hook(kind, value)()
