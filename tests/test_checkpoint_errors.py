"""Checkpointing: what goes wrong is said, in PyTorch's words where it has them."""

from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import anadrome as ad
from anadrome.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    set_checkpoint_debug_enabled,
    set_checkpoint_early_stop,
)


def leaf(*shape: int, seed: int = 0) -> ad.Tensor:
    generator = ad.Generator().manual_seed(seed)
    return ad.randn(*shape, generator=generator).requires_grad_()


class Changing:
    """A segment that does something else the second time."""

    def __init__(self, first: Callable[..., Any], second: Callable[..., Any]) -> None:
        self.ways = [first, second]

    def __call__(self, x: ad.Tensor) -> ad.Tensor:
        return self.ways.pop(0)(x)


FEWER = (lambda x: x.exp().sin().exp(), lambda x: x.exp())
MORE = (lambda x: x.exp(), lambda x: x.exp().sin().exp())
SHORTER = (lambda x: x.exp().sin(), lambda x: x[:2].exp().sin())
WIDER = (lambda x: x.exp().sin(), lambda x: x.double().exp().sin())


def test_fewer_values_the_second_time() -> None:
    with pytest.raises(CheckpointError) as caught:
        checkpoint(Changing(*FEWER), leaf(3)).sum().backward()
    assert str(caught.value).startswith(
        "anadrome.utils.checkpoint: A different number of tensors was saved during the original "
        "forward and recomputation.\nNumber of ops that saved tensors during forward: 3\n"
        "Number of ops that saved tensors during recomputation: 1.\n"
        "The function must do the same both times"
    )
    assert isinstance(caught.value, RuntimeError)


def test_more_values_the_second_time() -> None:
    checkpoint(Changing(*MORE), leaf(3)).sum().backward()  # never comes so far
    for context, options in (
        (contextlib.nullcontext(), {"early_stop": False}),
        (set_checkpoint_early_stop(False), {}),
    ):
        with context:
            loss = checkpoint(Changing(*MORE), leaf(3), **options).sum()
        with pytest.raises(CheckpointError, match=r"trying to save more tensors during recomputa"):
            loss.backward()


@pytest.mark.parametrize(("ways", "told"), [(SHORTER, r"\(2,\)"), (WIDER, "anadrome.float64")])
def test_other_shapes_or_types_the_second_time(ways: Any, told: str) -> None:
    with pytest.raises(
        CheckpointError,
        match=r"(?s)Recomputed values for the following tensors have different metadata than "
        rf"during the forward pass\.\ntensor at position 0:\nsaved metadata: .*float32.*"
        rf"recomputed metadata: .*{told}",
    ):
        checkpoint(Changing(*ways), leaf(3)).sum().backward()


def test_check_can_be_switched_off() -> None:
    x = leaf(3)
    loss = checkpoint(Changing(*WIDER), x, determinism_check="none").sum()
    loss.backward()
    assert x.grad is not None
    with pytest.raises(ValueError, match=r"determinism_check should be one of \['default', 'val"):
        checkpoint(ad.exp, x, determinism_check="thorough")


@pytest.mark.parametrize("way", ["argument", "context"])
def test_debug_lists_the_ops_of_both_runs(way: str) -> None:
    context = set_checkpoint_debug_enabled(True) if way == "context" else contextlib.nullcontext()
    with context:
        loss = checkpoint(Changing(*FEWER), leaf(3), debug=way == "argument").sum()
    with pytest.raises(CheckpointError) as caught:
        loss.backward()
    first, second = str(caught.value).split("Operations executed during recomputation:")
    assert "sin(float32 (3,) on cpu) at" in first
    assert "test_checkpoint_errors.py" in first
    assert "exp(float32 (3,) on cpu) at" in second
    assert "sin(float32" not in second


def test_changes_in_place_between_the_runs_are_found() -> None:
    def segment(x: ad.Tensor) -> ad.Tensor:
        return (x * w).exp()

    w, x = leaf(3, seed=1), leaf(3)
    y = x * 1.0
    loss = checkpoint(segment, y).sum()
    with ad.no_grad():
        w += 1
    text = "one of the variables needed for gradient computation has been modified by an inplace"
    with pytest.raises(RuntimeError, match=f"{text}.*between the checkpointed function's first"):
        loss.backward()
    loss = checkpoint(segment, y).sum()
    y.mul_(2.0)
    with pytest.raises(RuntimeError, match=f"{text}.*after it had been passed to the checkpointed"):
        loss.backward()

    def writes_what_is_saved(x: ad.Tensor) -> ad.Tensor:
        h = x * 2.0
        out = h.sin()
        h += 1.0
        return out.exp() * h

    with pytest.raises(RuntimeError, match=f"{text}.*saved by `SinBackward0`.*`out = h.sin\\(\\)`"):
        checkpoint(writes_what_is_saved, x).sum().backward()


def test_error_in_the_segment_leaves_everything_as_it_was() -> None:
    before = ad.modes.current()

    def broken(x: ad.Tensor) -> ad.Tensor:
        x.exp()
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        checkpoint(broken, leaf(1))
    loss = checkpoint(Changing(lambda x: x.exp(), broken), leaf(1), early_stop=False).sum()
    with pytest.raises(KeyError, match="mine"):
        loss.backward()
    assert ad.modes.current() is before


def test_reentrant_form_and_its_limits() -> None:
    x = leaf(3)
    with pytest.warns(UserWarning, match="None of the inputs have requires_grad=True"):
        checkpoint(ad.exp, ad.ones(3), use_reentrant=True)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: dim; use_reentrant=True"):
        checkpoint(ad.sum, x, dim=0, use_reentrant=True)
    for option in ({"debug": True}, {"policy": "cheap_ops"}):
        with pytest.raises(ValueError, match="is only supported when use_reentrant=False"):
            checkpoint(ad.exp, x, use_reentrant=True, **option)
    text = r"incompatible with \.grad\(\) or passing an `inputs` parameter"
    with pytest.raises(RuntimeError, match=text):
        ad.autograd.grad(checkpoint(ad.exp, x, use_reentrant=True).sum(), x)
    with pytest.raises(RuntimeError, match=text):
        checkpoint(ad.exp, x, use_reentrant=True).sum().backward(inputs=[x])
    assert x.grad is None
    checkpoint(ad.exp, x, use_reentrant=True).sum().backward()
    assert x.grad.tolist() == x.detach().exp().tolist()
    with pytest.raises(RuntimeError, match="none of output has requires_grad=True"):
        checkpoint(lambda x: x.detach(), x, use_reentrant=True).sum().backward()


def test_memory_of_a_second_run_that_failed_goes_back() -> None:
    """And none of its values is used when backward is tried again."""
    made: list[weakref.ref[Any]] = []
    fails = [MemoryError("none left")]
    scale = [2.0]

    def segment(x: ad.Tensor) -> ad.Tensor:
        h = (x * scale[0]).exp()
        made.append(weakref.ref(h._data))
        h = h.sin()
        if len(made) > 1 and fails:
            raise fails.pop()
        return h.exp()

    x = leaf(3)
    (expected,) = ad.autograd.grad(segment(x).sum(), x)
    made.clear()
    loss = checkpoint(segment, x, determinism_check="none").sum()
    scale[0] = 3.0  # what this run computes may not be used later
    with pytest.raises(MemoryError, match="none left"):
        loss.backward()
    gc.collect()
    assert made[-1]() is None
    scale[0] = 2.0
    loss.backward()
    assert x.grad.tolist() == expected.tolist()
