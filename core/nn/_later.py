"""_later: names that are loaded when they are first asked for, so that importing stays fast."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any


def later(
    module: str, **names: str
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """The names that come later, and the module's ``__getattr__`` and ``__dir__``.

    ``module``: the one that will have them. Each keyword is a module beside it (or, for a package,
    in it), and the names that it holds, apart by blanks.
    """
    namespace = sys.modules[module]
    package = namespace.__package__
    home = {name: holder for holder, listed in names.items() for name in listed.split()}

    def __getattr__(name: str) -> Any:
        holder = home.get(name)
        if holder is None:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        value = getattr(import_module(f"{package}.{holder}"), name)
        setattr(namespace, name, value)
        return value

    def __dir__() -> list[str]:
        return sorted({*vars(namespace), *home})

    return sorted(home), __getattr__, __dir__
