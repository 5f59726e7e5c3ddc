"""Traps: says when gradients pile up, do not arrive or are not there, and which line is to blame.

All of it is in `watching`; the hooks here are called only while `ad.traps()` is active.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from anadrome import Tensor, hookimpl

from .registry import active, listening

ANADROME_API = (1, 1)


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """`ad.traps` and the class of its warnings."""
    return {
        "traps": f"{__name__}.watching:traps",
        "TrapWarning": f"{__name__}.watching:TrapWarning",
    }


@hookimpl
@listening
def around_backward(tensors: tuple[Tensor, ...]) -> AbstractContextManager[Any] | None:
    """Which gradients there are already, and which of them grow."""
    return active[-1].backward() if active else None


@hookimpl
@listening
def grad_ready(tensor: Tensor) -> None:
    """A parameter that has been reached."""
    if active:
        active[-1].arrived(tensor)


@hookimpl
@listening
def before_step(optimizer: Any) -> None:
    """Whether every parameter has a gradient."""
    if active:
        active[-1].stepping(optimizer)


@hookimpl
@listening
def after_step(optimizer: Any) -> None:
    """These gradients have been used."""
    if active:
        active[-1].stepped(optimizer)
