"""arguments: how a captured step is called: the Tensors among its arguments, and all the rest."""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Iterator
from typing import Any

from ..tensor import Tensor

#: Names that mean something in the source of a program.
RESERVED = frozenset(
    (*keyword.kwlist, "LEAF", "Tensor", "again", "caller", "current", "inf", "isinstance", "nan",
     "site", "situation", "situation_then", "slice", "tick", "wrap", "writes")
)  # fmt: skip


class _Hole:
    """Stands for a Tensor in the form of a call."""

    def __repr__(self) -> str:
        return "Tensor"


_HOLE = _Hole()


def by_name(step: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """All arguments by name, however they were passed; ``""`` holds those that have no name."""
    try:
        parameters = inspect.signature(step).parameters.values()
    except (TypeError, ValueError):
        return {"": args, **kwargs}
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    given = {**dict(zip(names, args)), **kwargs}
    clear = len(names) == len(parameters) and len(given) == len(args) + len(kwargs)
    if not clear or set(given) - set(names):
        return {"": args, **kwargs}
    return {name: given[name] for name in names if name in given}


def split(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The form of nested arguments; the Tensors in them are collected, by their names."""
    if isinstance(value, Tensor):
        name = path.strip("_")
        if not name.isidentifier() or name in RESERVED or re.fullmatch(r"[vg]\d+", name):
            name = "x"
        if name in tensors:
            name += f"_{len(tensors)}"
        tensors[name] = value
        return _HOLE
    if isinstance(value, dict):
        return {k: split(v, f"{path}_{k}", tensors) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return rebuilt(value, [split(v, f"{path}_{n}", tensors) for n, v in enumerate(value)])
    return value


def rebuilt(like: Any, parts: list[Any]) -> Any:
    """A tuple, list or named tuple of other parts."""
    return type(like)(parts) if type(like) in (tuple, list) else type(like)(*parts)


def joined(form: Any, tensors: Iterator[Tensor]) -> Any:
    """The reverse of ``split``: the arguments, with Tensors in the holes."""
    if form is _HOLE:
        return next(tensors)
    if isinstance(form, dict):
        return {k: joined(v, tensors) for k, v in form.items()}
    if isinstance(form, (tuple, list)):
        return rebuilt(form, [joined(v, tensors) for v in form])
    return form


def same(a: Any, b: Any) -> bool:
    """Whether two forms are equal."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (tuple, list)):
        return len(a) == len(b) and all(map(same, a, b))
    try:
        return bool(a == b)
    except ValueError:  # arrays
        return False


def told(form: Any) -> str:
    """A form as error messages show it."""
    if isinstance(form, dict):
        parts = [f"{k}={v!r}" for k, v in form.items() if k] + [repr(v) for v in form.get("", ())]
        return f"({', '.join(parts)})"
    return repr(form)


def names_in(step: Any) -> dict[int, str]:
    """Names of the Tensors that a step refers to, by id: variables, and models' parameters."""
    try:
        scope = inspect.getclosurevars(inspect.unwrap(step))
    except TypeError:
        return {}
    variables = {**scope.globals, **scope.nonlocals}
    owner = getattr(step, "__self__", None)
    if owner is not None:
        variables.update(getattr(owner, "__dict__", {}))
    found: dict[int, str] = {}
    for name, value in variables.items():
        if isinstance(value, (tuple, list)):
            pairs = [(f"{name}.{n}", v) for n, v in enumerate(value)]
        elif hasattr(value, "named_parameters"):
            pairs = [(f"{name}.{n}", p) for n, p in value.named_parameters()]
            pairs += [(f"{name}.{n}", b) for n, b in value.named_buffers()]
        else:
            pairs = [(name, value)]
        for label, tensor in pairs:
            if isinstance(tensor, Tensor):
                found.setdefault(id(tensor), label)
    return found
