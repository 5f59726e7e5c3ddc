"""returned: the named tuples that functions of several results return, printed as PyTorch's."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from . import dtypes


def returned(name: str, *fields: str) -> Any:
    """A named tuple, printed as ``torch.return_types`` are; ``name`` is the function's."""
    base: Any = namedtuple(name, fields)  # type: ignore[misc]

    def show(self: Any) -> str:
        body = ",\n".join(f"{field}={getattr(self, field)!r}" for field in fields)
        return f"{dtypes.shown_as}.return_types.{name}(\n{body})"

    def reduce(self: Any) -> Any:  # the class has no place of its own to be imported from
        return tuple, (list(self),)

    members = {"__slots__": (), "__repr__": show, "__reduce__": reduce}
    made[name] = kind = type(name, (base,), members)
    return kind


#: All of them, by function: ``torch.return_types``.
made: dict[str, Any] = {}


def __getattr__(name: str) -> Any:
    if name not in made and not name.startswith("_"):
        from .later import everything

        everything()
    if name not in made:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return made[name]
