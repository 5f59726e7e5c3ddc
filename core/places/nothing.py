"""nothing: names that programs import to ask whether a value is one; no value here ever is."""

from __future__ import annotations

from typing import Any


def nothing(name: str, why: str, base: type = object) -> Any:
    """A class without instances, or a function that nobody can call: it raises RuntimeError."""

    def __init__(self: Any, *args: Any, **options: Any) -> None:
        raise RuntimeError(f"{name}: {why}")

    doc = f"Nothing is one; RuntimeError when called (PyTorch's ``{name}``)."
    return type(name, (base,), {"__init__": __init__, "__doc__": doc})
