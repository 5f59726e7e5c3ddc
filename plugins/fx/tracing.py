"""tracing: a program run once over proxies, which leaves its graph."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable
from types import CodeType, FunctionType, ModuleType
from typing import Any

import anadrome as ad
from anadrome import nn
from anadrome.places import compiler

from .graph import Graph
from .graph_module import GraphModule
from .names import is_ours
from .node import Node
from .proxy import ParameterProxy, Proxy, TracerBase
from .wrapping import Patches, replaced


def _assert_is_none(value: Any, msg: str) -> None:
    if value is not None:
        raise AssertionError(msg)


_assert_is_none.__module__ = "anadrome.fx._symbolic_trace"  # as generated code reaches it


class Tracer(TracerBase):
    """Makes graphs of modules and functions (``torch.fx.Tracer``).

    Override ``is_leaf_module`` to say which modules are not looked into, ``create_arg``,
    ``create_proxy``, ``call_module``, ``getattr``, ``iter`` or ``to_bool`` to do it otherwise.
    ``autowrap_modules``, ``autowrap_functions``: functions that are recorded as a whole.
    ``param_shapes_constant``: shapes of parameters are numbers while it traces.
    """

    def __init__(
        self,
        autowrap_modules: tuple[ModuleType, ...] = (math,),
        autowrap_functions: tuple[Callable[..., Any], ...] = (),
        param_shapes_constant: bool = False,
    ) -> None:
        found = [f for m in autowrap_modules for n, f in vars(m).items()
                 if not n.startswith("_") and callable(f)]  # fmt: skip
        self._recorded = [*found, *autowrap_functions]
        self._places = [vars(m) for m in autowrap_modules]
        self.param_shapes_constant = param_shapes_constant
        self.root: Any = None
        self.tensor_attrs: dict[int, str] = {}
        self._proxies: dict[str, Proxy] = {}

    # -- what may be overridden --------------------------------------------------------------------
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one step: those of ``nn`` are, but for Sequential."""
        ours = type(m).__module__.startswith("anadrome.nn")
        return ours and not isinstance(m, nn.Sequential)

    def path_of_module(self, mod: nn.Module) -> str:
        """Where a module is in the traced one; NameError for one that is not there."""
        for name, found in self.root.named_modules():
            if found is mod:
                return str(name)
        raise NameError("module is not installed as a submodule")

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Called where a module is called: a step of its own, or its steps."""
        name = self.path_of_module(m)
        if not self.is_leaf_module(m, name):
            return forward(*args, **kwargs)
        out = self.create_proxy("call_module", name, args, kwargs)
        out.node.meta["nn_module_stack"] = {name: (name, type(m))}
        return out

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """Called where a module is asked for what is not a plain attribute."""
        kinds: list[tuple[Any, Any]] = [(nn.Parameter, self.root.named_parameters)]
        if self.proxy_buffer_attributes:
            kinds.append((ad.Tensor, self.root.named_buffers))
        for kind, named in kinds:
            if isinstance(attr_val, kind):
                for name, value in named():
                    if value is attr_val:
                        if name not in parameter_proxy_cache:
                            parameter_proxy_cache[name] = self._attribute(name, value)
                        return parameter_proxy_cache[name]
        return attr_val

    def _attribute(self, name: str, value: Any) -> Proxy:
        def known(node: Node) -> Proxy:
            return ParameterProxy(self, node, name, value)

        constant = self.param_shapes_constant and isinstance(value, nn.Parameter)
        made = known if constant else None
        return self.create_proxy("get_attr", name, (), {}, proxy_factory_fn=made)

    def create_arg(self, a: Any) -> Any:
        """Parameters, buffers and other Tensors are attributes of the module."""
        if isinstance(a, nn.Parameter):
            for name, value in self.root.named_parameters():
                if value is a:
                    return self.create_node("get_attr", name, (), {})
            raise NameError("parameter is not a member of this module")
        if isinstance(a, ad.Tensor):
            for name, value in self.root.named_buffers():
                if value is a:
                    return self.create_node("get_attr", name, (), {})
            return self.create_node("get_attr", self._constant(a), (), {})
        return super().create_arg(a)

    def _constant(self, a: ad.Tensor) -> str:
        if id(a) not in self.tensor_attrs:
            number = 0
            while hasattr(self.root, f"_tensor_constant{number}"):
                number += 1
            self.tensor_attrs[id(a)] = f"_tensor_constant{number}"
            setattr(self.root, f"_tensor_constant{number}", a)
        return self.tensor_attrs[id(a)]

    # -- tracing -----------------------------------------------------------------------------------
    def trace(self, root: Any, concrete_args: Any = None) -> Graph:
        """The graph of a module or function.

        ``concrete_args``: values of arguments, by name, that are not to be traced; the graph checks
        that it gets the same ones.
        """
        is_module = isinstance(root, nn.Module)
        self.root = root if is_module else nn.Module()
        function = type(root).forward if is_module else root
        self.graph = Graph(tracer_cls=type(self))
        self.tensor_attrs = self._tensors(self.root, "")
        self._proxies = {}
        given, call = self._inputs(function, is_module, concrete_args)
        module_call, module_getattr = nn.Module.__call__, nn.Module.__getattr__

        def called(mod: nn.Module, *args: Any, **kwargs: Any) -> Any:
            patches.look(getattr(mod.forward, "__globals__", {}))

            def forward(*args: Any, **kwargs: Any) -> Any:
                return module_call(mod, *args, **kwargs)

            return self.call_module(mod, forward, args, kwargs)

        def attribute(mod: nn.Module, name: str) -> Any:
            return self.getattr(name, module_getattr(mod, name), self._proxies)

        with contextlib.ExitStack() as stack:
            stack.enter_context(replaced(nn.Module, "__call__", called))
            stack.enter_context(replaced(nn.Module, "__getattr__", attribute))
            patches = stack.enter_context(Patches(self._recorded))
            for place in (getattr(function, "__globals__", {}), *self._places):
                patches.look(place)
            result = self.create_arg(call(*given))
            kind = _annotations(function).get("return")
            self.create_node("output", "output", (result,), {}, type_expr=kind)
        return self.graph

    def _tensors(self, module: nn.Module, prefix: str) -> dict[int, str]:
        """Tensors that are plain attributes, by their identity: where they are."""
        found = {}
        for name, value in vars(module).items():
            if isinstance(value, ad.Tensor):
                found[id(value)] = prefix + name
        for name, child in module.named_children():
            found.update(self._tensors(child, f"{prefix}{name}."))
        return found

    def _inputs(self, function: Any, is_module: bool, concrete: Any) -> tuple[list[Any], Any]:
        inner = inspect.unwrap(function)
        code: CodeType = inner.__code__
        count = code.co_argcount + code.co_kwonlyargcount
        if is_module and count == 0:
            raise RuntimeError("``self`` argument cannot be part of *args expansion!")
        names = list(code.co_varnames[is_module:count])
        if isinstance(concrete, tuple):
            if len(concrete) != len(names):
                raise RuntimeError(
                    f"Tracing expected {len(names)} arguments but got {len(concrete)} concrete "
                    "arguments"
                )
            concrete = dict(zip(names, concrete))
        parameters = inspect.signature(inner).parameters
        given = [self.root] if is_module else []
        for name in names:
            given.append(self._input(name, parameters, concrete or {}, inner))
        rest = code.co_varnames[count:]
        if code.co_flags & inspect.CO_VARARGS:
            given.append(self.create_proxy("placeholder", f"*{rest[0]}", (), {}))
            rest = rest[1:]
        if code.co_flags & inspect.CO_VARKEYWORDS:
            given.append(self.create_proxy("placeholder", f"**{rest[0]}", (), {}))
        if len(given) > code.co_argcount:
            function = _by_position(inner, len(given))
        return given, function

    def _input(self, name: str, parameters: Any, concrete: dict[str, Any], inner: Any) -> Any:
        default = parameters[name].default
        if name not in concrete:
            args = () if default is inspect.Parameter.empty else (default,)
            kind = _annotations(inner).get(name)
            return self.create_proxy("placeholder", name, args, {}, type_expr=kind)
        value = concrete[name]
        if isinstance(value, ad.Tensor) or type(value) in (list, tuple, dict):
            raise NotImplementedError(
                f"concrete_args[{name!r}] is a {type(value).__name__}; only None, numbers and "
                "words can be: make it an attribute of the module"
            )
        args = () if default is inspect.Parameter.empty else (default,)
        out = self.create_proxy("placeholder", f"{name}_1", args, {})
        said = "has been specialized to have value"
        if value is None:
            text = f"{name} {said} None but got another value"
            self.create_proxy("call_function", _assert_is_none, (out, text), {})
        elif isinstance(value, (bool, int, float, str)):
            text = f"{name} {said} {value} but got another value"
            self.create_proxy("call_function", compiler._assert, (out == value, text), {})
        return value


def _annotations(function: Any) -> dict[str, Any]:
    """Types that a function says; those of ours are not PyTorch's, which says few."""
    function = inspect.unwrap(function)
    return {} if is_ours(function) else getattr(function, "__annotations__", {})


def _by_position(function: Any, count: int) -> Any:
    """A function that takes its keyword-only, `*` and `**` arguments as they are, by position."""
    code = function.__code__
    flags = code.co_flags & ~(inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    new = code.replace(co_flags=flags, co_argcount=count, co_kwonlyargcount=0)
    return FunctionType(new, function.__globals__, function.__name__, None, function.__closure__)


def symbolic_trace(root: Any, concrete_args: Any = None) -> GraphModule:
    """A module that does what ``root`` does, from its graph (``torch.fx.symbolic_trace``).

    ``root``: a module, or a function. The program is run once with values that only record, so it
    must not branch on what it computes (TraceError).

    >>> import anadrome as ad
    >>> traced = ad.fx.symbolic_trace(lambda x: ad.relu(x) + 1)
    >>> print(traced.code.strip())
    def forward(self, x):
        relu = torch.relu(x);  x = None
        add = relu + 1;  relu = None
        return add
    """
    tracer = Tracer()
    graph = tracer.trace(root, concrete_args)
    name = type(root).__name__ if isinstance(root, nn.Module) else root.__name__
    return GraphModule(tracer.root, graph, name)
