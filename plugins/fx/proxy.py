"""proxy: a value that stands for what a program will compute, and records what is done with it."""

from __future__ import annotations

import dataclasses
import dis
import enum
import inspect
import operator
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any, cast

import anadrome as ad
from anadrome.looking import start
from anadrome.places.overrides import is_tensor_method_or_property

from .arguments import map_aggregate
from .code import OPERATORS, REFLECTED
from .graph import Graph
from .names import target_name
from .node import Node

_PLAIN = (str, int, float, bool, complex, ad.dtype, ad.Tensor, ad.device, range, enum.Enum)


start()  # functions ask what they are given whether it is a proxy


class TraceError(ValueError):
    """What a program does depends on a value that is not there while it is traced."""


class TracerBase:
    """Makes nodes and proxies of them in ``graph``."""

    graph: Graph
    record_stack_traces = False
    trace_asserts = False
    proxy_buffer_attributes = False

    def create_node(
        self,
        kind: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
    ) -> Node:
        """A node in the graph; override it to see, or note something at, each of them."""
        return self.graph.create_node(kind, target, args, kwargs, name, type_expr)

    def proxy(self, node: Node) -> Proxy:
        """The value that stands for a node."""
        return Proxy(node, self)

    def create_proxy(
        self,
        kind: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        name: str | None = None,
        type_expr: Any = None,
        proxy_factory_fn: Callable[[Node], Proxy] | None = None,
    ) -> Proxy:
        """A node that takes what the arguments stand for, and the value that stands for it."""
        args, kwargs = self.create_arg(args), self.create_arg(kwargs)
        node = self.create_node(kind, target, args, kwargs, name, type_expr)
        return self.proxy(node) if proxy_factory_fn is None else proxy_factory_fn(node)

    def create_arg(self, a: Any) -> Any:
        """What a node takes for a value of the program; NotImplementedError for other classes."""
        if isinstance(a, Proxy):
            return a.node
        if hasattr(a, "__fx_create_arg__"):
            return a.__fx_create_arg__(self)
        if isinstance(a, tuple):
            parts = [self.create_arg(part) for part in a]
            return type(a)(*parts) if hasattr(a, "_fields") else type(a)(parts)
        if isinstance(a, list):
            return [self.create_arg(part) for part in a]
        if isinstance(a, dict):
            return {_key(k): self.create_arg(v) for k, v in a.items()}
        if isinstance(a, slice):
            return slice(*(self.create_arg(part) for part in (a.start, a.stop, a.step)))
        if dataclasses.is_dataclass(a) and not isinstance(a, type):
            fields = {f.name: self.create_arg(getattr(a, f.name)) for f in dataclasses.fields(a)}
            return self.create_node("call_function", type(a), (), fields)
        if isinstance(a, _PLAIN) or a is None or a is ...:
            return a
        raise NotImplementedError(
            f"argument of type: {type(a)}; give it to a function marked by fx.wrap, or make it an "
            "attribute of the module"
        )

    def to_bool(self, obj: Proxy) -> bool:
        """Called where a program branches on a value."""
        raise TraceError("symbolically traced variables cannot be used as inputs to control flow")

    def iter(self, obj: Proxy) -> Iterator[Proxy]:
        """Called where a program loops over a value."""
        raise TraceError(
            "Proxy object cannot be iterated. This can be attempted when the Proxy is used in a "
            "loop or as a *args or **kwargs function argument. Loop over a range of known length "
            "and index the value, or move the loop to a function marked by fx.wrap"
        )

    def keys(self, obj: Proxy) -> Any:
        """Called where a program asks a value for its keys (`**kwargs`)."""
        return Attribute(obj, "keys")()


def _key(key: Any) -> Any:
    def refuse(leaf: Any) -> Any:
        if isinstance(leaf, (Proxy, Node)):
            raise RuntimeError(
                f"Keys for dictionaries used as an argument cannot contain a Node. Got key: {leaf}"
            )
        return leaf

    return map_aggregate(key, refuse)


class GraphAppendingTracer(TracerBase):
    """Adds to a graph what is done with proxies of its nodes."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph


def proxies_in(value: Any) -> list[Proxy]:
    """The proxies in arguments, in order, also inside their lists, tuples, dicts and slices."""
    found: list[Proxy] = []

    def see(leaf: Any) -> Any:
        if isinstance(leaf, Proxy):
            found.append(leaf)
        return leaf

    map_aggregate(value, see)
    return found


class Proxy:
    """Stands for the value of a node; what is done with it becomes nodes (``torch.fx.Proxy``).

    ``Proxy(node)`` adds to the graph of any node, which is a short way to write a change of it.

    >>> import anadrome as ad
    >>> graph = ad.fx.Graph()
    >>> x = ad.fx.Proxy(graph.placeholder("x"))
    >>> (ad.relu(x) * 2).node.format_node()
    '%mul : [num_users=0] = call_function[target=operator.mul](args = (%relu, 2), kwargs = {})'
    """

    def __init__(self, node: Node, tracer: TracerBase | None = None) -> None:
        self.tracer = GraphAppendingTracer(node.graph) if tracer is None else tracer
        self.node = node

    def __repr__(self) -> str:
        return f"Proxy({self.node.name})"

    def __getattr__(self, k: str) -> Attribute:
        if k in ("node", "tracer"):  # while it is unpickled or copied
            raise AttributeError(k)
        return Attribute(self, k)

    def __deepcopy__(self, memo: dict[int, Any]) -> Proxy:
        return Proxy(self.node, self.tracer)

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", "__call__", (self, *args), kwargs)

    def __iter__(self) -> Iterator[Any]:
        frame = inspect.currentframe()
        caller = frame.f_back if frame is not None else None
        if caller is not None:  # `a, b = value` says itself how many there are
            steps = list(dis.get_instructions(caller.f_code))
            at = bisect_left([step.offset for step in steps], caller.f_lasti)
            if steps[at].opname == "UNPACK_SEQUENCE":
                return (self[i] for i in range(steps[at].argval))  # type: ignore[index]
        return self.tracer.iter(self)

    def __abs__(self) -> Proxy:
        return self.tracer.create_proxy("call_function", operator.abs, (self,), {})

    def __bool__(self) -> bool:
        return self.tracer.to_bool(self)

    def __len__(self) -> int:
        raise RuntimeError(
            "'len' is not supported in symbolic tracing by default. If you want this call to be "
            "recorded, please call torch.fx.wrap('len') at module scope"
        )

    def keys(self) -> Any:
        """Recorded, or what the tracer says."""
        return self.tracer.keys(self)

    @classmethod
    def __torch_function__(
        cls, orig_method: Any, types: Any, args: Any = None, kwargs: Any = None
    ) -> Any:
        args, kwargs = args or (), kwargs or {}
        found = proxies_in((args, kwargs))
        tracer = found[0].tracer
        name = getattr(orig_method, "__name__", "")
        if name in _SPELT_OUT and vars(ad.nn.functional).get(name) is orig_method:
            bound = inspect.signature(cast(Any, orig_method)).bind(*args, **kwargs)
            bound.apply_defaults()
            (_, first), *others = bound.arguments.items()
            args, kwargs = (first,), dict(others)
        if orig_method is ad.einsum and isinstance(args[-1], (list, tuple)):
            args = (*args[:-1], *args[-1])  # as PyTorch does before it asks
        if is_tensor_method_or_property(orig_method):
            bare = _OF_OPERATORS.get(name, name)
            return tracer.create_proxy("call_method", bare, args, kwargs)
        return tracer.create_proxy(
            "call_function", orig_method, args, kwargs, name=target_name(name)
        )


#: Functions of ``nn.functional`` that PyTorch records with all but ``input`` by name.
_SPELT_OUT = {
    "relu", "relu6", "elu", "celu", "selu", "silu", "mish", "hardtanh", "hardsigmoid", "hardswish",
    "leaky_relu", "softmax", "softmin", "log_softmax", "dropout", "dropout1d", "dropout2d",
    "dropout3d", "alpha_dropout",
}  # fmt: skip

#: Operators of Tensors by the methods that PyTorch reports them as.
_OF_OPERATORS = {
    "__add__": "add", "__sub__": "sub", "__mul__": "mul", "__truediv__": "div",
    "__matmul__": "matmul", "__eq__": "eq", "__ne__": "ne", "__lt__": "lt", "__gt__": "gt",
    "__le__": "le", "__ge__": "ge",
}  # fmt: skip


class Attribute(Proxy):
    """An attribute of a value: a node of its own only if it is not called as a method."""

    def __init__(self, root: Proxy, attr: str) -> None:
        self.root, self.attr, self.tracer = root, attr, root.tracer
        self._node: Node | None = None

    @property
    def node(self) -> Node:  # type: ignore[override]
        """The node, made when it is first asked for."""
        if self._node is None:
            asked = (self.root, self.attr)
            self._node = self.tracer.create_proxy("call_function", getattr, asked, {}).node
        return self._node

    def __call__(self, *args: Any, **kwargs: Any) -> Proxy:
        return self.tracer.create_proxy("call_method", self.attr, (self.root, *args), kwargs)


class ParameterProxy(Proxy):
    """Stands for a parameter, whose shape is known while a program is traced."""

    def __init__(self, tracer: TracerBase, node: Node, name: str, param: Any) -> None:
        super().__init__(node, tracer)
        self.param, self.name = param, name

    def __repr__(self) -> str:
        return f"ParameterProxy({self.name})"

    @property
    def shape(self) -> Any:
        """That of the parameter."""
        return self.param.shape

    @property
    def ndim(self) -> int:
        """That of the parameter."""
        return int(self.param.ndim)

    def size(self) -> Any:
        """That of the parameter."""
        return self.param.size()

    def dim(self) -> int:
        """That of the parameter."""
        return int(self.param.dim())

    def numel(self) -> int:
        """That of the parameter."""
        return int(self.param.numel())

    nelement = numel


def _operator(name: str, reflected: bool) -> Callable[..., Any]:
    function = getattr(operator, name)

    def call(self: Proxy, *others: Any) -> Proxy:
        args = (*others, self) if reflected else (self, *others)
        return self.tracer.create_proxy("call_function", function, args, {})

    call.__name__ = name
    return call


for _name in OPERATORS:
    setattr(Proxy, f"__{_name.strip('_')}__", _operator(_name, False))
for _name in REFLECTED:
    setattr(Proxy, f"__r{_name.strip('_')}__", _operator(_name, True))
Proxy.__hash__ = object.__hash__  # type: ignore[method-assign]
