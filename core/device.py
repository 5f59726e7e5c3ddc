"""device: where an array lives, in PyTorch's words (``"cpu"``, ``"cuda:0"``)."""

from __future__ import annotations

import contextvars
from typing import Any


class device:
    """A device type and an index (PyTorch: ``torch.device``).

    >>> import anadrome as ad
    >>> ad.device("cuda:1").index
    1

    Usable as a context manager: tensors made inside it without ``device=`` are made there. Equal to
    a device of the same type and index; a string is none, so compare ``x.device.type == "cpu"``.
    Raises RuntimeError for a string that names none, TypeError for other kinds of arguments.
    """

    __slots__ = ("index", "type")

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
        if index is not None and index < 0:
            raise RuntimeError(f"Device index must not be negative, got {index}")
        kind, colon, number = type.partition(":")
        if colon:
            if index is not None:
                raise RuntimeError(
                    "type (string) must not include an index because index was passed explicitly: "
                    f"{type}"
                )
            if not _is_index(number):
                raise RuntimeError(f"Invalid device string: {type!r}; write e.g. 'cuda:0'")
            index = int(number)
        self.type = kind
        self.index = index

    def __repr__(self) -> str:
        if self.index is None:
            return f"device(type={self.type!r})"
        return f"device(type={self.type!r}, index={self.index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, device):
            return NotImplemented
        return self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __enter__(self) -> device:
        _entered.set((*_entered.get(), self))
        return self

    def __exit__(self, *exc: object) -> None:
        _entered.set(_entered.get()[:-1])


def _is_index(number: str) -> bool:
    return number.isascii() and number.isdigit() and (number == "0" or number[0] != "0")


#: The devices whose ``with`` is open here; the last one is in force.
_entered: contextvars.ContextVar[tuple[device, ...]] = contextvars.ContextVar("device", default=())
_process_default: device | None = None


def set_default_device(d: Any) -> None:
    """Make new Tensors on ``d`` when no ``device=`` is given (PyTorch's name)."""
    global _process_default
    _process_default = None if d is None else device(d)


def get_default_device() -> device:
    """The device on which Tensors are made when none is given."""
    return chosen_device() or device("cpu")


def chosen_device() -> device | None:
    """The default that somebody set, or None: then the default backend decides."""
    entered = _entered.get()
    return entered[-1] if entered else _process_default
