"""safe: functions and classes that a program allows a pickle to call, besides ours."""

from __future__ import annotations

import pickletools
from types import TracebackType
from typing import Any

_added: list[Any] = []


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let ``load`` call these functions, and make objects of these classes and set their state.

    Each is a function or class, or a pair of one and the name that it has in the file. Whatever
    they do when they are called, a file can make them do (``torch.serialization``).

    >>> import anadrome as ad
    >>> from fractions import Fraction
    >>> from anadrome.serialization import get_safe_globals, safe_globals
    >>> with safe_globals([Fraction]):
    ...     get_safe_globals()
    [<class 'fractions.Fraction'>]
    """
    for item in safe_globals:
        target = item[0] if isinstance(item, tuple) and len(item) == 2 else item
        named = not isinstance(item, tuple) or (len(item) == 2 and isinstance(item[1], str))
        if not callable(target) or not named:
            raise TypeError(
                "add_safe_globals() takes functions and classes, or pairs of one and a name, not "
                f"{item!r}"
            )
    _added.extend(item for item in safe_globals if item not in _added)


def get_safe_globals() -> list[Any]:
    """What was added and is in force."""
    return list(_added)


def clear_safe_globals() -> None:
    """Allow nothing besides tensors and plain containers again."""
    _added.clear()


class safe_globals:
    """``with safe_globals([...]):`` allows them inside (``torch.serialization.safe_globals``)."""

    def __init__(self, safe_globals: list[Any]) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        self.before = get_safe_globals()
        add_safe_globals(self.safe_globals)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _added[:] = self.before


def named(full: str) -> Any:
    """What a name stands for, of those that were added; None if it was not."""
    for item in _added:
        target, name = item if isinstance(item, tuple) else (item, None)
        own = f"{target.__module__}.{target.__qualname__}" if name is None else name
        if own == full:
            return target
    return None


class Unread:
    """What a file tells for PyTorch's compiler alone."""

    def __setstate__(self, state: Any) -> None:
        pass


def allows(target: Any) -> bool:
    """Whether it was added."""
    return target is Unread or any(target is (i[0] if isinstance(i, tuple) else i) for i in _added)


def names_in(pickled: bytes) -> list[str]:
    """The names in a pickle, each once."""
    found: dict[str, None] = {}
    words: list[str] = []
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name == "GLOBAL":
            found[str(argument).replace(" ", ".", 1)] = None
        elif opcode.name == "STACK_GLOBAL" and len(words) > 1:
            found[".".join(words[-2:])] = None
        if isinstance(argument, str):
            words.append(argument)
    return list(found)
