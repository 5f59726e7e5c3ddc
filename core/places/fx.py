"""fx: PyTorch's graphs of Python programs; none are made here.

Programs mark functions for its tracer and ask whether a value is one of its own; both are answered.
Whatever would trace raises RuntimeError.
"""

from __future__ import annotations

from typing import Any, TypeVar

from ..nn.modules.module import Module
from .missing import EAGER
from .nothing import nothing

T = TypeVar("T")
Target = Argument = Any

__all__ = ["Graph", "GraphModule", "Node", "Proxy", "Tracer", "symbolic_trace", "wrap"]

Graph, Node, Proxy, Tracer, symbolic_trace, _copy_attr = (
    nothing(name, EAGER)
    for name in ("Graph", "Node", "Proxy", "Tracer", "symbolic_trace", "_copy_attr")
)
Interpreter, Transformer, FakeTensor, FakeTensorMode = (
    nothing(name, EAGER) for name in ("Interpreter", "Transformer", "FakeTensor", "FakeTensorMode")
)
SymBool, SymFloat, SymInt = (nothing(name, EAGER) for name in ("SymBool", "SymFloat", "SymInt"))
GraphModule = _CodeOnlyModule = nothing("GraphModule", EAGER, Module)
_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"


def is_fake(x: Any) -> bool:
    """False: every Tensor has numbers (``torch._subclasses.fake_tensor.is_fake``)."""
    return False


def get_proxy_mode() -> None:
    """None: nothing is traced (``torch.fx.experimental.proxy_tensor.get_proxy_mode``)."""


def wrap(fn_or_name: T) -> T:
    """The function or name itself: nothing is traced (``torch.fx.wrap``)."""
    return fn_or_name
