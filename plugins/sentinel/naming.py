"""naming: what the user calls the Tensors and modules that a step works on."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Iterator
from typing import Any

import anadrome as ad
from anadrome import Tensor
from anadrome.capturing.arguments import by_name, split
from anadrome.sites import is_internal
from anadrome.tensor import unwrap

from .trace import Given

#: How far to follow functions that a step refers to.
_DEPTH = 3


class Names:
    """Names by identity: of arrays, and of modules."""

    def __init__(self, step: Any, args: Any, kwargs: Any) -> None:
        self.arrays: dict[int, Given] = {}
        self.modules: dict[int, str] = {}
        arguments = by_name(step, args, kwargs)
        tensors: dict[str, Tensor] = {}
        split(arguments, "", tensors)
        for name, t in tensors.items():
            self._note(t, f"{name} (argument)", "argument")
        found = [*arguments.items(), *_variables(step, _DEPTH, set())]
        found += [(f"{n}.{k}", v) for n, value in found for k, v in _attributes(value)]
        for name, value in found:
            if isinstance(value, ad.nn.Module):
                self._note_module(name, value)
        for name, value in found:
            members = (
                enumerate(value) if isinstance(value, (tuple, list)) and len(value) < 1000
                else value.items() if isinstance(value, dict) else ()
            )  # fmt: skip
            for key, member in [("", value), *((f"[{k!r}]", v) for k, v in members)]:
                if isinstance(member, ad.nn.Module):
                    self._note_module(f"{name}{key}", member)
                elif isinstance(member, Tensor):
                    kind = "parameter" if member.requires_grad and member.is_leaf else "buffer"
                    self._note(member, f"{name}{key}", kind)

    def _note(self, tensor: Tensor, name: str, kind: str) -> None:
        self.arrays.setdefault(id(unwrap(tensor)), Given(name, kind))

    def _note_module(self, owner: str, model: Any) -> None:
        for name, module in model.named_modules():
            self.modules.setdefault(id(module), ".".join(filter(None, (owner, name))))
        for name, t in model.named_parameters():
            self._note(t, f"{owner}.{name}", "parameter")
        for name, t in model.named_buffers():
            self._note(t, f"{owner}.{name}", "buffer")

    def of(self, tensor: Tensor) -> str:
        """The name of a Tensor; its shape, if it has none."""
        given = self.arrays.get(id(unwrap(tensor)))
        return f"a leaf of shape {tuple(tensor.shape)}" if given is None else given.name


def _attributes(value: Any) -> list[tuple[str, Any]]:
    """Those of an object of the user's own, such as a trainer."""
    plain = not isinstance(value, (Tensor, ad.nn.Module, type, types.ModuleType))
    if not plain or inspect.isroutine(value) or type(value).__module__.startswith("anadrome"):
        return []
    return list(getattr(value, "__dict__", {}).items())


def _variables(step: Any, depth: int, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """The variables that a function refers to, and those of the user's functions among them."""
    while isinstance(step, functools.partial):
        step = step.func
    owner = getattr(step, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        yield "self", owner
    if not inspect.isroutine(step):
        step = getattr(type(step), "__call__", step)  # noqa: B004
    try:
        scope = inspect.getclosurevars(inspect.unwrap(step))
    except (TypeError, ValueError):
        return
    for name, value in [*scope.nonlocals.items(), *scope.globals.items()]:
        yield name, value
        if depth and isinstance(value, types.FunctionType) and id(value) not in seen:
            seen.add(id(value))
            if not is_internal(value.__code__.co_filename):
                yield from _variables(value, depth - 1, seen)
