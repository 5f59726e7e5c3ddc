"""alias: modules named `torch`, `torch.nn`, … (and `functorch`) whose names are anadrome's.

A finder in front of all others serves every import below `torch`. An alias looks a name up in the
module that it stands for when it is first used, and keeps it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import anadrome
from anadrome.places import MODULES, library, package_of
from anadrome.places.missing import advice
from anadrome.versions import TorchVersion

from . import children
from .coverage import names, torch_version

#: Names that differ from those of the module that an alias stands for.
OWN = {
    "__version__": TorchVersion(f"{torch_version()}+anadrome{anadrome.__version__.split('+')[-1]}"),
    "ops": library.ops,
}

#: Packages beside `torch` that come with it, and the modules that they are here.
OURS = {"functorch": "anadrome.places.functorch"}

#: The names that were used: whether they are there. Kept for `--report`.
used: dict[str, bool] = {}


def not_covered(name: str, module: bool = False) -> str:
    """What to say of a name that is not there; ``module``: it was imported as one."""
    namespace, _, last = name.rpartition(".")
    known = advice(name.removeprefix("torch."))
    if known is not None:
        return f"{name} is not covered by anadrome: {known}"
    # The lists hold no modules and no private names.
    listed = not module and not last.startswith("_")
    if listed and namespace in names() and last not in names()[namespace]:
        return f"{name} is not covered by anadrome, and PyTorch {torch_version()} has no such name"
    return (
        f"{name} is not covered by anadrome yet. `anadrome run --coverage` lists what is covered, "
        "as does the page docs/coverage.md"
    )


_own: Callable[[Any], dict[str, Any]] = vars(types.ModuleType)["__dict__"].__get__


class Alias(types.ModuleType):
    """A module of PyTorch's name with the content of one of anadrome's."""

    def __init__(self, name: str, target: Any) -> None:
        super().__init__(name, getattr(target, "__doc__", None))
        _own(self)["_target"] = target
        _own(self)["__path__"] = []
        _own(self)["__file__"] = getattr(target, "__file__", None)
        if name == "torch":
            _own(self).update(OWN, torch=self)

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        """All the names, for a program that goes through ``vars(torch.nn)``."""
        own = _own(self)
        for name in dir(own["_target"]):
            if name not in own and not name.startswith("_"):
                with contextlib.suppress(AttributeError, ImportError):
                    getattr(self, name)
        return own

    def __getattr__(self, name: str) -> Any:
        full = f"{self.__name__}.{name}"
        target = _own(self)["_target"]
        if name == "__all__":
            return [n for n in dir(self) if not n.startswith("_")]
        try:
            value = getattr(target, name)
            if isinstance(value, types.ModuleType) and _is_missing(full):
                raise AttributeError  # a module of anadrome's own by a name of PyTorch's
        except AttributeError:
            if _is_module(full):  # one that is imported when it is first asked for
                return importlib.import_module(full)
            package = package_of(self.__name__.removeprefix("torch."))
            if hasattr(package, name):  # PyTorch keeps it in this file, anadrome in another
                return getattr(importlib.import_module(f"torch{package.__name__[8:]}"), name)
            if not name.startswith("__"):
                used[full] = False
                raise AttributeError(not_covered(full), name=name, obj=self) from None
            raise
        if isinstance(value, types.ModuleType):
            return importlib.import_module(full)
        used[full] = True
        _own(self)[name] = value
        return value

    def __setattr__(self, name: str, value: Any) -> None:
        """A setting (`torch.backends.cudnn.benchmark = True`) is one of anadrome's too."""
        if isinstance(value, Alias):  # a module was imported; a function of its name stays
            package = package_of(value.__name__.removeprefix("torch."))
            if any(callable(getattr(p, name, None)) for p in (package, _own(self)["_target"])):
                return
        super().__setattr__(name, value)
        if not (name.startswith("__") or isinstance(value, Alias)):
            setattr(_own(self)["_target"], name, value)

    def __dir__(self) -> list[str]:
        return dir(_own(self)["_target"])


def _target(name: str) -> Any:
    """The module of anadrome for a dotted name of PyTorch's, or None."""
    ours = OURS.get(name) or "anadrome" + name.removeprefix("torch")
    try:
        return importlib.import_module(ours)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("anadrome"):
            raise
    place: Any = anadrome
    for part in ours.split(".")[1:]:  # a namespace that is no module of its own
        place = getattr(place, part, None)
    return place if isinstance(place, (types.ModuleType, types.SimpleNamespace)) else None


def _is_missing(name: str) -> bool:
    return advice(name.removeprefix("torch.")) is not None


def _is_module(name: str) -> bool:
    if _is_missing(name):
        return False
    private = name.rpartition(".")[2].startswith("_")
    if private and name.removeprefix("torch.") not in MODULES:
        return False
    return _target(name) is not None


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Serves `torch` and all below it, and what comes with it."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of an alias; ImportError, which names it, for what anadrome does not have."""
        if name not in OURS and name.partition(".")[0] != "torch":
            return None
        found = None if _is_missing(name) else _target(name)
        if found is None:
            used[name] = False
            # No ModuleNotFoundError: `from torch import name` would replace it by one that says
            # less.
            module = name.rpartition(".")[2].islower()
            raise ImportError(not_covered(name, module), name=name)
        spec = importlib.machinery.ModuleSpec(name, self, is_package=True)
        spec.loader_state = found
        return spec

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Alias:
        """The alias for what `find_spec` found."""
        return Alias(spec.name, spec.loader_state)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing: the names are looked up when used."""


def install() -> None:
    """From now on, in this process and those that it starts, `import torch` is anadrome.

    Raises RuntimeError if PyTorch itself is imported already.
    """
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    if "torch" in sys.modules:
        raise RuntimeError("PyTorch is imported already; anadrome cannot take its place now")
    sys.meta_path.insert(0, Finder())
    children.follow(install)
    anadrome.dtypes.shown_as = "torch"  # what is printed is what the script's author saw
    anadrome.Tensor.__module__ = "torch"
    anadrome.nn.Parameter.__module__ = "torch.nn.parameter"
    if not hasattr(anadrome.Tensor, "__getattr__"):
        anadrome.Tensor.__getattr__ = _missing_of_tensor  # type: ignore[attr-defined, method-assign]


def _missing_of_tensor(self: Any, name: str) -> Any:
    """Called for an attribute that a Tensor does not have."""
    full = f"torch.Tensor.{name}"
    if name.startswith("_") or name not in names()["torch.Tensor"]:
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self
        )
    used[full] = False
    raise AttributeError(not_covered(full), name=name, obj=self)


def watch_tensors() -> None:
    """Note which attributes of Tensors are used from outside anadrome; for `--report`."""
    plain = anadrome.Tensor.__getattribute__

    def watching(self: Any, name: str) -> Any:
        if not name.startswith("_"):
            full = f"torch.Tensor.{name}"
            if full not in used:
                caller = sys._getframe(1).f_globals.get("__name__", "")
                if caller.partition(".")[0] != "anadrome" and name in names()["torch.Tensor"]:
                    used[full] = True
        return plain(self, name)

    anadrome.Tensor.__getattribute__ = watching  # type: ignore[method-assign, assignment]
