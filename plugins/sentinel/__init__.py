"""Sentinel: looks once a backward whether all is finite, and finds where what is not came from.

Reading order: `ops` (the flag), `watching` (what looks at it), `structure` (what a graph tells of a
plain loop). What happens on a hit: `replaying` (the step once more), `recording` (what it does, op
by op, as a `trace`, with `naming` for what the user calls things), `ranges` (an array in a line),
`diagnosing` and `advice` (the op to blame, what to write). `files`, `running`, `command`: a trace
kept in a file, and run from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from anadrome import Command, Tensor, hookimpl

from .registry import current, listening

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
@listening
def around_backward(tensors: tuple[Tensor, ...]) -> AbstractContextManager[Any] | None:
    """A backward, and what it starts from."""
    watch = current.get()
    return None if watch is None else watch.backward(tensors)


@hookimpl
@listening
def before_step(optimizer: Any) -> None:
    """Look at the gradients before they are used."""
    watch = current.get()
    if watch is not None:
        watch.stepping(optimizer)


@hookimpl
@listening
def before_update(gradients: list[Any]) -> None:
    """The same look, where the optimizer has already put the gradients together."""
    watch = current.get()
    if watch is not None:
        watch.updating(gradients)


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
