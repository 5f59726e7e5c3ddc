"""`anadrome run`: runs a PyTorch script as it is; its `import torch` is served by anadrome.

Reading order: `command` (the arguments, and the script as Python would run it), `alias` (the
modules that stand for PyTorch's), `coverage` (which of PyTorch's names there are, from
`torch_names.txt`).
Everything beyond this hook is imported when the command runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anadrome import Command, hookimpl

if TYPE_CHECKING:
    import argparse

ANADROME_API = (1, 1)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    from .command import add_arguments

    add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the script; the exit status is the script's."""
    from .command import run_script

    return run_script(args)


@hookimpl
def register_commands() -> list[Command]:
    """Offer `anadrome run`."""
    return [
        Command(
            "run",
            help="run a PyTorch script as it is, with anadrome in PyTorch's place",
            configure=configure,
            run=run,
        )
    ]
