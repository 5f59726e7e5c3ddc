"""files: a trace in one safetensors file: the arrays as they are, the rest as JSON text.

Nothing in such a file is code: it names ops of the table, and what it names is looked up and
checked before anything runs.
"""

from __future__ import annotations

import dataclasses
import json
import os
import zlib
from typing import Any

from anadrome import serialization
from anadrome.errors import SerializationError
from anadrome.op import table
from anadrome.tensor import unwrap, wrap

from .trace import Call, Given, Played, Trace, values_in

FORMAT = "anadrome replay"
VERSION = 1


def save(path: Any, trace: Trace, arrays: dict[int, Any]) -> None:
    """Write a trace with the arrays of its given values; the file is replaced as a whole.

    Raises ``SerializationError`` if it cannot be written.
    """
    name = os.fspath(path)
    if not name.endswith(".safetensors"):
        raise SerializationError(f"a replay is saved to a file *.safetensors, not {name!r}")
    text = json.dumps(dataclasses.asdict(trace))
    content = {
        "format": FORMAT,
        "version": VERSION,
        "trace": text,
        "crc32": checksum(text),  # the arrays have theirs from `serialization`
        "arrays": {str(number): wrap(array) for number, array in arrays.items()},
    }
    serialization.save(content, name)


def load(path: Any) -> tuple[Trace, dict[int, Any]]:
    """The trace and the arrays that ``save`` wrote.

    Raises ``SerializationError``, which names the file, for anything else; ``OSError`` if it cannot
    be opened.
    """
    name = os.fspath(path)
    content = serialization.load(name)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise SerializationError(
            f"{name!r} is no replay; `ad.sentinel(file=...)` writes one when a step gives NaN or "
            "an infinity"
        )
    if content.get("version") != VERSION:
        raise SerializationError(
            f"{name!r} is a replay of version {content.get('version')!r}; this anadrome reads "
            f"version {VERSION}"
        )
    try:
        if checksum(content["trace"]) != content["crc32"]:
            raise ValueError("its checksum does not match")
        trace = _trace(json.loads(content["trace"]))
        arrays = {int(number): unwrap(t) for number, t in content["arrays"].items()}
        _check(trace, arrays)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise SerializationError(f"{name!r}: the step in it is damaged: {error!r}") from error
    _check_ops(name, trace)
    return trace, arrays


def checksum(text: str) -> str:
    """Of the description of a step."""
    return f"{zlib.crc32(text.encode()):08x}"


def _trace(plain: dict[str, Any]) -> Trace:
    """A trace from plain data, each field of its kind."""
    trace = Trace(
        _of(str, plain["backend"]),
        calls=[Call(**call) for call in plain["calls"]],
        played=[Played(**node) for node in plain["played"]],
        given={int(n): Given(**given) for n, given in plain["given"].items()},
        roots=[_of(int, n) for n in plain["roots"]],
        leaves=[(_of(str, name), _of(int, n)) for name, n in plain["leaves"]],
        notes=[_of(str, note) for note in plain["notes"]],
        where=_of(str, plain["where"]),
        text=_of(str, plain["text"]),
    )
    records: list[Any] = [*trace.calls, *trace.played, *trace.given.values()]
    for record in records:
        for field in dataclasses.fields(record):
            value = getattr(record, field.name)
            kind = str(field.type)
            wanted = {"str": str, "bool": bool, "int": int, "list[int]": list, "list[Any]": list,
                      "dict[str, Any]": dict}.get(kind)  # fmt: skip
            if wanted is not None:
                _of(wanted, value)
            elif value is not None:
                _of(int, value)
            if kind == "list[int]":
                for n in value:
                    _of(int, n)
    return trace


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"{value!r:.40} in the place of {kind.__name__}")
    return value


def _check(trace: Trace, arrays: dict[int, Any]) -> None:
    """Each value is there before it is used, and made once."""
    if set(arrays) != set(trace.given):
        raise ValueError("arrays that do not fit the given values")
    there = set(arrays)
    for i, call in enumerate(trace.calls):
        used = values_in([*call.args, *call.kwargs.values()])
        used += [] if call.drawn is None else [call.drawn]
        if not there.issuperset(used):
            raise ValueError(f"call {i} ({call.op}) uses a value that is not there yet")
        if not there.isdisjoint(call.outputs) or len(set(call.outputs)) != len(call.outputs):
            raise ValueError(f"call {i} ({call.op}) makes a value that is there already")
        there.update(call.outputs)
    count = len(trace.calls)
    for node in trace.played:
        if not there.issuperset((*node.arrived, *node.results)):
            raise ValueError(f"{node.name} has a gradient that is not there")
        if not 0 <= node.first <= count or not 0 <= node.end <= count:
            raise ValueError(f"{node.name} is outside the calls")
        if node.call is not None and not 0 <= node.call < count:
            raise ValueError(f"{node.name} was recorded by no call")
    if not there.issuperset((*trace.roots, *(n for _, n in trace.leaves))):
        raise ValueError("the step ends in values that are not there")


def _check_ops(name: str, trace: Trace) -> None:
    for call in trace.calls:
        declared = table.get(call.op)
        if declared is None:
            raise SerializationError(
                f"{name!r} needs the op {call.op!r} of the plugin {call.plugin!r}, which is not "
                "loaded here: install it (`anadrome plugins` shows what there is)"
            )
        if declared.mutates:
            raise SerializationError(f"{name!r}: {call.op!r} writes in place; no replay calls it")
