"""overrides: PyTorch's protocol for types that are like Tensors, by its public names.

What is behind it is ``core/overriding.py``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from ..looking import start
from ..modes import current
from ..overridable import MAKING, name_of, public_functions
from ..overriding import TorchFunctionMode as TorchFunctionMode
from ..overriding import ask, overrides, relevant, unchanged
from ..tensor import Tensor

__all__ = [
    "TorchFunctionMode", "get_default_nowrap_functions", "get_ignored_functions",
    "get_overridable_functions", "get_testing_overrides", "handle_torch_function",
    "has_torch_function", "has_torch_function_unary", "has_torch_function_variadic",
    "is_tensor_like", "is_tensor_method_or_property", "resolve_name", "wrap_torch_function",
]  # fmt: skip

_disabled_torch_function_impl = unchanged


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that changes nothing (PyTorch: ``overrides.BaseTorchFunctionMode``)."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        return func(*args, **(kwargs or {}))


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a Tensor or has ``__torch_function__`` (``overrides.is_tensor_like``)."""
    return type(inp) is Tensor or hasattr(inp, "__torch_function__")


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether one of them, or a mode, is to be asked (``overrides.has_torch_function``)."""
    on, active = current().functions
    return bool(active) or (on and any(overrides(type(a)) for a in relevant_args))


def has_torch_function_unary(obj: Any) -> bool:
    """``has_torch_function`` of one argument."""
    return has_torch_function((obj,))


def has_torch_function_variadic(*args: Any) -> bool:
    """``has_torch_function`` of the arguments."""
    return has_torch_function(args)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """Ask a mode, or the ``__torch_function__`` of the arguments, for a call of ``public_api``.

    For a function of a program's own that is to be overridden as PyTorch's are. Raises TypeError
    if none implements it. (PyTorch: ``overrides.handle_torch_function``.)
    """
    start()
    return ask(public_api, relevant(tuple(relevant_args), {}), args, kwargs)


def wrap_torch_function(
    dispatcher: Callable[..., Iterable[Any]],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that makes a function one that can be overridden.

    ``dispatcher``: takes the same arguments and returns those that may override it.
    (PyTorch: ``overrides.wrap_torch_function``.)
    """

    def decorate(func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant_args = dispatcher(*args, **kwargs)
            if has_torch_function(relevant_args):
                return handle_torch_function(wrapped, relevant_args, *args, **kwargs)
            return func(*args, **kwargs)

        return wrapped

    return decorate


def is_tensor_method_or_property(func: Callable[..., Any]) -> bool:
    """Whether it is a method of Tensor, or ``__get__`` and the like of a property."""
    name = name_of(func)
    return name is not None and name.startswith("torch.Tensor.")


def resolve_name(f: Any) -> str | None:
    """PyTorch's name of a public function, such as ``torch.Tensor.add``, or None."""
    if isinstance(f, str):
        return f
    return name_of(f)


def get_overridable_functions() -> dict[Any, list[Callable[..., Any]]]:
    """By the module, or the class Tensor, the functions that can be overridden."""
    import importlib

    out: dict[Any, list[Callable[..., Any]]] = {}
    for name, public in public_functions():
        if name in MAKING:
            continue
        for accessor in (".__get__", ".__set__", ".__delete__"):
            name = name.removesuffix(accessor)
        home, _, _ = name.rpartition(".")
        place: Any = Tensor if home == "torch.Tensor" else _module(importlib, home)
        out.setdefault(place, []).append(public)
    return out


def _module(importlib: Any, name: str) -> Any:
    return importlib.import_module("anadrome" + name.removeprefix("torch"))


def get_ignored_functions() -> set[Callable[..., Any]]:
    """Public functions that cannot be overridden by a class; modes may see them."""
    from ..overridable import ignored

    return set(ignored())


def get_testing_overrides() -> dict[Callable[..., Any], Callable[..., Any]]:
    """For each function that can be overridden one of the same signature that returns -1."""
    import inspect

    out: dict[Callable[..., Any], Callable[..., Any]] = {}
    for functions in get_overridable_functions().values():
        for function in functions:
            try:
                known = inspect.signature(function)
            except (TypeError, ValueError):
                known = inspect.Signature(
                    [inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)]
                )
            out[function] = _constant(known)
    return out


def _constant(signature: Any) -> Callable[..., Any]:
    def stand_in(*args: Any, **kwargs: Any) -> int:
        signature.bind(*args, **kwargs)
        return -1

    stand_in.__signature__ = signature  # type: ignore[attr-defined]
    return stand_in


def get_default_nowrap_functions() -> set[Callable[..., Any]]:
    """Those whose results are not made one of a class: the getter of ``grad``."""
    return {Tensor.grad.__get__}  # type: ignore[attr-defined]
