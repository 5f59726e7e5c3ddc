"""layouts: PyTorch's names for how elements lie in memory.

There is one layout, `strided`; what a memory format orders is in `formats`. An argument that is not
what its name says is a mistake.
"""

from __future__ import annotations

from typing import Any

from . import dtypes
from .errors import ArgumentError


class layout:
    """How elements are arranged; all are ``strided`` (PyTorch: ``torch.layout``)."""

    _NAMES: tuple[str, ...] = ("strided", "sparse_coo", "sparse_csr", "jagged")

    def __init__(self, name: str) -> None:
        if not isinstance(name, str) or name not in self._NAMES:
            kind = type(self).__name__
            given = repr(name) if isinstance(name, str) else f"of a {type(name).__name__}"
            raise ArgumentError(f"there is no {kind} {given}; write anadrome.{self._NAMES[0]}")
        self.name = name

    def __repr__(self) -> str:
        return f"{dtypes.shown_as}.{self.name}"


class memory_format(layout):
    """The order of dimensions in memory (PyTorch: ``torch.memory_format``)."""

    _NAMES = ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")


strided = layout("strided")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")

_KINDS = {"layout": layout, "memory_format": memory_format}


def accept(name: str, keywords: dict[str, Any]) -> Any:
    """Take ``layout`` and ``memory_format`` out of a call's keywords; the format, or None."""
    given = {a: keywords.pop(a) for a in ("layout", "memory_format") if a in keywords}
    for argument, value in given.items():
        check(name, argument, value)
    return given.get("memory_format")


def check(name: str, argument: str, value: Any) -> None:
    """Raise in PyTorch's words unless a value is what ``argument`` names, or None."""
    if value is not None and not isinstance(value, _KINDS[argument]):
        raise ArgumentError(
            f"{name}(): argument '{argument}' must be {dtypes.shown_as}.{argument}, not "
            f"{type(value).__name__}"
        )
