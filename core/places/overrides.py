"""overrides: PyTorch's protocol for types that are like Tensors; none take part here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from ..tensor import Tensor

__all__ = [
    "TorchFunctionMode", "handle_torch_function", "has_torch_function", "has_torch_function_unary",
    "has_torch_function_variadic", "is_tensor_like", "is_tensor_method_or_property",
    "wrap_torch_function",
]  # fmt: skip


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a Tensor or has ``__torch_function__`` (``overrides.is_tensor_like``)."""
    return isinstance(inp, Tensor) or hasattr(inp, "__torch_function__")


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """False: a function of anadrome calls no ``__torch_function__``."""
    return False


def has_torch_function_unary(obj: Any) -> bool:
    """False: see ``has_torch_function``."""
    return False


def has_torch_function_variadic(*args: Any) -> bool:
    """False: see ``has_torch_function``."""
    return False


def is_tensor_method_or_property(func: Callable[..., Any]) -> bool:
    """Whether it is a method of Tensor or the getter of a property."""
    members = vars(Tensor).values()
    return any(func is m or func is getattr(m, "fget", m) for m in members)


def handle_torch_function(public_api: Any, relevant_args: Any, *args: Any, **kwargs: Any) -> Any:
    """Would call ``__torch_function__``; raises TypeError, since nothing has it."""
    name = getattr(public_api, "__name__", public_api)
    raise TypeError(f"no implementation found for '{name}': no argument has __torch_function__")


def wrap_torch_function(dispatcher: Callable[..., Any]) -> Callable[[Any], Any]:
    """A decorator that gives back what it gets (``overrides.wrap_torch_function``)."""
    return lambda func: func


class TorchFunctionMode:
    """PyTorch's mode that sees each call; raises RuntimeError when made: see ``anadrome.Mode``."""

    def __init__(self) -> None:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise RuntimeError(
            "TorchFunctionMode: derive from anadrome.Mode instead, and write "
            "intercept(self, op, args, kwargs) in the place of __torch_function__"
        )
