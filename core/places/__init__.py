"""places: modules that PyTorch's programs import from, and where their names are found here.

PyTorch's programs also import from the files of its packages (``torch.nn.modules.upsampling``,
``torch.optim.adamw``), and from modules that compute nothing (``torch.jit``, ``torch.hub``). Such a
name is looked up here after Python has found no module of that name, so nothing is loaded, and
nothing slower, for whoever does not ask.

Reading order: ``table`` (which module stands for which), then those that are only places: ``jit``
and ``annotations``, ``compiler`` and ``compiler_settings``, ``nothing`` (classes without
instances) with ``fx`` and ``sharding``, ``extensions``, ``quantization``, ``private``,
``hub``, ``onnx``, ``types``, ``multiprocessing`` and ``rpc``, ``trees``, ``tree_paths``,
``reductions``, ``flattening``, ``rebuilding`` (what pickles call), ``futures``, ``overrides``,
``dispatching``, ``environment``, ``functorch``, ``functorch_levels``, ``helpers``, ``build``,
``absent`` (devices that cannot be there), ``cpu``; ``library`` with ``schemas`` (ops that a
program names) and ``aten`` (PyTorch's own), ``scans``; ``missing`` (names that are nowhere, with
what to write instead).
"""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import types
from collections.abc import Sequence
from typing import Any

from .missing import advice
from .table import FILES, HIDDEN, MODULES

__all__ = ["FILES", "MODULES", "package_of"]


class Place(types.ModuleType):
    """A module whose names are those of another one."""

    def __init__(self, name: str, target: Any) -> None:
        super().__init__(name, target.__doc__)
        self.__dict__["_target"] = target
        self.__dict__["__path__"] = []

    def __getattr__(self, name: str) -> Any:
        target = self.__dict__["_target"]
        last = self.__name__.rpartition(".")[2]
        if vars(target).get(last) is self:  # as in PyTorch, the package keeps its function
            delattr(target, last)
            if not hasattr(target, last):  # where it has one
                setattr(target, last, self)
        try:
            return getattr(target, name)
        except AttributeError:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        # The import system sets each submodule behind its import.
        if not (isinstance(value, Place) and value.__name__.partition(".")[2] in HIDDEN):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return dir(self.__dict__["_target"])


def is_place(name: str) -> bool:
    """Whether the module of that name is a place: ``anadrome.nn.modules.activation``."""
    short = name.partition(".")[2]
    return short in MODULES or short in FILES


class Finder:
    """Finds the places, after all other finders."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a place; None for any other name. ImportError for one known to be missing."""
        package, _, short = name.partition(".")
        if package != "anadrome":
            return None
        if not is_place(name):
            known = advice(short)
            if known is not None:
                raise ImportError(f"{name} is not there: {known}", name=name)
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Place:
        """The place."""
        short = spec.name.partition(".")[2]
        return Place(spec.name, importlib.import_module(MODULES.get(short) or FILES[short]))

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing: the names are looked up when used."""


def package_of(name: str) -> Any:
    """The package whose names PyTorch's file ``name`` (``nn.modules.activation``) has, or None."""
    return importlib.import_module(FILES[name]) if name in FILES else None


sys.meta_path.append(Finder())
