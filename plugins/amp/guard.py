"""Notices backwards from a scaled loss, and ``optimizer.step()`` on what they leave.

A gradient is marked (see ``anadrome.autograd.pending``) when a backward from what
`GradScaler.scale` returned has accumulated into it. Any write to it (unscaling, zeroing) takes the
mark away, so what is said of marked ones, here and by clipping, is never wrong.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from anadrome import Listening, Tensor, sites
from anadrome.autograd import pending

if TYPE_CHECKING:
    from .iteration import Backward, Iteration

#: On as soon as a scaler has scaled anything in this process.
listening = Listening()

_KEY = "amp_scale"
_backward: contextvars.ContextVar[Backward | None] = contextvars.ContextVar(
    "scaled_backward", default=None
)

REMEDY = (
    "They are multiplied by GradScaler's scale: call `scaler.unscale_(optimizer)` after the last "
    "backward() and before this, then `scaler.step(optimizer)` and `scaler.update()`."
)


class ScaledGradientsWarning(UserWarning):
    """A step was taken on gradients that are too large by the loss scale."""


def note(output: Tensor, iteration: Any) -> None:
    """``output`` is a loss times the scale; ``iteration()`` is that of its scaler, now."""
    if output.grad_fn is not None:
        if not listening.on:
            listening.start()
        output.grad_fn.metadata[_KEY] = iteration


def noticing(tensors: tuple[Tensor, ...]) -> AbstractContextManager[Any] | None:
    """Around a backward: whether it starts from a scaled loss, and from whose."""
    for t in tensors:
        if t.grad_fn is not None and _KEY in t.grad_fn.metadata:
            return _running(t.grad_fn.metadata[_KEY]())
    if _backward.get() is None:
        return None
    # Inside of a scaled backward. One that starts from more than a number was given gradients to
    # start with, the outer one's: a checkpoint that recomputes. Another loss is not scaled.
    return None if any(t.numel() != 1 for t in tensors) else _running(None)


@contextmanager
def _running(iteration: Iteration | None) -> Iterator[None]:
    if iteration is None:
        before = _backward.get()
        try:
            _backward.set(None)
            yield
        finally:
            _backward.set(before)
        return
    with iteration.backward() as backward:
        before = _backward.get()
        try:
            _backward.set(backward)
            yield
        finally:
            _backward.set(before)


def mark(leaf: Tensor) -> None:
    """Note that the gradient which a leaf has just taken has the scale in it, if it has."""
    backward = _backward.get()
    grad = leaf.grad
    if backward is not None and grad is not None:
        pending.mark(grad, REMEDY)
        backward.arrived(leaf)


def check(optimizer: Any) -> None:
    """Warn if the optimizer is about to use gradients that are still scaled."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            grad = parameter.grad
            if grad is not None and pending.remedy(grad) == REMEDY:
                sites.warn(
                    f"{type(optimizer).__name__}.step() uses gradients of a scaled loss as they "
                    "are: they are too large by GradScaler's scale. Write "
                    "`scaler.step(optimizer)` and `scaler.update()` instead, or "
                    "`scaler.unscale_(optimizer)` before the step.",
                    ScaledGradientsWarning,
                )
                return
