"""Notices ``optimizer.step()`` on gradients of a scaled loss that nobody has unscaled.

A gradient is marked, with its version, when a backward from what `GradScaler.scale` returned has
accumulated into it. If the version is the same when a step is taken, nothing was written to it
since: it still has the scale in it. Any write (unscaling, clipping, zeroing) makes us silent, so
that the warning is never wrong.
"""

from __future__ import annotations

import contextvars
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from anadrome import Tensor, sites

#: Whether a scaler has scaled anything yet in this process; until then the hooks return at once.
watching = False

_KEY = "amp_scale"
_scaled: contextvars.ContextVar[bool] = contextvars.ContextVar("scaled_backward", default=False)


class ScaledGradientsWarning(UserWarning):
    """A step was taken on gradients that are too large by the loss scale."""


def note(output: Tensor) -> None:
    """``output`` is a loss times the scale."""
    global watching
    if output.grad_fn is not None:
        watching = True
        output.grad_fn.metadata[_KEY] = True


def noticing(tensors: tuple[Tensor, ...]) -> AbstractContextManager[Any] | None:
    """Around a backward: whether it starts from a scaled loss."""
    scaled = any(t.grad_fn is not None and _KEY in t.grad_fn.metadata for t in tensors)
    return _backward(scaled) if scaled or _scaled.get() else None


@contextmanager
def _backward(scaled: bool) -> Iterator[None]:
    token = _scaled.set(scaled)
    try:
        yield
    finally:
        _scaled.reset(token)


def mark(leaf: Tensor) -> None:
    """Note whether the gradient that a leaf has just taken has the scale in it."""
    grad = leaf.grad
    if grad is None:
        return
    if _scaled.get():
        grad.__dict__[_KEY] = grad._version
    else:
        grad.__dict__.pop(_KEY, None)


def check(optimizer: Any) -> None:
    """Warn if the optimizer is about to use gradients that are still scaled."""
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            grad = parameter.grad
            if grad is not None and grad.__dict__.get(_KEY) == grad._version:
                _warn(type(optimizer).__name__)
                return


def _warn(name: str) -> None:
    code, _ = site = sites.caller(2)
    filename, line = sites.line_of(site)
    warnings.warn_explicit(
        f"{name}.step() uses gradients of a scaled loss as they are: they are too large by "
        "GradScaler's scale. Write `scaler.step(optimizer)` and `scaler.update()` instead, or "
        "`scaler.unscale_(optimizer)` before the step.",
        ScaledGradientsWarning,
        filename,
        line,
        module=code.co_name,
    )
