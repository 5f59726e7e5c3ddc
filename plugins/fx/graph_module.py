"""graph_module: a module whose ``forward`` is made from a graph."""

from __future__ import annotations

import copy
import itertools
import linecache
from typing import Any

from anadrome import nn

from .graph import Graph
from .names import GLOBALS

_numbers = itertools.count()


def compiled(source: str, names: dict[str, Any]) -> Any:
    """The function ``forward`` of generated code; tracebacks show its lines."""
    file = f"<eval_with_key>.{next(_numbers)}"
    names = dict(names)
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    exec(compile(source, file, "exec", dont_inherit=True), names)
    return names["forward"]


def copy_attribute(source: nn.Module, target: nn.Module, name: str) -> None:
    """Give a module what another one has under a dotted name."""
    *above, last = name.split(".")
    for part in above:
        source = getattr(source, part)
        if not hasattr(target, part):
            setattr(target, part, nn.Module())
        target = getattr(target, part)
        if source is target:
            return
    _assign(target, last, getattr(source, last), last in source._buffers)


def _assign(target: nn.Module, name: str, value: Any, buffer: bool = False) -> None:
    if buffer:
        target.register_buffer(name, value)
    else:
        setattr(target, name, value)


#: Where programs look for attributes that survive passes (PyTorch's name).
_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"


class GraphModule(nn.Module):
    """A module that runs a graph (``torch.fx.GraphModule``).

    ``root``: the module, or a dict of dotted names, from which the graph's modules, parameters and
    buffers are taken. ``class_name``: what its class is called. After a change of ``graph`` call
    ``recompile()``.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Each has a class of its own, since ``forward`` is looked up in the class."""
        base = next(c for c in cls.__mro__ if "_fx_own" not in vars(c))
        own = type("GraphModuleImpl", (base,), {"_fx_own": True})
        return object.__new__(own)

    def __init__(self, root: Any, graph: Graph, class_name: str = "GraphModule") -> None:
        super().__init__()
        type(self).__name__ = class_name
        type(self).__qualname__ = class_name
        wanted = [n.target for n in graph.nodes if n.op in ("get_attr", "call_module")]
        if isinstance(root, nn.Module):
            self.training = root.training
            for name in wanted:
                copy_attribute(root, self, name)
        elif isinstance(root, dict):
            for name in wanted:
                if name not in root:
                    raise RuntimeError(
                        f"Node target {name} was referenced in the graph but was not provided in "
                        "``root``!"
                    )
            for name in sorted(set(wanted), key=lambda n: n.count(".")):
                *above, last = name.split(".")
                place: Any = self
                for part in above:
                    if not hasattr(place, part):
                        setattr(place, part, nn.Module())
                    place = getattr(place, part)
                setattr(place, last, root[name])
        else:
            raise RuntimeError(f"Unsupported type {root} passed for root!")
        self.meta: dict[str, Any] = {}
        self.graph = graph

    @property
    def graph(self) -> Graph:
        """The graph; assigning one compiles it."""
        return self._graph

    @graph.setter
    def graph(self, g: Graph) -> None:
        if not isinstance(g, Graph):
            raise AssertionError(f"Expected a Graph instance, but got {type(g)}")
        self._graph = g
        g.owning_module = self
        self.recompile()

    @property
    def code(self) -> str:
        """The text of ``forward``."""
        return str(self._code)

    def recompile(self) -> Any:
        """Make ``forward`` anew from the graph; returns its code."""
        made = self._graph.python_code("self")
        self._code, self._names = made.src, made.globals
        setattr(type(self), "forward", compiled(made.src, made.globals))  # noqa: B010
        return made

    # -- modules inside ----------------------------------------------------------------------------
    def add_submodule(self, target: str, m: nn.Module) -> bool:
        """Put a module at a dotted name; False where the way there is no module."""
        *above, last = target.split(".")
        place: Any = self
        for part in above:
            if not hasattr(place, part):
                setattr(place, part, nn.Module())
            place = getattr(place, part)
            if not isinstance(place, nn.Module):
                return False
        place.add_module(last, m)
        return True

    def delete_submodule(self, target: str) -> bool:
        """Remove the module at a dotted name; False if there is none."""
        *above, last = target.split(".")
        place: Any = self
        for part in above:
            place = getattr(place, part, None)
            if not isinstance(place, nn.Module):
                return False
        if not isinstance(getattr(place, last, None), nn.Module):
            return False
        delattr(place, last)
        return True

    def delete_all_unused_submodules(self) -> None:
        """Remove modules that no node calls or takes an attribute of."""
        used: set[str] = set()
        for node in self._graph.nodes:
            if node.op in ("call_module", "get_attr"):
                parts = node.target.split(".")
                used.update(".".join(parts[:i]) for i in range(1, len(parts) + 1))
                if node.op == "call_module":
                    inner = self.get_submodule(node.target).named_modules()
                    used.update(f"{node.target}.{name}" for name, _ in inner)
        for name in [n for n, _ in self.named_modules() if n and n not in used]:
            self.delete_submodule(name)

    # -- text and copies ---------------------------------------------------------------------------
    def print_readable(self, print_output: bool = True, **ignored: Any) -> str:
        """The code as that of a class, with those of the graph modules inside; printed, too."""
        source = self._graph.python_code("self", verbose=True).src.lstrip("\n")
        text = f"class {type(self).__name__}(torch.nn.Module):\n"
        text += "\n".join(f"    {line}" if line.strip() else "" for line in source.split("\n"))
        inner = [m for m in self.children() if isinstance(m, GraphModule)]
        for module in inner:
            lines = module.print_readable(print_output=False).split("\n")
            text += "\n".join(f"    {line}" if line.strip() else "" for line in lines)
        if print_output:
            print(text)
        return text

    def __str__(self) -> str:
        note = "# To see more debug info, please use `graph_module.print_readable()`"
        return "\n".join([super().__repr__(), self._code, note])

    def __deepcopy__(self, memo: dict[int, Any]) -> GraphModule:
        parts = nn.Module()
        kept = {k: v for k, v in vars(self).items() if k not in ("_graph", "_code", "_names")}
        vars(parts).update(copy.deepcopy(kept, memo))
        out = GraphModule(parts, copy.deepcopy(self._graph), type(self).__name__)
        _rest(parts, out)
        memo[id(self)] = out
        return out

    def __copy__(self) -> GraphModule:
        out = GraphModule(self, copy.deepcopy(self._graph), type(self).__name__)
        _rest(self, out)
        return out

    def __reduce__(self) -> Any:
        kept = {k: v for k, v in vars(self).items() if k not in ("_graph", "_names")}
        names = {k: v for k, v in self._names.items() if k not in GLOBALS}
        return _unpickled, (kept, names, type(self).__name__)


def _rest(source: nn.Module, target: nn.Module) -> None:
    """What no node names, such as modules that are not used."""
    for table in ("_parameters", "_buffers", "_modules"):
        for name, value in vars(source)[table].items():
            if name not in vars(target)[table]:
                _assign(target, name, value, table == "_buffers")
    for name, value in vars(source).items():
        if name not in vars(target):
            vars(target)[name] = value
    vars(target)["meta"] = dict(vars(source).get("meta", {}))
    target.training = source.training


def _unpickled(kept: dict[str, Any], names: dict[str, Any], class_name: str) -> GraphModule:
    """A graph is not pickled: the code is, and is traced again, with all modules as steps."""
    from .tracing import Tracer

    class Whole(Tracer):
        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            return True

    class Code(nn.Module):
        pass

    root = Code()
    vars(root).update({k: v for k, v in kept.items() if k != "_code"})
    Code.forward = compiled(kept["_code"], {**GLOBALS, **names})  # type: ignore[method-assign]
    out = GraphModule(root, Whole().trace(root), class_name)
    _rest(root, out)
    return out
