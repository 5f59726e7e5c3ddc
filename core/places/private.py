"""private: what programs ask of PyTorch's compiled module (``torch._C``), and has an answer."""

from __future__ import annotations

import contextlib
from typing import Any, NoReturn

from ..tensor import Tensor
from .missing import PRIVATE
from .nothing import nothing


def _log_api_usage_once(event: str) -> None:
    """Nothing is counted."""


def _get_tracing_state() -> None:
    """None: nothing is traced."""


def _is_tracing() -> bool:
    """False: nothing is traced."""
    return False


def _disabled_torch_function_impl(
    func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
) -> Any:
    """The function itself: a ``__torch_function__`` that changes nothing."""
    return func(*args, **(kwargs or {}))


_TensorMeta = type(Tensor)

PyTorchFileReader = nothing("PyTorchFileReader", "read the file with load")

DisableTorchFunctionSubclass = contextlib.nullcontext  # nothing calls __torch_function__


class _Keys(type):
    def __getattr__(cls, name: str) -> str:
        if name.startswith("__"):
            raise AttributeError(name)
        return name


class DispatchKey(metaclass=_Keys):
    """The names of PyTorch's dispatch keys; nothing is dispatched by them here."""


class DispatchKeySet:
    """A set of dispatch keys, to be joined with ``|`` and asked with ``has``."""

    def __init__(self, *keys: str) -> None:
        self.keys = frozenset(keys)

    def __or__(self, other: DispatchKeySet) -> DispatchKeySet:
        return DispatchKeySet(*self.keys, *other.keys)

    def has(self, key: str) -> bool:
        """Whether a key is in it."""
        return key in self.keys


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    _missing(name)


def _missing(name: str) -> NoReturn:
    raise AttributeError(f"torch._C has no {name} here: {PRIVATE}")
