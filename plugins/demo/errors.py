"""The one kind of failure that the demo reports as a line of text instead of a traceback."""

from __future__ import annotations

import importlib


class DemoError(Exception):
    """What the user asked for cannot be done; the message says why and what to do."""


def require(packages: dict[str, str]) -> None:
    """Raise `DemoError` unless every module is there; `packages` maps a module to its package.

    Called before any work: a missing matplotlib should not cost a minute of training first.
    """
    missing = []
    for module, package in packages.items():
        try:
            importlib.import_module(module)
        except ImportError:
            missing.append(package)
    if missing:
        names = ", ".join(missing)
        raise DemoError(f'the demo needs {names}: pip install -e ".[demo]"')
