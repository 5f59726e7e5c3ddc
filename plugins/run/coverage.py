"""coverage: which of PyTorch's names anadrome has, which in part, which not.

PyTorch's names and their arguments are in `torch_names.txt`, made by `docs/_torch_names.py`. What
anadrome has is looked up in anadrome itself.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anadrome
from anadrome import dtypes

COVERED, PARTLY, NOT = "covered", "partly", "not"

#: What an argument list cannot tell: how much of a name is there.
NOTES: dict[str, str] = {
    **dict.fromkeys(
        (
            "torch.cuda.CUDAGraph",
            "torch.cuda.graph",
            "torch.cuda.make_graphed_callables",
            "torch.SymBool",
            "torch.SymFloat",
            "torch.SymInt",
        ),
        "nothing is one",
    ),
    **{f"torch.{name}": "no Tensor has it" for name in (*dtypes.NAMED_ONLY, "chalf")},
    "torch.compile": "runs the function or module as it is; see anadrome.capture",
}

#: Arguments that every function of anadrome leaves out, and nobody computes anything with.
_IDLE = {"input", "self", "other", "sparse", "sparse_grad", "foreach", "fused", "capturable",
         "compute_mode", "cudnn_enabled", "dtype", "requires_grad", "device"}  # fmt: skip


class Row(NamedTuple):
    """One name of PyTorch's: `state` is COVERED, PARTLY or NOT; `missing` says what, if partly."""

    name: str
    state: str
    missing: str


@functools.cache
def _parsed() -> tuple[str, dict[str, dict[str, tuple[str, ...] | None]]]:
    text = (Path(__file__).parent / "torch_names.txt").read_text(encoding="utf-8")
    first, *lines = text.splitlines()
    found: dict[str, dict[str, tuple[str, ...] | None]] = {}
    for line in lines:
        if line.startswith("["):
            current = found[line[1:-1]] = {}
        elif line:
            name, bracket, arguments = line.partition("(")
            listed = tuple(a for a in arguments.rstrip(")").split(", ") if a)
            current[name] = listed if bracket else None
    return first.split()[2].rstrip(","), found


def torch_version() -> str:
    """The version of PyTorch whose names these are."""
    return _parsed()[0]


def names() -> dict[str, dict[str, tuple[str, ...] | None]]:
    """PyTorch's namespaces; in each the names, with their arguments' names if they are callable."""
    return _parsed()[1]


def rows(namespace: str) -> Iterator[Row]:
    """The names of one namespace, each with how far it is covered."""
    for name, arguments in names()[namespace].items():
        full = f"{namespace}.{name}"
        found, value = _lookup(full)
        if not found:
            yield Row(name, NOT, "")
            continue
        missing = NOTES.get(full) or _missing(value, arguments or ())
        yield Row(name, PARTLY if missing else COVERED, missing)


def counts(namespace: str) -> dict[str, int]:
    """How many names of the namespace are in each state."""
    states = [row.state for row in rows(namespace)]
    return {state: states.count(state) for state in (COVERED, PARTLY, NOT)}


def _lookup(full: str) -> tuple[bool, Any]:
    place: Any = anadrome
    path = "anadrome"
    for part in full.split(".")[1:]:
        path = f"{path}.{part}"
        try:
            place = getattr(place, part)
        except AttributeError:
            try:
                place = importlib.import_module(path)
            except ImportError:
                return False, None
    return True, place


def _missing(value: Any, wanted: tuple[str, ...]) -> str:
    """The arguments of PyTorch's that `value` would not take."""
    accepted = _arguments(value)
    if accepted is None:
        return ""
    lacking = [a for a in wanted if a not in accepted and a not in _IDLE and len(a) > 1]
    # One name for one thing: where all of ours have other names, nothing is known to be missing.
    if len(accepted) >= len(wanted):
        lacking = []
    return f"no `{'`, `'.join(lacking)}`" if lacking else ""


def _arguments(value: Any) -> set[str] | None:
    """The names of the arguments that `value` takes; None where that cannot be told."""
    op = getattr(value, "op", None)
    if op is not None and hasattr(op, "inputs"):
        return {*op.inputs, *op.keywords}
    if not callable(value):
        return None
    try:
        parameters = inspect.signature(value).parameters.values()
    except (ValueError, TypeError):
        return None
    if any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters):
        return None
    return {p.name for p in parameters} - {"self"}


def table(namespace: str, plain: Callable[[str], str] = str) -> list[str]:
    """A namespace as lines of Markdown: covered names in a paragraph, the others in theirs."""
    grouped: dict[str, list[str]] = {COVERED: [], PARTLY: [], NOT: []}
    for row in rows(namespace):
        text = f"`{row.name}`" + (f" ({row.missing})" if row.missing else "")
        grouped[row.state].append(text)
    lines = [f"## {namespace}", ""]
    for state, found in grouped.items():
        if found:
            lines += [f"**{state}** ({len(found)}): {', '.join(found)}", ""]
    return [plain(line) for line in lines]


def summary() -> list[str]:
    """How much of each namespace is covered, as a table of Markdown."""
    lines = ["| namespace | covered | partly | not |", "|---|---:|---:|---:|"]
    for namespace in names():
        n = counts(namespace)
        anchor = re.sub(r"[^a-z0-9_]", "", namespace.lower())
        lines.append(f"| [{namespace}](#{anchor}) | {n[COVERED]} | {n[PARTLY]} | {n[NOT]} |")
    return lines
