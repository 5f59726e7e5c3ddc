"""compiler: what programs ask of PyTorch's compiler (``torch.compiler``, ``torch._dynamo``).

Nothing is compiled: functions run as they are, and a module is wrapped, as in PyTorch, in one that
has it as ``_orig_mod``. ``anadrome.capture`` makes a step faster.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from ..border import enclose_functions
from ..nn.modules.module import Module
from ..overriding import ask, overriding
from . import compiler_settings as config

__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "compile", "config",
    "cudagraph_mark_step_begin", "disable", "graph_break", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "mark_dynamic", "mark_static", "reset",
    "set_stance",
]  # fmt: skip


def compile(model: Any = None, **options: Any) -> Any:
    """The function itself, or the module in an ``OptimizedModule`` (``torch.compile``).

    Also a decorator. ``fullgraph``, ``dynamic``, ``backend``, ``mode``, ``options`` and ``disable``
    are accepted. A whole training step is made faster by ``anadrome.capture``.

    >>> import anadrome as ad
    >>> list(ad.compile(ad.nn.Linear(1, 1)).state_dict())
    ['_orig_mod.weight', '_orig_mod.bias']
    """
    known = {"fullgraph", "dynamic", "backend", "mode", "options", "disable"}
    for name in options:
        if name not in known:
            raise TypeError(f"compile() got an unexpected keyword argument {name!r}")
    if model is None:
        return lambda function: compile(function, **options)
    if not callable(model):
        raise TypeError(f"compile() takes a function or a module, not {type(model).__name__}")
    return OptimizedModule(model) if isinstance(model, Module) else model


class OptimizedModule(Module):
    """A module as ``compile`` gives it back: its names are those of ``_orig_mod``, the module.

    What it does not have itself is read from that module, and written there.
    """

    def __init__(self, mod: Module) -> None:
        super().__init__()
        super().__setattr__("_orig_mod", mod)
        super().__setattr__("training", mod.training)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module gives."""
        return self._orig_mod(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        modules = self.__dict__.get("_modules", {})
        if name == "_orig_mod" or "_orig_mod" not in modules:
            return super().__getattr__(name)
        return getattr(modules["_orig_mod"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("_orig_mod", "training") or "_orig_mod" not in self.__dict__.get(
            "_modules", {}
        ):
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)


def _assert(condition: Any, message: str) -> Any:
    """``assert``, as a function that PyTorch can compile (``torch._assert``)."""
    found = overriding([condition])
    if found:
        return ask(_assert, found, (condition, message), None)
    assert condition, message
    return None


def _check(cond: Any, message: Callable[[], str] | None = None) -> None:
    """Raises RuntimeError unless ``cond`` holds (``torch._check``)."""
    if not cond:
        raise RuntimeError(message() if message is not None else "Expected cond to be True")


def _assert_async(condition: Any, message: str = "") -> None:
    """Raises RuntimeError unless a Tensor of one element is true (``torch._assert_async``)."""
    if not condition:
        raise RuntimeError(message or "Expected Tensor with single nonzero value, but got zero")


def is_compile_supported(device_type: str) -> bool:
    """False (``torch._dynamo.utils.is_compile_supported``)."""
    return False


def is_compiling() -> bool:
    """False (``torch.compiler.is_compiling``)."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


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


def mark_dynamic(t: Any, index: Any = None, **options: Any) -> None:
    """Nothing to mark (``torch._dynamo.mark_dynamic``)."""


mark_static = mark_static_address = mark_dynamic


class TransformGetItemToIndex(contextlib.nullcontext[None]):
    """Accepted: a batched index is an index here (of PyTorch's compiler, for ``vmap``)."""


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


enclose_functions(globals())
