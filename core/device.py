"""device: where an array lives, in PyTorch's words (``"cpu"``, ``"cuda:0"``)."""

from __future__ import annotations

import contextvars
from typing import Any


class device:
    """A device type and an index (PyTorch: ``torch.device``).

    >>> import anadrome as ad
    >>> ad.device("cuda:1").index
    1

    Usable as a context manager: tensors made inside it without ``device=`` are made there.
    """

    __slots__ = ("_token", "index", "type")

    type: str
    index: int | None

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        if not isinstance(type, str):
            raise TypeError(
                f"device() takes a name such as 'cpu' or 'cuda:0', not {type.__class__.__name__}"
            )
        if not type:
            raise RuntimeError("Device string must not be empty; write e.g. 'cpu' or 'cuda:0'")
        if index is not None and index.__class__ is not int:
            raise TypeError(
                f"device(): argument 'index' must be int, not {index.__class__.__name__}"
            )
        kind, colon, number = type.partition(":")
        if colon:
            if index is not None or not number.isdigit():
                raise RuntimeError(f"Invalid device string: {type!r}; write e.g. 'cuda:0'")
            index = int(number)
        self.type = kind
        self.index = index
        self._token: Any = None

    def __repr__(self) -> str:
        if self.index is None:
            return f"device(type={self.type!r})"
        return f"device(type={self.type!r}, index={self.index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            other = device(other)
        if not isinstance(other, device):
            return NotImplemented
        return self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __enter__(self) -> device:
        self._token = _default.set(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _default.reset(self._token)


_default: contextvars.ContextVar[device | None] = contextvars.ContextVar("device", default=None)
_process_default: device | None = None


def set_default_device(d: Any) -> None:
    """Make new Tensors on ``d`` when no ``device=`` is given (PyTorch's name)."""
    global _process_default
    _process_default = None if d is None else device(d)


def get_default_device() -> device:
    """The device on which Tensors are made when none is given."""
    return _default.get() or _process_default or device("cpu")


def chosen_device() -> device | None:
    """The default that somebody set, or None: then the default backend decides."""
    return _default.get() or _process_default
