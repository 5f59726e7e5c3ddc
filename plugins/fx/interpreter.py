"""interpreter: a graph run node by node, and a graph made anew from one."""

from __future__ import annotations

from typing import Any

from anadrome import nn

from .arguments import map_arg
from .graph import Graph
from .graph_module import GraphModule
from .node import Node
from .proxy import Proxy
from .tracing import Tracer


class Interpreter:
    """Runs a graph node by node; override a method to do otherwise (``torch.fx.Interpreter``).

    ``run_node`` sees each node; ``placeholder``, ``get_attr``, ``call_function``, ``call_method``,
    ``call_module`` and ``output`` see those of their kind. ``garbage_collect_values``: let go of
    values after their last use.
    """

    def __init__(
        self, module: Any, garbage_collect_values: bool = True, graph: Graph | None = None
    ) -> None:
        self.module = module
        self.graph = module.graph if graph is None else graph
        self.submodules = dict(module.named_modules())
        self.garbage_collect_values = garbage_collect_values
        self.env: dict[Node, Any] = {}
        self.name = "Interpreter"
        self.extra_traceback = True
        self.user_to_last_uses: dict[Node, list[Node]] = {}
        seen: set[Node] = set()
        for user in reversed(self.graph.nodes):
            for node in user.all_input_nodes:
                if node not in seen:
                    seen.add(node)
                    self.user_to_last_uses.setdefault(user, []).append(node)

    def run(
        self,
        *args: Any,
        initial_env: dict[Node, Any] | None = None,
        enable_io_processing: bool = True,
    ) -> Any:
        """What the graph returns; ``initial_env``: values of nodes that are not to be run."""
        self.env = {} if initial_env is None else dict(initial_env)
        self.args_iter = iter(args)
        for node in self.graph.nodes:
            if node in self.env:
                continue
            try:
                self.env[node] = self.run_node(node)
            except Exception as error:
                if self.extra_traceback and error.args:
                    said = f"{error.args[0]}\n\nWhile executing {node.format_node()}"
                    error.args = (said, *error.args[1:])
                raise
            if self.garbage_collect_values:
                for used in self.user_to_last_uses.get(node, ()):
                    del self.env[used]
            if node.op == "output":
                return self.env[node]
        return None

    def run_node(self, n: Node) -> Any:
        """The value of one node."""
        args, kwargs = self.fetch_args_kwargs_from_env(n)
        return getattr(self, n.op)(n.target, args, kwargs)

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> Any:
        """The next input; all that are left for one with a star."""
        if target.startswith("*"):
            return list(self.args_iter)
        missing = object()
        value = next(self.args_iter, missing)
        if value is missing:
            if not args:
                raise RuntimeError(
                    f"Expected positional argument for parameter {target}, but one was not "
                    "passed in!"
                )
            return args[0]
        return value

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        """An attribute of the module."""
        return self.fetch_attr(target)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """What the function returns."""
        return target(*args, **kwargs)

    def call_method(self, target: Any, args: Any, kwargs: Any) -> Any:
        """What the method returns."""
        return getattr(args[0], target)(*args[1:], **kwargs)

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        """What the module returns."""
        return self.fetch_attr(target)(*args, **kwargs)

    def output(self, target: Any, args: Any, kwargs: Any) -> Any:
        """What is returned."""
        return args[0]

    def fetch_attr(self, target: str) -> Any:
        """What the module has under a dotted name."""
        place = self.module
        for part in target.split("."):
            if not hasattr(place, part):
                raise RuntimeError(f"Node referenced nonexistent target {target}")
            place = getattr(place, part)
        return place

    def fetch_args_kwargs_from_env(self, n: Node) -> tuple[Any, Any]:
        """The values of a node's arguments."""
        return self.map_nodes_to_values(n.args, n), self.map_nodes_to_values(n.kwargs, n)

    def map_nodes_to_values(self, args: Any, n: Node) -> Any:
        """Arguments with values for nodes, as plain lists and dicts."""

        def value(node: Node) -> Any:
            if node not in self.env:
                raise RuntimeError(
                    f"Node {n} referenced nonexistent value {node}! Run Graph.lint() to diagnose "
                    "such issues"
                )
            return self.env[node]

        return _plain(map_arg(args, value))


def _plain(a: Any) -> Any:
    if type(a) is tuple:
        return tuple([_plain(part) for part in a])
    if isinstance(a, list):
        return (
            [_plain(part) for part in a] if type(a).__module__ == __package__ + ".arguments" else a
        )
    if isinstance(a, dict):
        ours = type(a).__module__ == __package__ + ".arguments"
        return {k: _plain(v) for k, v in a.items()} if ours else a
    return a


class Transformer(Interpreter):
    """Makes a new module from a graph, node by node (``torch.fx.Transformer``).

    Override the methods of ``Interpreter``: what they return becomes the new graph.
    """

    def __init__(self, module: Any) -> None:
        super().__init__(module)
        self.new_graph = Graph()
        outer = self

        class Copying(Tracer):
            def __init__(self) -> None:
                super().__init__()
                self.graph, self.root = outer.new_graph, module

            def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
                return True

        self.tracer = Copying()

    def placeholder(self, target: Any, args: Any, kwargs: Any) -> Proxy:
        """An input of the new graph."""
        default = args[0] if args else ...
        return Proxy(self.new_graph.placeholder(target, default_value=default), self.tracer)

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Proxy:
        """An attribute in the new graph."""
        return self.tracer.create_proxy("get_attr", target, args, kwargs)

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        """A call of the module in the new graph."""
        return self.tracer.create_proxy("call_module", target, args, kwargs)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """A call of the function in the new graph."""
        return self.tracer.create_proxy("call_function", target, args, kwargs)

    def transform(self) -> GraphModule:
        """The new module."""
        result = super().run(enable_io_processing=False)
        if result is not None:
            kept = map_plain(result)
            old = self.graph.output_node()
            made = self.new_graph.output(kept, old.type)
            made.meta.update(old.meta)
        return GraphModule(self.module, self.new_graph)


def map_plain(result: Any) -> Any:
    """A structure of proxies as one of their nodes."""
    from .arguments import map_aggregate

    return map_aggregate(result, lambda a: a.node if isinstance(a, Proxy) else a)
