"""unpickling: the instructions of a pickle, played one by one; no other is known here.

Python's own unpickler can set attributes of whatever it finds and call it. This one makes
numbers, strings, tuples, lists, sets and dicts, and calls what ``allowed`` lists.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ..errors import SerializationError
from . import safe
from .allowed import Named, find

_MARK = object()

_CONSTANTS = {
    "NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": (),
}  # fmt: skip
_VALUES = frozenset((
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
))  # fmt: skip
_FRESH: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def unpickle(data: Any, persistent: Callable[[Any], Any]) -> Any:
    """The object of a pickle; ``persistent`` turns a reference into what it refers to.

    ``data``: bytes, or a binary file that is read as far as the pickle goes. Raises
    SerializationError.
    """
    import pickletools

    machine = _Machine(persistent)
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return machine.result()
            machine.play(opcode.name, argument)
    except SerializationError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError,
            RecursionError, MemoryError) as error:  # fmt: skip
        raise SerializationError(f"its pickle is damaged: {error}") from error
    raise SerializationError("its pickle ends too early")


class _Machine:
    """A stack and a memory."""

    def __init__(self, persistent: Callable[[Any], Any]) -> None:
        self.persistent = persistent
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def result(self) -> Any:
        """What is left at the end."""
        (value,) = self.stack
        if isinstance(value, Named):
            raise SerializationError(f"it holds the name {value.name} itself")
        return value

    def play(self, name: str, argument: Any) -> None:
        """One instruction."""
        push = self.stack.append
        if name in _VALUES:
            push(argument)
        elif name in _CONSTANTS:
            push(_CONSTANTS[name])
        elif name in _FRESH:
            push(_FRESH[name]())
        elif name in _TUPLES:
            push(tuple(self._pop(_TUPLES[name])))
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            push(self.memo[int(argument)])
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            self.memo[int(argument)] = self.stack[-1]
        else:
            method = getattr(self, "_" + name.lower(), None)
            if method is None:
                raise SerializationError(f"it holds the instruction {name}, which is not known")
            method(argument)

    def _pop(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise SerializationError("its pickle is damaged: the stack is empty")
        taken = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        if any(t is _MARK for t in taken):
            raise SerializationError("its pickle is damaged: a mark where a value should be")
        return taken

    def _since_mark(self) -> list[Any]:
        for i in range(len(self.stack) - 1, -1, -1):
            if self.stack[i] is _MARK:
                taken = self.stack[i + 1 :]
                del self.stack[i:]
                return taken
        raise SerializationError("its pickle is damaged: a mark is missing")

    def _proto(self, argument: Any) -> None:
        pass

    def _frame(self, argument: Any) -> None:
        pass

    def _mark(self, argument: Any) -> None:
        self.stack.append(_MARK)

    def _pop_mark(self, argument: Any) -> None:
        self._since_mark()

    def _memoize(self, argument: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _tuple(self, argument: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _list(self, argument: Any) -> None:
        self.stack.append(self._since_mark())

    def _dict(self, argument: Any) -> None:
        items = self._since_mark()
        self.stack.append(dict(zip(items[::2], items[1::2])))

    def _frozenset(self, argument: Any) -> None:
        self.stack.append(frozenset(self._since_mark()))

    def _append(self, argument: Any) -> None:
        self._extend(self._pop(1), list)

    def _appends(self, argument: Any) -> None:
        self._extend(self._since_mark(), list)

    def _additems(self, argument: Any) -> None:
        self._extend(self._since_mark(), set)

    def _extend(self, items: list[Any], kind: type) -> None:
        target: Any = self.stack[-1]
        if type(target) is not kind:
            raise SerializationError(f"items are added to a {type(target).__name__}")
        getattr(target, "extend" if kind is list else "update")(items)

    def _setitem(self, argument: Any) -> None:
        self._set(self._pop(2))

    def _setitems(self, argument: Any) -> None:
        self._set(self._since_mark())

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) not in (dict, OrderedDict):
            raise SerializationError(f"items are set in a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2]):
            if isinstance(key, tuple) and _depth(key) > 50:  # hashing it would recurse in C
                raise SerializationError("a key is nested too deeply")
            target[key] = value

    def _global(self, argument: Any) -> None:
        self.stack.append(find(*argument.split(" ", 1)))

    def _stack_global(self, argument: Any) -> None:
        module, name = self._pop(2)
        if type(module) is not str or type(name) is not str:
            raise SerializationError("a name that is no text")
        self.stack.append(find(module, name))

    def _reduce(self, argument: Any) -> None:
        function, args = self._pop(2)
        ours = isinstance(function, Named)
        if type(args) is not tuple or not (ours or safe.allows(function)):
            raise SerializationError(f"a {type(function).__name__} is called")
        self.stack.append(function.call(*args) if ours else function(*args))

    def _newobj(self, argument: Any) -> None:
        kind, args = self._pop(2)
        if type(args) is not tuple or not (isinstance(kind, type) and safe.allows(kind)):
            raise SerializationError(f"it holds the instruction NEWOBJ, of {kind!r}")
        self.stack.append(kind.__new__(kind, *args))

    def _build(self, argument: Any) -> None:
        """The attributes of an object; of ours only a state dict's metadata is taken over."""
        (state,) = self._pop(1)
        target = self.stack[-1]
        if safe.allows(type(target)):
            _set_state(target, state)
            return
        if type(target) is not OrderedDict or type(state) is not dict:
            raise SerializationError(f"attributes of a {type(target).__name__} are set")
        if "_metadata" in state:
            target._metadata = state["_metadata"]  # type: ignore[attr-defined]

    def _binpersid(self, argument: Any) -> None:
        self.stack.append(self.persistent(*self._pop(1)))


def _set_state(target: Any, state: Any) -> None:
    """As Python's pickle does it."""
    if hasattr(target, "__setstate__"):
        target.__setstate__(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        target.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(target, name, value)


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth < 100:
        depth += 1
        level = [v for item in level[:10000] if isinstance(item, tuple) for v in item]
    return depth
