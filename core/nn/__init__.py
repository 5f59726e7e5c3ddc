"""nn: modules, the functions behind them, and starting values (PyTorch: ``torch.nn``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import functional, init, modules, utils
from .parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

if TYPE_CHECKING:
    from .modules import *

__all__ = [
    "Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "functional", "init",
    "modules", "utils",
]  # fmt: skip
__all__ += modules.__all__


def __getattr__(name: str) -> Any:
    """The layers; those that few programs use are loaded here."""
    if name not in modules.__all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(modules, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
