"""Sentinel: looks once a backward whether all is finite, and finds where what is not came from.

Reading order: `ops` (the flag), `watching` (what looks at it), `structure` (what a freed graph can
still tell); then what happens on a hit: `replaying` (the step once more), `recording` (what it does,
op by op, as a `trace`), `ranges` (values in a line), `diagnosing` and `advice` (the op to blame and
what to write); and `files`, `running` and `command` (a trace kept in a file, and run from it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from anadrome import Command, Tensor, hookimpl

from .registry import current

if TYPE_CHECKING:
    import argparse

ANADROME_API = (1, 1)


@hookimpl
def register_ops() -> None:
    """The flag."""
    from . import ops  # noqa: F401


@hookimpl
def register_exports() -> Mapping[str, Any]:
    """`ad.sentinel` and its error."""
    return {
        "sentinel": f"{__name__}.watching:sentinel",
        "NonFiniteError": f"{__name__}.watching:NonFiniteError",
    }


@hookimpl
def around_backward(tensors: tuple[Tensor, ...]) -> AbstractContextManager[Any] | None:
    """Look at what it started from and at what it gave, when it is over."""
    run = current.get()
    return None if run is None else run.backward(tensors)


@hookimpl
def grad_ready(tensor: Tensor) -> None:
    """A gradient to look at."""
    run = current.get()
    if run is not None:
        run.reached(tensor)


@hookimpl
def before_step(optimizer: Any) -> None:
    """In a replay no parameter is changed."""
    run = current.get()
    if run is not None:
        run.stepping(optimizer)


@hookimpl
def after_step(optimizer: Any) -> None:
    """From here on the parameters are not those of the step's start."""
    run = current.get()
    if run is not None:
        run.stepped(optimizer)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    from .command import add_arguments

    add_arguments(parser)


def replay(args: argparse.Namespace) -> int:
    """Run a saved step."""
    from .command import run

    return run(args)


@hookimpl
def register_commands() -> Iterable[Command]:
    """Offer `anadrome replay`."""
    return [
        Command(
            "replay",
            help="run a step that ad.sentinel() saved, op by op, and name the one to blame",
            configure=configure,
            run=replay,
        )
    ]
