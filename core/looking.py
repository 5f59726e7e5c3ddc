"""looking: the code that public functions get when something is to be asked about them.

A function keeps its identity and gets another code object: a program that took ``relu`` before, or
compares ``func is torch.relu``, finds what it expects; and until then nothing is slower. The new
code looks at the classes of the arguments, and calls what the function was.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType
from typing import Any

from .modes import current
from .overriding import (
    ask,
    looked_at,
    making_looked_at,
    operator_looked_at,
    plain,
    reading_looked_at,
    relevant,
)
from .sites import is_internal, known


class _Switch(list[bool]):
    """A constant of code objects, which are hashed with their constants."""

    __hash__ = object.__hash__  # type: ignore[assignment]


#: Not empty once a mode was entered: until then no call asks for modes.
switched = _Switch()

_SOURCE = """
def made({cells}):
    def call(*args, **keywords):
        if 0:
            ({cells})
        for value in args:
            if value.__class__ not in "plain":
                look = "look"
                return look("public", "original", args, keywords)
        modes = "switched"
        if keywords or modes:
            look = "look"
            return look("public", "original", args, keywords)
        original = "original"
        return original(*args)
    return call
made = made({nones})
"""

#: Where calls come from that have looked already.
_FILE = "<anadrome.looking>"  # a file of ours that has no lines to show
known[_FILE] = True
_LOOKING = (_FILE, looked_at.__code__.co_filename)

#: Code objects of such functions by the number of variables that they close over.
_codes: dict[int, CodeType] = {}


def _looking(cells: int) -> CodeType:
    """The code of a function that looks at its arguments, with places for what it needs.

    A function's code may be replaced only by one that closes over as many variables. They are read
    nowhere.
    """
    if cells not in _codes:
        names = "".join(f"cell{i}, " for i in range(cells))
        text = _SOURCE.format(cells=names, nones="None, " * cells)
        namespace: dict[str, Any] = {}
        exec(compile(text, _FILE, "exec"), namespace)
        _codes[cells] = namespace["made"].__code__
    return _codes[cells]


def met(
    owner: Any, args: Sequence[Any], keywords: dict[str, Any], depth: int = 2
) -> Callable[[], Any] | None:
    """What is to be called in place of a call that failed; None if its failure is its own.

    Instances of classes that are not derived from Tensor are made without our knowledge. The first
    one that a public function is given makes it fail: then functions begin to look at their
    arguments, and the outermost one asks it. ``owner``: the op, or the function inside, that
    failed; ``depth``: how many frames above this one the call is.
    """
    found = relevant(args, keywords)
    if not found or not current().functions[0]:
        return None
    start()
    frame: Any = sys._getframe(depth)
    public = before.get(id(frame.f_code)) or inside.get(owner)
    above = frame.f_back
    if public is None or (above is not None and above.f_code.co_filename in _LOOKING):
        return None  # not a public one, or one that has looked already
    while above is not None and is_internal(above.f_code.co_filename):
        if id(above.f_code) in before:
            return None  # it is for that one to answer
        above = above.f_back
    if keywords and hasattr(owner, "keywords"):  # in the places where they most likely were
        rest = [keywords.get(name) for name in owner.keywords]
        while rest and rest[-1] is owner.defaults.get(owner.keywords[len(rest) - 1], rest):
            rest.pop()
        args, keywords = (*args, *rest), {}
    return lambda: ask(public, found, tuple(args), keywords or None)


def answered(error: Exception) -> Any:
    """What a public function that has no border comes to when it fails with ``error``.

    It is called in an ``except`` of that function, whose arguments are read from its frame.
    """
    frame = sys._getframe(1)
    code, values = frame.f_code, frame.f_locals
    if values.__class__ is dict:  # the frame keeps it, and is in the traceback of the error
        values.pop("error", None)
    names = code.co_varnames
    count = code.co_argcount
    args = [values[n] for n in names[:count]]
    args += values[names[count + code.co_kwonlyargcount]] if code.co_flags & 0x04 else ()
    keywords = {n: values[n] for n in names[count : count + code.co_kwonlyargcount]}
    if code.co_flags & 0x08:
        keywords |= values[names[count + code.co_kwonlyargcount + bool(code.co_flags & 0x04)]]
    try:
        if not relevant(args, keywords):
            raise error
        start()
        public = before.get(id(code))
        if public is None:
            raise error
        defaults = [p.default for p in inspect.signature(public).parameters.values()]
        while len(args) <= count and args and args[-1] is defaults[len(args) - 1]:
            args.pop()  # it was not given
        for name, default in zip(list(keywords), defaults[-len(keywords) :]):
            if values[name] is default:
                del keywords[name]
        again = met(None, args, keywords)
        if again is None:
            raise error
        return again()
    finally:
        del error, frame, values  # this frame is in its traceback: a cycle


def replace(function: FunctionType, public: Any, look: Callable[..., Any]) -> FunctionType:
    """Let a function look at its arguments first; returns what it was, as another function."""
    original = copied(function, function.__code__)
    places = {
        "plain": plain, "look": look, "public": public, "original": original, "switched": switched,
    }  # fmt: skip
    code = _looking(len(function.__code__.co_freevars))
    consts = tuple([places.get(c, c) if c.__class__ is str else c for c in code.co_consts])
    if not hasattr(function, "__wrapped__"):
        function.__wrapped__ = original  # type: ignore[attr-defined]  # for its signature
    function.__code__ = code.replace(co_consts=consts, co_name=function.__name__)
    function.__defaults__ = function.__kwdefaults__ = None
    return original


#: Whether the public functions look at what they are given.
started = False
#: What was the code of a public function: which function that is, where only one had that code.
#: By the identity of the code, since a copy of one is equal to it.
before: dict[int, Any] = {}
#: Where several had it: by the op, or by the function inside, that failed.
inside: dict[Any, Any] = {}


def start() -> None:
    """From now on public functions ask classes and modes that want to be asked."""
    global started
    if started:
        return
    started = True
    from .overridable import MAKING, OPERATORS, READING, everything

    found = list(everything())
    for _, public, function in found:
        code = id(function.__code__)
        before[code] = None if code in before else public
    for name, public, function in found:
        if before[id(function.__code__)] is None:
            op = getattr(function, "op", None)
            if op is None or function.__name__ != op.name + "_":
                inside.setdefault(op or getattr(function, "__wrapped__", None), public)
        leaf = name.rpartition(".")[2]
        if function is public and function.__name__[0] in "_<":  # as users know it
            function.__name__ = leaf
        look = looked_at
        if name in OPERATORS:
            look = operator_looked_at
        elif name in MAKING:
            look = reading_looked_at if name in READING else making_looked_at
        replace(function, public, look)


def copied(function: FunctionType, code: CodeType) -> FunctionType:
    """Another function object that does the same."""
    out = FunctionType(
        code, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    out.__kwdefaults__ = function.__kwdefaults__
    out.__annotations__ = function.__annotations__
    out.__dict__.update(function.__dict__)
    out.__qualname__, out.__doc__ = function.__qualname__, function.__doc__
    out.__module__ = function.__module__
    return out
