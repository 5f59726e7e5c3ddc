"""graph: steps in the order in which they are run, to be read and changed."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from typing import Any

from .arguments import map_arg
from .code import PythonCode, Writer
from .names import Namespace, target_name
from .node import Node


class Nodes:
    """The nodes of a graph in order, or backward; they may be changed while it is walked."""

    def __init__(self, graph: Graph, backward: bool = False) -> None:
        self._graph, self._backward = graph, backward

    def __iter__(self) -> Iterator[Node]:
        step = "_prev" if self._backward else "_next"
        root = self._graph._root
        node = getattr(root, step)
        while node is not root:
            after = node
            if not node._erased:
                yield node
            node = getattr(after, step)

    def __reversed__(self) -> Iterator[Node]:
        return iter(Nodes(self._graph, not self._backward))

    def __len__(self) -> int:
        return self._graph._len


class Graph:
    """A program as a list of nodes (``torch.fx.Graph``).

    ``owning_module``: the GraphModule that runs it. New nodes come last, or where
    ``inserting_before`` and ``inserting_after`` say.

    >>> import anadrome as ad
    >>> graph = ad.fx.Graph()
    >>> x = graph.placeholder("x")
    >>> _ = graph.output(graph.call_function(ad.relu, (x,)))
    >>> print(graph)
    graph():
        %x : [num_users=1] = placeholder[target=x]
        %relu : [num_users=1] = call_function[target=torch.relu](args = (%x,), kwargs = {})
        return relu
    """

    def __init__(
        self, owning_module: Any = None, tracer_cls: Any = None, tracer_extras: Any = None
    ) -> None:
        self._root = Node(self, "", "root", "", (), {})
        self._insert: Callable[[Node], None] = self._root.prepend
        self._names = Namespace()
        self._len = 0
        self.owning_module = owning_module
        self._tracer_cls, self._tracer_extras = tracer_cls, tracer_extras

    @property
    def nodes(self) -> Nodes:
        """All nodes, in order."""
        return Nodes(self)

    # -- making nodes ------------------------------------------------------------------------------
    def create_node(
        self,
        op: str,
        target: Any,
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A new node where nodes are being inserted."""
        wanted = target_name(target) if name is None else name
        node = Node(self, self._names.create_name(wanted), op, target, args or (), kwargs or {},
                    type_expr)  # fmt: skip
        self._insert(node)
        self._len += 1
        return node

    def placeholder(self, name: str, type_expr: Any = None, default_value: Any = ...) -> Node:
        """An input; ``default_value``: what it is where nobody gives it."""
        args = () if default_value is ... else (default_value,)
        return self.create_node("placeholder", name, args, type_expr=type_expr)

    def get_attr(self, qualified_name: str, type_expr: Any = None) -> Node:
        """A parameter, buffer or other attribute of the module."""
        return self.create_node("get_attr", qualified_name, type_expr=type_expr)

    def call_module(
        self, module_name: str, args: Any = None, kwargs: Any = None, type_expr: Any = None
    ) -> Node:
        """A call of a module inside the module."""
        return self.create_node("call_module", module_name, args, kwargs, type_expr=type_expr)

    def call_method(
        self, method_name: str, args: Any = None, kwargs: Any = None, type_expr: Any = None
    ) -> Node:
        """A call of a method of the first argument."""
        return self.create_node("call_method", method_name, args, kwargs, type_expr=type_expr)

    def call_function(
        self,
        the_function: Callable[..., Any],
        args: Any = None,
        kwargs: Any = None,
        type_expr: Any = None,
        name: str | None = None,
    ) -> Node:
        """A call of a function."""
        return self.create_node("call_function", the_function, args, kwargs, name, type_expr)

    def output(self, result: Any, type_expr: Any = None) -> Node:
        """What is returned."""
        return self.create_node("output", "output", (result,), type_expr=type_expr)

    def node_copy(self, node: Node, arg_transform: Callable[[Node], Any] = lambda x: x) -> Node:
        """A copy of a node of another graph; ``arg_transform``: what its inputs are here."""
        args, kwargs = map_arg(node.args, arg_transform), map_arg(node.kwargs, arg_transform)
        out = self.create_node(node.op, node.target, args, kwargs, node.name, node.type)
        out.meta = copy.copy(node.meta)
        return out

    def graph_copy(
        self, g: Graph, val_map: dict[Node, Any], return_output_node: bool = False
    ) -> Any:
        """Copies the nodes of a graph into this one; what its output returns.

        ``val_map``: nodes that are not copied, and what stands for them; the copies are added.
        """
        for node in g.nodes:
            if node in val_map:
                continue
            if node.op == "output":
                result = map_arg(node.args[0], lambda n: val_map[n])
                return (result, node) if return_output_node else result
            val_map[node] = self.node_copy(node, lambda n: val_map[n])
        return None

    # -- changing ----------------------------------------------------------------------------------
    def inserting_before(self, n: Node | None = None) -> contextlib.AbstractContextManager[None]:
        """New nodes come before ``n`` inside; before all others without one."""
        return self._inserting(self._root._next if n is None else n, before=True)

    def inserting_after(self, n: Node | None = None) -> contextlib.AbstractContextManager[None]:
        """New nodes come behind ``n`` inside; behind all others without one."""
        return self._inserting(self._root._prev if n is None else n, before=False)

    def _inserting(self, n: Node, before: bool) -> contextlib.AbstractContextManager[None]:
        if n.graph is not self:
            raise AssertionError("Node to insert before or after is not in graph.")
        place = [n]

        def insert(node: Node) -> None:
            if before:
                n.prepend(node)
            else:
                place[0].append(node)
                place[0] = node

        @contextlib.contextmanager
        def inserting(old: Any) -> Iterator[None]:
            try:
                yield
            finally:
                self._insert = old

        manager = inserting(self._insert)
        self._insert = insert
        return manager

    def erase_node(self, to_erase: Node) -> None:
        """Remove a node that nobody uses; RuntimeError for one that has users."""
        if to_erase.users:
            raise RuntimeError(
                f"Tried to erase Node {to_erase} but it still had {len(to_erase.users)} users in "
                f"the graph: {to_erase.users}!"
            )
        if to_erase.graph is not self:
            raise RuntimeError(f"Attempting to remove {to_erase} from wrong graph!")
        if to_erase._erased:
            return
        after = to_erase._next, to_erase._prev
        to_erase._unlink()
        to_erase._next, to_erase._prev = after  # for whoever stands on it while walking
        to_erase._erased = True
        self._len -= 1
        to_erase.args, to_erase.kwargs = (), {}

    def eliminate_dead_code(self, is_impure_node: Callable[[Node], bool] | None = None) -> bool:
        """Remove nodes that nobody uses and that only return a value; whether there were any."""
        self.lint()
        changed = False
        for node in reversed(self.nodes):
            impure = is_impure_node(node) if is_impure_node else node.is_impure()
            if not impure and not node.users:
                self.erase_node(node)
                changed = True
        return changed

    # -- asking ------------------------------------------------------------------------------------
    def find_nodes(self, *, op: str, target: Any = None, sort: bool = True) -> list[Node]:
        """The nodes of a kind, of a target if it is given, in order."""
        return [n for n in self.nodes if n.op == op and (target is None or n.target == target)]

    def output_node(self) -> Node:
        """The node that returns."""
        return self.find_nodes(op="output")[0]

    def lint(self) -> None:
        """Raise RuntimeError where the graph is no program: order, names, owners, targets."""
        seen: set[Node] = set()
        names: set[str] = set()
        for node in self.nodes:
            if node.graph is not self:
                raise RuntimeError(f"Node '{node}' does not belong to this Graph!")
            for arg in node.all_input_nodes:
                if arg.graph is not self:
                    raise RuntimeError(
                        f"Argument '{arg}' of Node '{node}' does not belong to this Graph, but was "
                        "used as an argument! If you are copying nodes from another graph, make "
                        "sure to use ``arg_transform`` on node_copy() to remap values"
                    )
                if arg not in seen:
                    raise RuntimeError(
                        f"Argument '{arg}' of Node '{node}' was used before it has been defined! "
                        f"Please check that Nodes in the graph are topologically ordered\n{self}"
                    )
            seen.add(node)
            if node.name in names:
                raise RuntimeError(f"Node redefined name {node.name}!")
            names.add(node.name)
            if self.owning_module is not None and node.op in ("get_attr", "call_module"):
                self._lint_target(node)

    def _lint_target(self, node: Node) -> None:
        place = self.owning_module
        for part in node.target.split("."):
            if not hasattr(place, part):
                raise RuntimeError(
                    f"Node {node} target {node.target} references nonexistent attribute {part}"
                )
            place = getattr(place, part)

    def python_code(self, root_module: str, *, verbose: bool = False, **ignored: Any) -> PythonCode:
        """The text of a function that does what the graph says, and its globals."""
        return Writer(self, root_module, verbose).write()

    def print_tabular(self) -> None:
        """Print the nodes as a table."""
        rows = [("opcode", "name", "target", "args", "kwargs")]
        rows += [(n.op, n.name, str(n.target), str(n.args), str(n.kwargs)) for n in self.nodes]
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        rows.insert(1, tuple("-" * w for w in widths))  # type: ignore[arg-type]
        for row in rows:
            print("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip())

    def __str__(self) -> str:
        placeholders: list[str] = []
        returned = [""]
        lines = [n.format_node(placeholders, returned) for n in self.nodes]
        head = f"graph({', '.join(placeholders)}){returned[0]}:"
        return "\n    ".join([head, *(line for line in lines if line is not None)])

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Graph:
        g = Graph(tracer_cls=self._tracer_cls)
        memo = {} if memo is None else memo
        copies: dict[Node, Any] = {}
        found = g.graph_copy(self, copies, return_output_node=True)
        if found is not None:
            result, old = found
            out = g.output(result, old.type)
            out.meta = copy.copy(old.meta)
            copies[old] = out
        memo[id(self)] = g
        return g
