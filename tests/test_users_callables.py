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


def unpacked(value: Any, function: bool) -> Callable[[], object]:
    class Square(ad.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            return gradient * 2 * ctx.saved_tensors[0]

    def wrong(handle: Any) -> Any:
        return value

    def run() -> object:
        x = ad.ones(3, requires_grad=True)
        with ad.autograd.graph.saved_tensors_hooks(lambda t: t, wrong):
            y = Square.apply(x) if function else x.exp()
        return y.sum().backward()

    return run


class Samples:
    def __init__(self, value: Any, length: Any = 4) -> None:
        self.value, self.length = value, length

    def __len__(self) -> Any:
        return self.length

    def __getitem__(self, i: int) -> Any:
        return self.value if i else 1


class Together(Samples):
    def __getitems__(self, indices: Any) -> Any:
        return self.value


class Stream(ad.utils.data.IterableDataset):
    def __init__(self, value: Any) -> None:
        self.value = value

    def __iter__(self) -> Any:
        return self.value


def loaded(data: Any, **options: Any) -> Callable[[], object]:
    return lambda: list(ad.utils.data.DataLoader(data, **{"batch_size": 4, **options}))


def batched(value: Any) -> Callable[[], object]:
    return loaded(Samples(1), batch_size=1, batch_sampler=value)


PRE, POST = "register_full_backward_pre_hook", "register_full_backward_hook"
WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "tensor hook, a word": (
        tensor_hook("a"),
        r"hook '.*' returned 'str'; return a Tensor of shape \(3,\)",
    ),
    "tensor hook, a shape": (
        tensor_hook(ad.ones(2)),
        r"hook '.*' has changed the size of value \(was \(3,\)",
    ),
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
    "Function, a shape": (
        gradient_of_function(ad.ones(2)),
        r"Function MineBackward returned an invalid gradient at index 0 - got \[2\] but expected "
        r"shape compatible with \[3\].*test_users_callables.py:\d+, `return lambda: Mine"),
    "Function, fewer dimensions": (gradient_of_function(ad.ones(())), r"got \[\] but expected"),
    "unpack hook, a word": (
        unpacked("a", False),
        r"unpack hook \S*wrong of saved_tensors_hooks returned str for a value of `ExpBackward0`"),
    "unpack hook, a shape": (
        unpacked(ad.ones(2), False), r"returned a Tensor of float32, shape \(2,\), .*must return a "
        r"Tensor of float32, shape \(3,\)"),
    "unpack hook, a type": (
        unpacked(ad.ones(3).double(), False),
        r"wrong of saved_tensors_hooks returned a Tensor of float64, shape \(3,\)"),
    "unpack hook of a Function, None": (unpacked(None, True), "NoneType .*`SquareBackward`"),
    "unpack hook of a Function, a shape": (
        unpacked(ad.ones(2), True), r"wrong of .*must return a Tensor of float32, shape \(3,\)"),
    "data set, None": (
        loaded(Samples(None)), r"data set Samples gave \[1, None, None, None\]: .* of one kind"),
    "data set, other shapes": (loaded(Samples(ad.ones(2))), "the data set Samples gave"),
    "data set, a length": (loaded(Samples(1, "a")), "Samples.__len__ must return the number of"),
    "data set, a negative length": (loaded(Samples(1, -1)), "Samples.__len__ must return"),
    "data set, all at once": (
        loaded(Together(None)), "Together gave None: Together.__getitems__ must return a list"),
    "stream, None": (loaded(Stream(None)), "Stream.__iter__ of the data set must return an iter"),
    "stream, samples": (loaded(Stream(iter([None, 1]))), r"the data set Stream gave \[None, 1\]"),
    "collate_fn, a word": (loaded(Samples(1), collate_fn="a"), "collate_fn must be a function"),
    "worker_init_fn, a number": (
        loaded(Samples(1), worker_init_fn=3), "worker_init_fn must be a function, not int"),
    "batch_sampler, numbers": (
        batched([3]), "the batch_sampler gave 3; it must give a list of indices for each batch"),
    "batch_sampler, nothing": (batched([[]]), "the batch_sampler gave no index; it must give at"),
    "batch_sampler, a number": (batched(3), "of the batch_sampler must return an iterator"),
    "sampler, a number": (loaded(Samples(1), sampler=3), "of the sampler must return an iterator"),
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
    with pytest.raises((TypeError, RuntimeError, ValueError, IndexError), match=words):
        run()


@pytest.mark.parametrize("kind", [PRE, POST])
def test_none_and_a_fitting_gradient_are_taken(kind: str) -> None:
    size = (1, 2) if kind == PRE else (1, 3)
    for value in (None, (ad.ones(size),), ad.ones(size)):
        backward_hook(kind, value)()
