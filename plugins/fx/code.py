"""code: the Python text of a graph."""

from __future__ import annotations

import enum
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anadrome as ad

from .names import GLOBALS, Namespace, is_ours, path, qualified, type_name
from .node import Node

if TYPE_CHECKING:
    from .graph import Graph

REFLECTED = {
    "add": "{} + {}", "sub": "{} - {}", "mul": "{} * {}", "floordiv": "{} // {}",
    "truediv": "{} / {}", "mod": "{} % {}", "pow": "{} ** {}", "lshift": "{} << {}",
    "rshift": "{} >> {}", "and_": "{} & {}", "or_": "{} | {}", "xor": "{} ^ {}",
    "getitem": "{}[{}]", "matmul": "{} @ {}",
}  # fmt: skip
OPERATORS = {
    "eq": "{} == {}", "ne": "{} != {}", "lt": "{} < {}", "gt": "{} > {}", "le": "{} <= {}",
    "ge": "{} >= {}", "pos": "+{}", "neg": "-{}", "invert": "~{}", **REFLECTED,
}  # fmt: skip
IN_PLACE = {
    "iadd": "{} += {}", "iand": "{} &= {}", "ifloordiv": "{} //= {}", "ilshift": "{} <<= {}",
    "imod": "{} %= {}", "imul": "{} *= {}", "imatmul": "{} @= {}", "ior": "{} |= {}",
    "ipow": "{} **= {}", "irshift": "{} >>= {}", "isub": "{} -= {}", "itruediv": "{} /= {}",
    "ixor": "{} ^= {}", "setitem": "{}[{}] = {}",
}  # fmt: skip


@dataclass
class PythonCode:
    """The text of a function, and what it needs to be run with."""

    src: str
    globals: dict[str, Any]


class Writer:
    """Writes one graph."""

    def __init__(self, graph: Graph, root: str, verbose: bool) -> None:
        self.graph, self.root, self.verbose = graph, root, verbose
        self.names = Namespace()
        self.globals: dict[str, Any] = {}
        self.inputs: list[str] = []
        self.wrapped: dict[str, None] = {}
        self.returns = ""
        for name, value in GLOBALS.items():
            self.globals[name] = value
            self.names.take(name, None if name in ("inf", "nan") else value)
        for node in graph.nodes:
            self.names.take(node.name, node)

    def write(self) -> PythonCode:
        """The code."""
        last = self._last_uses()
        lines: list[str] = []
        said = False
        for node in self.graph.nodes:
            if self.verbose and not said and node.op not in ("placeholder", "output"):
                lines += ["", "# No stacktrace found for following nodes"]
                said = True
            text = self._statement(node)
            if text is None:
                continue
            if node.op not in ("placeholder", "output"):
                freed = [*last.get(node, []), *([] if node.users else [node])]
                if freed:
                    text += f";  {' = '.join([*map(repr, freed), 'None'])}"
            lines.append(text)
        while lines and not lines[0]:
            del lines[0]
        body = "\n".join(f"    {line}" for line in [*(lines or ["pass"]), ""])
        wraps = "\n".join(f'torch.fx._symbolic_trace.wrap("{name}")' for name in self.wrapped)
        inputs = self.inputs if self.inputs[:1] == ["self"] else ["self", *self.inputs]
        head = f"def forward({', '.join(inputs)}){self.returns}:"
        return PythonCode(f"\n{wraps}\n\n{head}\n{body}", self.globals)

    def _last_uses(self) -> dict[Node, list[Node]]:
        """What nobody needs any more after a node, so that its memory is free early."""
        seen: set[Node] = set()
        freed: dict[Node, list[Node]] = {}
        for user in reversed(self.graph.nodes):
            for node in user.all_input_nodes:
                if node not in seen:
                    seen.add(node)
                    freed.setdefault(user, []).append(node)
        return freed

    def _statement(self, node: Node) -> str | None:
        kind = "" if node.type is None else f" : {self._type(node.type)}"
        left = f"{node!r}{kind} = "
        if node.op == "placeholder":
            default = f" = {self._value(node.args[0])}" if node.args else ""
            self.inputs.append(f"{node.target}{kind}{default}")
            given = str(node.target).replace("*", "")
            return f"{node!r} = {given}" if given != node.name else None
        if node.op == "call_method":
            method = path(self._value(node.args[0]), node.target)
            return f"{left}{method}({self._arguments(node.args[1:], node.kwargs)})"
        if node.op == "call_module":
            return f"{left}{path(self.root, node.target)}" + (
                f"({self._arguments(node.args, node.kwargs)})"
            )
        if node.op == "get_attr":
            return left + path(self.root, node.target)
        if node.op == "output":
            if node.type is not None:
                self.returns = f" -> {self._type(node.type)}"
            return f"return {self._value(node.args[0])}"
        return self._call(node, left)

    def _call(self, node: Node, left: str) -> str:
        name = getattr(node.target, "__name__", "")
        if getattr(node.target, "__module__", "") == "_operator":
            values = [self._value(a) for a in node.args]
            if name in OPERATORS:
                return left + OPERATORS[name].format(*values)
            if name in IN_PLACE:
                return f"{IN_PLACE[name].format(*values)};  {left}{values[0]}"
        called = self._global(qualified(node.target), node.target)
        if node.target is getattr and len(node.args) == 2 and str(node.args[1]).isidentifier():
            return left + path(self._value(node.args[0]), node.args[1])
        if node.meta.get("is_wrapped"):
            self.wrapped.setdefault(called)
        return f"{left}{called}({self._arguments(node.args, node.kwargs)})"

    def _global(self, hint: str, value: Any) -> str:
        if is_ours(value) and value is not ad.device:
            return qualified(value)
        name = self.names.create_name(hint, value)
        self.globals[name] = value
        return name

    def _type(self, value: Any) -> str:
        if value == ():
            return "()"
        if isinstance(value, str):
            return self._global(repr(value), value)
        origin = typing.get_origin(value)
        if origin is None:
            return self._global(type_name(value), value)
        given = ",".join(self._type(a) for a in typing.get_args(value))
        generic = getattr(typing, getattr(value, "_name", None) or "", origin)
        name = self._global(type_name(origin) if generic is origin else repr(generic), generic)
        return f"{name}[{given}]" if given else name

    def _arguments(self, args: Any, kwargs: Any) -> str:
        named = [f"{k} = {self._value(v)}" for k, v in kwargs.items()]
        return ", ".join([*map(self._value, args), *named])

    def _value(self, value: Any) -> str:
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            cls = type(value)
            return f"{self._global(qualified(cls), cls)}{tuple(value)!r}"
        if isinstance(value, enum.Enum):
            return f"{self._global(type(value).__name__, type(value))}.{value.name}"
        if isinstance(value, tuple):
            inner = ", ".join(map(self._value, value))
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        if isinstance(value, list):
            return f"[{', '.join(map(self._value, value))}]"
        if isinstance(value, dict):
            return f"{{{', '.join(f'{k!r}: {self._value(v)}' for k, v in value.items())}}}"
        if isinstance(value, slice):
            return f"slice({', '.join(map(self._value, (value.start, value.stop, value.step)))})"
        if callable(value) and hasattr(value, "__name__"):
            return self._global(qualified(value), value)
        if isinstance(value, ad.dtype):
            return repr(value).replace("anadrome.", "torch.")
        return repr(value)
