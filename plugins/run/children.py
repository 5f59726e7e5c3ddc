"""children: a process that is started afresh finds anadrome under PyTorch's name as well.

One that is no fork begins as an interpreter of its own and reads two pickles: how it is prepared,
and what it runs. The first gets an entry that installs the aliases while it is read: before the
program's file is imported there, and before anything of PyTorch's names is unpickled.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Callable
from typing import Any

#: The module that starts such processes. Importing it is slow, and most programs start none.
_STARTER = "multiprocessing.spawn"


class _Entry:
    """Unpickled, it has called ``install``."""

    def __init__(self, install: Callable[[], None]) -> None:
        self.install = install

    def __reduce__(self) -> tuple[Any, ...]:
        return self.install, ()


class _Waiting(importlib.abc.MetaPathFinder):
    """Finds nothing; sees when the module that starts processes is imported."""

    def __init__(self, install: Callable[[], None]) -> None:
        self.install = install

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != _STARTER:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        loader: Any = spec and spec.loader
        execute = loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            _extend(module, self.install)

        loader.exec_module = exec_module
        return spec


def _extend(starter: Any, install: Callable[[], None]) -> None:
    usual = starter.get_preparation_data

    def get_preparation_data(name: str) -> dict[str, Any]:
        data: dict[str, Any] = usual(name)
        if name == "ignore":  # for the server of forks, which is told in words and not in a pickle:
            for key in ("main_path", "init_main_from_path", "init_main_from_name"):
                data.pop(key, None)  # it must not import the program; each fork does
            return data
        return {**data, "anadrome": _Entry(install)}

    starter.get_preparation_data = get_preparation_data


def follow(install: Callable[[], None]) -> None:
    """Call ``install`` first in each process that this one starts afresh from now on."""
    starter = sys.modules.get(_STARTER)
    if starter is None:
        sys.meta_path.insert(0, _Waiting(install))
    else:
        _extend(starter, install)
