"""The command line: ``python -m anadrome``; every subcommand but two comes from a plugin."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import __version__
from .manager import commands
from .report import INFO, PLUGINS


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; returns its exit status (2 for wrong usage)."""
    parser = argparse.ArgumentParser(
        prog="anadrome", description="Automatic differentiation in pure Python."
    )
    parser.add_argument("--version", action="version", version=f"anadrome {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND")
    for command in (INFO, PLUGINS, *commands().values()):
        sub = subparsers.add_parser(command.name, help=command.help, description=command.help)
        command.configure(sub)
        sub.set_defaults(run=command.run)
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return 2
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
