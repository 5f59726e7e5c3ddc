"""randomness: the random numbers of a whole program: anadrome's, Python's, NumPy's, and its own.

A source's state is plain: numbers, strings, bytes and tuples. So two states can be compared, and
kept as JSON.
"""

from __future__ import annotations

import random
import sys
import types
from collections.abc import Callable
from typing import Any

from . import backend as backends
from .random import Generator, default_generator
from .tensor import Tensor

#: How many objects are looked at for generators, and how long a list of them may be.
_OBJECTS = 1000
_LIST = 64


def shared(numpy: bool = False) -> dict[str, Any]:
    """The sources that everybody draws from, by name: NumPy's too where it has been imported.

    ``numpy``: whether to import it.
    """
    out: dict[str, Any] = {"anadrome": default_generator, "python": random}
    if numpy or "numpy.random" in sys.modules:
        out["numpy"] = backends.get("numpy").xp.random
    return out


def found_in(**objects: Any) -> dict[str, Any]:
    """The generators that these objects hold, by the path to each, such as "sampler.generator".

    Looked at are attributes, attributes of those, and short lists and dicts; of a Module, nothing.
    """
    out: dict[str, Any] = {}
    seen: set[int] = set()
    waiting = list(objects.items())
    while waiting and len(seen) < _OBJECTS:
        path, value = waiting.pop(0)
        if id(value) in seen:
            continue
        seen.add(id(value))
        if _kind(value) is not None:
            out[path] = value
        elif isinstance(value, (list, tuple, dict)):
            if len(value) <= _LIST:
                items = value.items() if isinstance(value, dict) else enumerate(value)
                waiting += [(f"{path}[{k!r}]", v) for k, v in items if _may_hold(v)]
        elif _may_hold(value):
            waiting += [(f"{path}.{k}", v) for k, v in vars(value).items() if _may_hold(v)]
    return out


def _may_hold(value: Any) -> bool:
    if isinstance(value, (type, types.ModuleType, types.FunctionType, Tensor)):
        return False
    if isinstance(value, (list, tuple, dict)) or _kind(value) is not None:
        return True
    return hasattr(value, "__dict__") and not hasattr(type(value), "named_parameters")


def _kind(source: Any) -> str | None:
    """What a source is: one of ours, Python's or NumPy's; None for anything else."""
    if isinstance(source, Generator):
        return "anadrome"
    if source is random or (
        isinstance(source, random.Random) and not isinstance(source, random.SystemRandom)
    ):
        return "python"
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        if source is numpy or isinstance(source, numpy.RandomState):
            return "numpy"
        if isinstance(source, numpy.Generator):
            return "numpy.Generator"
    return None


def state_of(source: Any) -> tuple[str, Any]:
    """Where a source stands: its kind, and what it needs to stand there again."""
    return reader(source)()


def reader(source: Any) -> Callable[[], tuple[str, Any]]:
    """What tells where a source stands, each time it is called.

    Raises ``TypeError`` for what is no source.
    """
    kind = _kind(source)
    if kind == "anadrome":
        return lambda: ("anadrome", (source._seed, source._count))
    if kind == "python":
        return lambda: ("python", source.getstate())
    if kind == "numpy":
        return lambda: ("numpy", _plain(source.get_state(legacy=False)))
    if kind == "numpy.Generator":
        return lambda: ("numpy.Generator", _plain(source.bit_generator.state))
    raise TypeError(f"{type(source).__name__} is not a generator of random numbers")


def put(source: Any, state: Any) -> None:
    """Let a source stand where ``state_of`` found it."""
    kind, content = state
    check(source, state)
    if kind == "anadrome":
        source._seed, source._count = (int(number) for number in content)
    elif kind == "python":
        version, words, following = content
        source.setstate((version, tuple(words), following))
    elif kind == "numpy":
        source.set_state(_lively(content))
    else:
        source.bit_generator.state = _lively(content)


def check(source: Any, state: Any) -> None:
    """Raise ``ValueError`` if the state is that of another kind of source."""
    kind = state[0]
    there: Any = _kind(source)
    algorithm = ""
    if kind == there and kind.startswith("numpy"):
        saved = dict(state[1])["bit_generator"]
        now = dict(state_of(source)[1])["bit_generator"]
        algorithm = f" ({saved}, not {now})" if saved != now else ""
    if kind != there or algorithm:
        raise ValueError(
            f"the random state is one of a generator of {kind}, not of {there}{algorithm}"
        )


def _plain(value: Any) -> Any:
    """NumPy's dictionaries and arrays as tuples."""
    if isinstance(value, dict):
        return tuple((k, _plain(v)) for k, v in value.items())
    if hasattr(value, "dtype"):
        return ("array", value.dtype.str, value.tobytes())
    return value


def _lively(value: Any) -> Any:
    if not isinstance(value, tuple):
        return value
    if value and value[0] == "array":
        return backends.get("numpy").xp.frombuffer(value[2], dtype=value[1]).copy()
    return {k: _lively(v) for k, v in value}
