"""schemas: the arguments that PyTorch's words for an op name."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

#: An argument: a type (with what it aliases, and a size), a name, a default.
_ARGUMENT = re.compile(r"(?P<type>.+?)\s+(?P<name>[A-Za-z_]\w*)\s*(?:=\s*(?P<default>.+))?$", re.S)


def signature_of(schema: str) -> inspect.Signature:
    """The signature that ``"(Tensor x, float y=1.0, *, int[2] size) -> Tensor"`` describes."""
    inside = _inside(schema)
    kind: Any = inspect.Parameter.POSITIONAL_OR_KEYWORD
    out = []
    for text in _parts(inside):
        if text == "*":
            kind = inspect.Parameter.KEYWORD_ONLY
            continue
        found = _ARGUMENT.match(text)
        if found is None:
            raise ValueError(
                f"expected arguments like 'Tensor x, float y=1.0' in {schema!r}: {text!r}"
            )
        default = found["default"]
        value = inspect.Parameter.empty if default is None else _value(default.strip())
        out.append(inspect.Parameter(found["name"], kind, default=value))
    return inspect.Signature(out)


def _inside(schema: str) -> str:
    """What stands between the first bracket and its end."""
    start = schema.find("(")
    depth = 0
    for i in range(max(start, 0), len(schema)):
        depth += {"(": 1, ")": -1}.get(schema[i], 0)
        if depth == 0 and start >= 0:
            return schema[start + 1 : i]
    raise ValueError(f"expected a schema like '(Tensor x) -> Tensor', got {schema!r}")


def _parts(inside: str) -> list[str]:
    """The arguments, parted by the commas that stand in no bracket and no text."""
    parts, depth, quoted = [""], 0, False
    for letter in inside:
        quoted ^= letter in "'\""
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0 and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _value(text: str) -> object:
    """A default: a number, a list, a text, None, True or False; any other word is itself."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
