"""trace: what a step did, op by op: calls of ops on numbered values, and the nodes of backwards.

It is plain data, so that it can be kept in a file and run again: see `files` and `running`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from anadrome import Tensor
from anadrome.backend import by_type
from anadrome.device import device
from anadrome.dtypes import BY_NAME, dtype, from_native
from anadrome.op import table

#: Said of a step with functions that `vmap` maps: their ops are no calls of the trace.
MAPPED = "The step maps functions (`vmap`): what happens inside them is not followed"


class Unwritable(Exception):
    """An argument that plain data cannot stand for."""


@dataclasses.dataclass(slots=True)
class Call:
    """`outputs = op(*args, **kwargs)` at the user's line `where`, in the module `module`.

    `args` and `kwargs` are encoded (see `encoded`). `drawn`: the value that says what a random op
    kept, since random numbers are those of one backend. `played`: whether it was a rule of a
    backward that called.
    """

    op: str
    plugin: str
    args: list[Any]
    kwargs: dict[str, Any]
    outputs: list[int]
    where: str
    module: str
    played: bool = False
    drawn: int | None = None


@dataclasses.dataclass(slots=True)
class Played:
    """A node that a backward came by: the calls `first` up to `end` were its rule's.

    `call`: the number of the call that recorded it, None for a `Function`. `arrived`, `results`:
    the gradients of its outputs and of its inputs.
    """

    name: str
    where: str
    module: str
    call: int | None
    first: int
    end: int
    arrived: list[int]
    results: list[int]


@dataclasses.dataclass(slots=True)
class Given:
    """A value that no call of the trace made.

    `kind`: `argument`, `parameter`, `buffer`, `made` (by the step, at the line `where`, but outside
    the ops), or `other` (then `where` is the line that first used it).
    """

    name: str
    kind: str
    where: str = ""


@dataclasses.dataclass(slots=True)
class Trace:
    """A step. `roots`: what its last backward started from; `leaves`: the gradients, by name.

    `where`: the user's line where something was seen. `text`: what was said of it then.
    """

    backend: str = ""
    calls: list[Call] = dataclasses.field(default_factory=list)
    played: list[Played] = dataclasses.field(default_factory=list)
    given: dict[int, Given] = dataclasses.field(default_factory=dict)
    roots: list[int] = dataclasses.field(default_factory=list)
    leaves: list[tuple[str, int]] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    where: str = ""
    text: str = ""


def function_name(node: str) -> str:
    """What the user called a `Function` whose nodes have that name."""
    return node.removesuffix("Backward")


# -- arguments as plain data --------------------------------------------------------------------
def encoded(value: Any, slot: Callable[[Any], int]) -> Any:
    """JSON for an argument; `slot` gives the number of a Tensor's or array's value."""
    cls = value.__class__
    if isinstance(value, Tensor):
        return {"value": slot(value)}
    if value is None or cls in (bool, int, str):
        return value
    if cls is float:
        return value if math.isfinite(value) else {"float": repr(value)}
    if cls is complex:
        return {"complex": [repr(value.real), repr(value.imag)]}
    if isinstance(value, tuple):
        return {"tuple": [encoded(v, slot) for v in value]}
    if cls is list:
        return {"list": [encoded(v, slot) for v in value]}
    if cls is dict:
        return {"dict": [[encoded(k, slot), encoded(v, slot)] for k, v in value.items()]}
    if cls is slice:
        return {"slice": [encoded(v, slot) for v in (value.start, value.stop, value.step)]}
    if value is Ellipsis:
        return {"ellipsis": None}
    if isinstance(value, dtype):
        return {"dtype": value.name}
    if isinstance(value, device):
        return {"device": None}
    declared = getattr(value, "op", None)
    name = getattr(declared, "name", None)
    if name is not None and table.get(name) is declared:
        return {"op": name}
    backend = by_type.get(cls)
    if backend is not None:
        return {"array": slot(value if cls is backend.array_type else backend.from_scalar(value))}
    try:
        return {"native": from_native[value].name}
    except (KeyError, TypeError):
        raise Unwritable(type(value).__name__) from None


def decoded(value: Any, of: Callable[[int, bool], Any], place: Any, native: Any) -> Any:
    """The argument again. `of(number, whether as an array)`; `place`: the device to work on;
    `native`: the backend's own object for a dtype. Raises ValueError for what is no argument."""
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise ValueError("a bare list")
        return value
    if len(value) != 1:
        raise ValueError("an argument of several kinds")
    ((kind, content),) = value.items()

    def again(v: Any) -> Any:
        return decoded(v, of, place, native)

    if kind in ("value", "array"):
        return of(content, kind == "array")
    if kind == "float":
        return float(content)
    if kind == "complex":
        real, imaginary = content
        return complex(float(real), float(imaginary))
    if kind == "tuple":
        return tuple(again(v) for v in content)
    if kind == "list":
        return [again(v) for v in content]
    if kind == "dict":
        return {again(k): again(v) for k, v in content}
    if kind == "slice":
        start, stop, step = content
        return slice(again(start), again(stop), again(step))
    if kind == "ellipsis":
        return Ellipsis
    if kind == "dtype":
        return BY_NAME[content]
    if kind == "native":
        return native(BY_NAME[content])
    if kind == "device":
        return place
    if kind == "op":
        return table[content].call
    raise ValueError(f"an argument of the unknown kind {kind!r}")


def values_in(value: Any) -> list[int]:
    """The numbers of the values in an encoded argument."""
    if isinstance(value, list):
        return [n for v in value for n in values_in(v)]
    if isinstance(value, dict):
        if set(value) <= {"value", "array"} and value:
            return [n for n in value.values() if isinstance(n, int)]
        return [n for v in value.values() for n in values_in(v)]
    return []
