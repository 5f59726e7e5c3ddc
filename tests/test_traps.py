"""The watcher: each trap is told once, at the line to blame, and nothing else is."""

from __future__ import annotations

import contextlib
import sys
import warnings
from typing import Any

import pytest

import anadrome as ad
from anadrome import TrapWarning
from anadrome.plugins.traps import registry


class Model:
    """Names for the parameters, as an nn.Module would give them."""

    def __init__(self) -> None:
        self.first = ad.randn(3, 3).requires_grad_()
        self.second = ad.randn(3, 1).requires_grad_()
        self.frozen = ad.randn(3)

    def named_parameters(self) -> Any:
        return iter(vars(self).items())

    def parameters(self) -> Any:
        return iter(vars(self).values())

    def __call__(self, x: ad.Tensor) -> ad.Tensor:
        return (x @ self.first).tanh() @ self.second


@pytest.fixture
def model() -> Model:
    return Model()


X = ad.ones(2, 3)


def sgd(model: Model) -> Any:
    return ad.optim.SGD(list(model.parameters())[:2], lr=0.1)


def line_above() -> int:
    """The line before the caller's."""
    return sys._getframe(1).f_lineno - 1


@contextlib.contextmanager
def telling(expected: int) -> Any:
    """The messages that the block gives rise to, with their lines; exactly so many."""
    told: list[Any] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield told
    told += [(str(w.message), w.lineno) for w in caught if w.category is TrapWarning]
    assert all(w.filename == __file__ for w in caught if w.category is TrapWarning)
    assert len(told) == expected, told


def test_forgotten_zero_grad(model: Model) -> None:
    optimizer = sgd(model)
    with telling(1) as told, ad.traps(model, optimizer) as watch:
        for _ in range(3):
            model(X).sum().backward()
            back = line_above()
            optimizer.step()
            step = line_above()
    text, line = told[0]
    assert line == back
    assert text.startswith("2 gradients that the step at ")
    assert f"test_traps.py:{step}, `optimizer.step()" in text
    assert text.endswith(
        "has already used: this backward adds to them, so the next step goes the old way once "
        "more. Write `optimizer.zero_grad()` before backward()."
    )
    (found,) = watch.found
    assert found.endswith(f"test_traps.py:{back}: {text}")


@pytest.mark.parametrize("to_none", [True, False])
@pytest.mark.parametrize("place", ["before", "after"])
def test_zero_grad_before_backward_or_after_step(model: Model, to_none: bool, place: str) -> None:
    optimizer = sgd(model)
    with telling(0), ad.traps(model, optimizer):
        for _ in range(3):
            if place == "before":
                optimizer.zero_grad(set_to_none=to_none)
            model(X).sum().backward()
            model(X).sum().backward()  # accumulated on purpose
            optimizer.step()
            if place == "after":
                optimizer.zero_grad(set_to_none=to_none)


def test_gradients_cleared_by_hand_or_replaced(model: Model) -> None:
    optimizer = sgd(model)
    with telling(0), ad.traps(model):
        for way in range(4):
            for p in (model.first, model.second):
                if p.grad is None:
                    continue
                if way == 1:
                    p.grad = None
                elif way == 2:
                    p.grad.zero_()
                else:
                    p.grad = p.grad * 0.5
            model(X).sum().backward()
            optimizer.step()


def test_autograd_grad_does_not_accumulate(model: Model) -> None:
    optimizer = sgd(model)
    with telling(0), ad.traps(model):
        model(X).sum().backward()
        optimizer.step()
        ad.autograd.grad(model(X).sum(), model.first)


def test_detach_that_cuts_the_model_off(model: Model) -> None:
    optimizer = sgd(model)
    with telling(1) as told, ad.traps(model, optimizer):
        for _ in range(2):
            optimizer.zero_grad()
            h = (X @ model.first).tanh()
            h = h.detach()
            cut = line_above()
            (h @ model.second).sum().backward()
            optimizer.step()
    text, line = told[0]
    assert line == cut
    assert text.startswith("no gradient for `first`: cut off by the detach at ")
    assert f"test_traps.py:{cut}, `h = h.detach()" in text
    assert text.endswith("or freeze what comes before it with `requires_grad_(False)`.")


def test_detach_for_the_log_is_no_trap(model: Model) -> None:
    optimizer = sgd(model)
    with telling(0), ad.traps(model, optimizer):
        for _ in range(2):
            optimizer.zero_grad()
            loss = model(X).sum()
            loss.backward()
            optimizer.step()
            str(loss), loss.detach(), loss.item()


def test_parameter_that_is_not_used(model: Model) -> None:
    optimizer = sgd(model)
    with telling(1) as told, ad.traps(model, optimizer):
        (X @ model.first).sum().backward()
        optimizer.step()
        step = line_above()
    assert told == [
        (
            "no gradient for `second`: not used in the forward. Use it, or leave it out of the "
            "optimizer, or freeze it with `requires_grad_(False)`.",
            step,
        )
    ]


def test_parameter_used_without_recording(model: Model) -> None:
    optimizer = sgd(model)
    with telling(1) as told, ad.traps(optimizer=optimizer):
        with ad.no_grad():
            h = X @ model.first
            use = line_above()
        (h @ model.second).sum().backward()
        optimizer.step()
    text, line = told[0]
    assert line == use
    assert text.startswith("no gradient for a parameter of shape (3, 3): used at ")
    assert text.endswith("where recording is off. Take that out of `no_grad()`.")


def test_parameter_that_the_loss_does_not_depend_on(model: Model) -> None:
    optimizer = sgd(model)
    with telling(1) as told, ad.traps(model, optimizer):
        h = (X @ model.first).sum().item()
        use = line_above()
        (model.second * h).sum().backward()
        optimizer.step()
    text, line = told[0]
    assert line == use
    assert text.startswith("no gradient for `first`: used at ")
    assert "but the loss does not depend on what comes of it. Look for an `.item()`" in text


def test_without_a_step_the_end_looks(model: Model) -> None:
    with telling(1) as told, ad.traps(model):
        (X @ model.first).sum().backward()
        back = line_above()
    assert told[0][1] == back
    assert told[0][0].startswith("no gradient for `second`: not used in the forward.")


def test_step_where_there_is_no_gradient(model: Model) -> None:
    optimizer = sgd(model)
    with telling(2) as told, ad.traps(model, optimizer):
        optimizer.step()
        first = line_above()
        other = ad.ones(1, requires_grad=True)
        other.sum().backward()
        optimizer.step()
        second = line_above()
    assert told == [
        (
            "SGD.step() where no parameter has a gradient: call `loss.backward()` before it, and "
            "`optimizer.zero_grad()` before that.",
            first,
        ),
        (
            "SGD.step() where no parameter has a gradient: backward() was called, but not used in "
            "the forward. Use it, or leave it out of the optimizer, or freeze it with "
            "`requires_grad_(False)`.",
            second,
        ),
    ]


def test_only_the_given_optimizer_is_watched(model: Model) -> None:
    mine, other = sgd(model), ad.optim.SGD([ad.ones(1, requires_grad=True)], lr=0.1)
    with telling(0), ad.traps(optimizer=mine):
        other.step()
    with telling(1), ad.traps():
        other.step()


def test_many_parameters_are_told_together() -> None:
    parameters = [ad.ones(1, requires_grad=True) for _ in range(7)]
    optimizer = ad.optim.SGD(parameters, lr=0.1)
    with telling(1) as told, ad.traps(optimizer=optimizer):
        parameters[0].sum().backward()
        optimizer.step()
    assert told[0][0].count("a parameter of shape (1,)") == 4
    assert "and 2 more: not used" in told[0][0]


def test_skipped_steps_of_a_scaler_are_no_trap(model: Model) -> None:
    optimizer, scaler = sgd(model), ad.amp.GradScaler("cpu")
    with telling(0), ad.traps(model, optimizer):
        for factor in (1.0, float("inf"), 1.0):
            optimizer.zero_grad()
            scaler.scale((model(X) * factor).sum()).backward()
            scaler.step(optimizer)
            scaler.update()


def test_checkpointed_model_is_no_trap(model: Model) -> None:
    from anadrome.utils.checkpoint import checkpoint

    optimizer = sgd(model)
    for reentrant in (False, True):
        x = X.detach().requires_grad_()
        with telling(0), ad.traps(model, optimizer):
            for _ in range(2):
                optimizer.zero_grad()
                checkpoint(model, x, use_reentrant=reentrant).sum().backward()
                optimizer.step()


def test_as_a_function_it_watches_until_it_is_closed(model: Model) -> None:
    before = ad.modes.current().modes
    watch = ad.traps(model)
    optimizer = sgd(model)
    with telling(1):
        optimizer.step()
    watch.close()
    watch.close()
    assert ad.modes.current().modes == before
    with telling(0):
        optimizer.step()
    assert len(watch.found) == 1


def test_as_a_decorator(model: Model) -> None:
    @ad.traps(model)
    def train() -> None:
        sgd(model).step()

    assert registry.active == []
    with telling(1):
        train()
    assert registry.active == []


def test_idle_hooks_do_nothing(model: Model) -> None:
    from anadrome.plugins import traps

    assert registry.active == []
    assert traps.around_backward((X,)) is None
    for hook, value in (
        (traps.grad_ready, object()), (traps.before_step, object()), (traps.after_step, object()),
    ):  # fmt: skip
        assert hook(value) is None  # would fail on anything that looked at it


def test_loss_made_of_numbers_says_so() -> None:
    w = ad.ones(1, requires_grad=True)
    with pytest.raises(
        RuntimeError, match=r"does not require grad.*a `\.detach\(\)`, `\.item\(\)`"
    ):
        ad.tensor(w.sum().item()).backward()
