"""border: what Python or an array library says of a bad argument, in our words and of our classes.

A public function that is made of others does not check each argument on its way; a wrong one is met
somewhere inside, and what is raised there says nothing to a user. At the border of the framework,
and only when a call fails, such an exception becomes one of ours that names the function and what
it was given. What we raise on purpose, and what a user's own function raises, passes as it is.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Iterable
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any, NoReturn, TypeVar

from .backend import by_type
from .device import device
from .dtypes import dtype
from .errors import (
    AnadromeError,
    ArgumentError,
    DomainError,
    MissingKeyError,
    RangeError,
    ShapeError,
)
from .looking import met
from .sites import is_internal
from .tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])
C = TypeVar("C", bound=type)

#: What Python says when a method is called, or a property read, of a class.
_OF_A_CLASS = re.compile(r"missing 1 required positional argument: 'self'|'property' object")

#: Flags of code objects: gathers arguments; makes a generator (as in ``inspect``).
_GATHERS = 0x04 | 0x08
_GENERATES = 0x20

#: What is translated, and into what; the first that fits. Not among them is what only a mistake of
#: ours can raise (NameError, a bare assert), so that it is seen.
_CLASSES: tuple[tuple[type[Exception], type[Exception]], ...] = (
    (TypeError, ArgumentError),
    (AttributeError, ArgumentError),
    (BufferError, ArgumentError),
    (IndexError, RangeError),
    (ValueError, ShapeError),
    (KeyError, MissingKeyError),
    (ArithmeticError, DomainError),
    (RecursionError, DomainError),
)


class Bordered:
    """A base of our classes whose public methods, and constructors, are a border."""

    __slots__ = ()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        enclose(cls)


def enclose(cls: C) -> C:
    """Make the public methods of a class of ours, and its constructor, a border.

    ``forward`` and generators are left as they are: what is called a million times, and what fails
    later than the call.
    """
    if cls.__module__.startswith("anadrome."):
        for name, value in list(vars(cls).items()):
            function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
            first = 0 if isinstance(value, staticmethod) else 1
            if isinstance(function, FunctionType) and _is_border(name, function.__code__):
                made: Any = _method(function, cls.__name__, first)
                setattr(cls, name, made if function is value else type(value)(made))
    return cls


def _is_border(name: str, code: CodeType) -> bool:
    if name.startswith("_") or name == "forward":
        return name == "__init__"
    return not code.co_flags & _GENERATES


def enclose_functions(module: dict[str, Any]) -> None:
    """Make the public functions that a module of ours defines a border: its ``globals()``.

    For modules of what is called now and then. The ops' own calls do the same without a frame more.
    What takes no arguments is given none that are wrong, and stays the object it is.
    """
    for name, value in list(module.items()):
        if isinstance(value, FunctionType) and value.__module__ == module["__name__"]:
            code = value.__code__
            takes = code.co_argcount + code.co_kwonlyargcount or code.co_flags & _GATHERS
            if takes and _is_border(name, code):
                module[name] = bordered(value)


def bordered(function: F) -> F:
    """Make a function a border."""

    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        try:
            return function(*args, **keywords)
        except Exception as error:
            again = met(function, args, keywords, 1)
            if again is not None:
                return again()
            if on_purpose(error):
                raise
            refuse(function.__name__, error, args, keywords)

    return call  # type: ignore[return-value]


def _method(function: F, owner: str, first: int) -> F:
    @functools.wraps(function)
    def call(*args: Any, **keywords: Any) -> Any:
        try:
            return function(*args, **keywords)
        except Exception as error:
            if on_purpose(error):
                raise
            of_object = first and args and not isinstance(args[0], type)
            name = type(args[0]).__name__ if of_object else owner
            if function.__name__ != "__init__":
                name += f".{function.__name__}"
            refuse(name, error, args[first:], keywords)

    return call  # type: ignore[return-value]


def refuse(name: str, error: Exception, args: Iterable[Any], keywords: Any) -> NoReturn:
    """Raise ``translated(...)``."""
    said = translated(name, error, args, keywords)
    try:
        if said is error:
            raise error
        raise said from error
    finally:
        del said, error  # this frame is in their traceback: a cycle, which would keep the arrays


def on_purpose(error: BaseException) -> bool:
    """Whether it came of a ``raise`` of ours, or out of a function of the user's."""
    if isinstance(error, (AnadromeError, MemoryError, OSError, StopIteration, Warning)):
        return True
    step: TracebackType | None = error.__traceback__
    while step is not None:
        frame, offset = step.tb_frame, step.tb_lasti
        step = step.tb_next
        internal = is_internal(frame.f_code.co_filename)
        if not internal and not _of_library(frame):
            return True
    import opcode  # at the cost of an error only

    return internal and opcode.opname[frame.f_code.co_code[offset]] == "RAISE_VARARGS"


def _of_library(frame: FrameType) -> bool:
    """Whether a frame is Python's own, an array library's, or of code made for a class of ours."""
    top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return top in (__name__.partition(".")[0], *sys.stdlib_module_names) or top in {
        c.__module__.partition(".")[0] for c in by_type
    }


def translated(name: str, error: Exception, args: Iterable[Any], keywords: Any) -> Exception:
    """The error of ours that says what ``error`` does; ``error`` itself, if that is on purpose."""
    if on_purpose(error):
        return error
    for theirs, ours in _CLASSES:
        if isinstance(error, theirs):
            return ours(f"{name}({told(args, keywords)}): {_cause(error)}")
    return error


def _cause(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply, or holds itself"
    if isinstance(error, AttributeError):
        return f"it takes no {type(error.obj).__name__} there"
    if isinstance(error, TypeError) and _OF_A_CLASS.search(str(error)):
        return "it takes an object there, not its class"
    if isinstance(error, KeyError):
        return f"there is no {error}"
    return str(error)


def told(args: Iterable[Any], keywords: Any) -> str:
    """The arguments of a call: of a Tensor its dtype, shape and device."""
    parts = [_told(a) for a in args]
    parts += [f"{name}={_told(value)}" for name, value in keywords.items()]
    return ", ".join(parts)


def _told(value: Any, depth: int = 0) -> str:
    if isinstance(value, Tensor):
        return f"{value.dtype.name} {tuple(value.shape)} on {value.device}"
    if type(value) in (list, tuple) and depth < 3:
        inner = ", ".join(_told(v, depth + 1) for v in value[:4])
        inner += ", ..." if len(value) > 4 else ""
        return f"[{inner}]" if type(value) is list else f"({inner})"
    if value is None or isinstance(value, (bool, int, float, complex, str, dtype, device)):
        text = repr(value)
        return text if len(text) <= 40 else text[:37] + "..."
    return f"a {type(value).__name__}"
