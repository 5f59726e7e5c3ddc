"""fx: PyTorch's graphs of Python programs; none are made here.

Programs mark functions for its tracer and ask whether a value is one of its own; both are answered.
Whatever would trace raises RuntimeError.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

from ..nn.modules.module import Module
from .missing import EAGER

T = TypeVar("T")
Target = Argument = Any

__all__ = ["Graph", "GraphModule", "Node", "Proxy", "Tracer", "symbolic_trace", "wrap"]


def wrap(fn_or_name: T) -> T:
    """The function or name itself: nothing is traced (``torch.fx.wrap``)."""
    return fn_or_name


def symbolic_trace(root: Any, *args: Any, **options: Any) -> NoReturn:
    """Raises RuntimeError (``torch.fx.symbolic_trace``)."""
    _refuse("symbolic_trace")


def _refuse(name: str) -> NoReturn:
    raise RuntimeError(f"fx.{name}: {EAGER}")


class _Untraced:
    """Something of a graph; raises RuntimeError when made."""

    def __init__(self, *args: Any, **options: Any) -> None:
        _refuse(type(self).__name__)


class Graph(_Untraced):
    """A graph; raises RuntimeError when made (``torch.fx.Graph``)."""


class Node(_Untraced):
    """A call in a graph; raises RuntimeError when made (``torch.fx.Node``)."""


class Proxy(_Untraced):
    """A value while tracing; nothing is one, and none can be made (``torch.fx.Proxy``)."""


class Tracer(_Untraced):
    """What traces; raises RuntimeError when made (``torch.fx.Tracer``)."""


def _copy_attr(from_module: Any, to_module: Any, target: str) -> NoReturn:
    """Raises RuntimeError: it is for the modules of a graph."""
    _refuse("graph_module")


_USER_PRESERVED_ATTRIBUTES_KEY = "_user_preserved_attributes"


class GraphModule(Module):
    """A module made of a graph; nothing is one, and none can be made (``torch.fx.GraphModule``)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__()
        _refuse("GraphModule")


_CodeOnlyModule = GraphModule
