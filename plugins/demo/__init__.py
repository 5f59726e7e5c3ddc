"""The `anadrome demo` command: trains a network on real data, saves it, reloads it, draws it.

Reading order: `command` (arguments and the course of a run), `digits` and `table` (the data),
`model`, `training`, `picture`. Everything beyond this hook is imported when the command runs, so
that listing the commands costs nothing and needs no optional package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anadrome import Command, hookimpl

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the demo's arguments to `parser`."""
    from .command import add_arguments

    add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the demo; the exit status is 0, or 2 when the request or the data cannot be used."""
    from .command import run_demo

    return run_demo(args)


@hookimpl
def register_commands() -> list[Command]:
    """Offer `anadrome demo`."""
    return [
        Command(
            "demo",
            help="train on real data: handwritten digits, or a CSV file of your own",
            configure=configure,
            run=run,
        )
    ]
