"""names: what nodes are called, and what functions and types are called in generated code.

Generated code says ``torch``, as PyTorch's does, whatever name anadrome was imported by.
"""

from __future__ import annotations

import builtins
import inspect
import keyword
import re
import types
from typing import Any

import anadrome
from anadrome.places.overrides import resolve_name

#: What generated code may say without importing it.
GLOBALS: dict[str, Any] = {
    "inf": float("inf"),
    "nan": float("nan"),
    "NoneType": type(None),
    "torch": anadrome,
    "device": anadrome.device,
}
_TAKEN: dict[str, Any] = {
    **dict.fromkeys(keyword.kwlist, object()),
    **vars(builtins),
    **GLOBALS,
}
_ENDING = re.compile(r"^(.*?)(?:_(\d+))?$")


class Namespace:
    """Gives objects names that differ, are identifiers, and are no builtin's."""

    def __init__(self) -> None:
        self._of: dict[Any, str] = {}
        self._used: set[str] = set()
        self._last: dict[str, int] = {}

    def create_name(self, candidate: str, obj: Any = None) -> str:
        """The name of ``obj``; a new one is like ``candidate``, with a number if that is taken."""
        if obj is not None and obj in self._of:
            return self._of[obj]
        candidate = re.sub("[^0-9a-zA-Z_]+", "_", candidate) or "_unnamed"
        if candidate[0].isdigit():
            candidate = f"_{candidate}"
        found = _ENDING.match(candidate)
        assert found is not None
        base, ending = found.group(1, 2)
        if ending is None or candidate in self._used:
            number = self._last.get(base, 0)
            if _TAKEN.get(candidate, obj) is not obj:
                number += 1
                candidate = f"{base}_{number}"
        else:
            number = int(ending)
        while candidate in self._used:
            number += 1
            candidate = f"{base}_{number}"
        self.take(candidate, obj)
        self._last[base] = number
        return candidate

    def take(self, name: str, obj: Any = None) -> None:
        """Let a name be used, as that of ``obj`` if there is one."""
        self._used.add(name)
        if obj is not None:
            self._of[obj] = name


def snake_case(name: str) -> str:
    """``ReLU6`` as ``re_lu6``; ``maxPool`` as ``max_pool``."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()


def target_name(target: Any) -> str:
    """What a node that calls ``target`` is called."""
    name = target.__name__ if callable(target) else str(target)
    if name.startswith("__") and name.endswith("__"):
        name = name[2:-2]
    return snake_case(name)


def is_ours(value: Any) -> bool:
    """Whether generated code reaches it through ``torch``."""
    module = getattr(value, "__module__", None)
    return isinstance(module, str) and (module + ".").startswith("anadrome.")


def qualified(value: Any) -> str:
    """The dotted name of a function or class, PyTorch's where it is one of its names."""
    name = value.__name__
    if getattr(builtins, name, None) is value:
        return str(name)
    if is_ours(value):
        known = resolve_name(value)
        if known is not None:
            return str(known)
        for place, where in (("torch", anadrome), ("torch.nn.functional", anadrome.nn.functional)):
            if getattr(where, name, None) is value:
                return f"{place}.{name}"
        return f"torch{value.__module__.removeprefix('anadrome')}.{value.__qualname__}"
    if name == "<lambda>":
        try:
            name = inspect.getsource(value).split("=")[0].strip()
        except (OSError, TypeError):
            raise RuntimeError("Unable to represent lambda; write a def") from None
    module = value.__module__
    if module is None:
        module = "torch"
    return "operator." + name if module == "_operator" else f"{module}.{name}"


def type_name(value: Any) -> str:
    """A type as code says it."""
    if value is None:
        return "None"
    if value is ...:
        return "..."
    if isinstance(value, type) and not isinstance(value, types.GenericAlias):
        if value.__module__ == "builtins":
            return value.__qualname__
        if issubclass(value, anadrome.Tensor) and value is anadrome.Tensor:
            return "torch.Tensor"
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)


def path(base: str, target: str) -> str:
    """An attribute of an attribute as code: ``getattr(self.layers, "0").weight``."""
    for part in target.split("."):
        base = f"{base}.{part}" if part.isidentifier() else f'getattr({base}, "{part}")'
    return base
