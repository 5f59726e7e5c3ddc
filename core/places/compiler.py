"""compiler: what programs ask of PyTorch's compiler (``torch.compiler``, ``torch._dynamo``).

Nothing is compiled: functions run as they are. ``anadrome.capture`` makes a step faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..settings import compile
from . import compiler_settings as config

__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "config", "cudagraph_mark_step_begin",
    "disable", "graph_break", "is_compiling", "is_dynamo_compiling", "list_backends",
    "mark_dynamic", "mark_static", "reset", "set_stance",
]  # fmt: skip


def is_compiling() -> bool:
    """False (``torch.compiler.is_compiling``)."""
    return False


is_dynamo_compiling = is_compiling


def disable(fn: Any = None, recursive: bool = True, **options: Any) -> Any:
    """The function itself, also with arguments (``torch.compiler.disable``)."""
    return fn if callable(fn) else lambda function: function


def allow_in_graph(fn: Callable[..., Any]) -> Callable[..., Any]:
    """The function itself (``torch.compiler.allow_in_graph``)."""
    return fn


assume_constant_result = allow_in_graph


def list_backends(exclude_tags: Any = ()) -> list[str]:
    """None (``torch.compiler.list_backends``)."""
    return []


def reset() -> None:
    """Nothing to forget (``torch.compiler.reset``)."""


graph_break = cudagraph_mark_step_begin = reset


def mark_dynamic(t: Any, index: Any, **options: Any) -> None:
    """Nothing to mark (``torch._dynamo.mark_dynamic``)."""


mark_static = mark_dynamic


class set_stance:
    """Accepted: a call, a context manager or a decorator (``torch.compiler.set_stance``)."""

    def __init__(self, stance: str = "default", **options: Any) -> None:
        self.stance = stance

    def __enter__(self) -> None:
        """Nothing changes."""

    def __exit__(self, *exc: object) -> None:
        """Nothing changes back."""

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return fn
