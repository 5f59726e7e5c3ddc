"""switches: True or False of what is given for it."""

from __future__ import annotations

from typing import Any

from .errors import ArgumentError


def switch(value: Any, name: str, argument: str) -> bool:
    """``value`` as a bool, from a bool (Python's or NumPy's), 0 or 1; else PyTorch's TypeError.

    Elsewhere whatever is true in Python is True. A setting outlives the call: ``"off"`` must not
    switch it on.
    """
    if value.__class__ is bool:
        return bool(value)
    if type(value).__name__ in ("bool", "bool_") or (value.__class__ is int and value in (0, 1)):
        return bool(value)
    kind = type(value).__name__
    raise ArgumentError(f"{name}(): argument '{argument}' must be bool, not {kind}")


def truth(value: Any, name: str, argument: str) -> bool:
    """Whether ``value`` is true in Python; an error of ours where that is not said."""
    try:
        return bool(value)
    except Exception as error:
        kind = type(value).__name__
        raise ArgumentError(f"{name}(): argument '{argument}' must be bool, not {kind}") from error
