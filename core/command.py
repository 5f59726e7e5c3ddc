"""command: what a subcommand of ``python -m anadrome`` consists of."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # not needed before a command line is parsed
    import argparse


class Command(NamedTuple):
    """``python -m anadrome NAME``; returned by the hook ``register_commands``."""

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
