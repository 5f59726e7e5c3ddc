"""wrapping: functions that a tracer records as one call, and does not look into."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .proxy import proxies_in

#: The globals and names of such functions.
_wrapped: dict[tuple[int, str], dict[str, Any]] = {}


def wrap(fn_or_name: Any) -> Any:
    """Record calls of a function instead of tracing it (``torch.fx.wrap``).

    ``fn_or_name``: the function, or its name in this module. To be called at the top level of a
    module, there also as a decorator; returns its argument.
    """
    if not callable(fn_or_name) and not isinstance(fn_or_name, str):
        raise RuntimeError(
            "Unsupported type for global function! Must be either a callable or string name"
        )
    name = fn_or_name if isinstance(fn_or_name, str) else fn_or_name.__name__
    frame = inspect.currentframe()
    frame = frame.f_back if frame is not None else None
    if frame is None or frame.f_code.co_name != "<module>":
        raise NotImplementedError("wrap must be called at the top level of a module")
    _wrapped[id(frame.f_globals), name] = frame.f_globals
    return fn_or_name


def recorded(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose calls with proxies are recorded."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        found = proxies_in((args, kwargs))
        if not found:
            return function(*args, **kwargs)
        out = found[-1].tracer.create_proxy("call_function", function, args, kwargs)
        out.node.meta["is_wrapped"] = True
        return out

    call._fx_recorded = True  # type: ignore[attr-defined]
    return call


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """An attribute of a class is another one inside."""
    old = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, old)


class Patches:
    """Names of modules that are recorded while it is entered."""

    def __init__(self, functions: Iterable[Any]) -> None:
        self._ids = {id(f) for f in functions}
        self._old: list[tuple[dict[str, Any], str, Any]] = []
        self._seen: set[int] = set()

    def __enter__(self) -> Patches:
        import builtins

        for (_, name), place in list(_wrapped.items()):
            function = place.get(name, getattr(builtins, name, None))
            if function is not None:
                self._put(place, name, function)
        return self

    def look(self, place: dict[str, Any]) -> None:
        """Record those functions of ``functions`` that a module has as globals."""
        if id(place) in self._seen:
            return
        self._seen.add(id(place))
        for name, value in list(place.items()):
            if not name.startswith("_") and callable(value) and id(value) in self._ids:
                self._put(place, name, value)

    def _put(self, place: dict[str, Any], name: str, function: Any) -> None:
        if getattr(function, "_fx_recorded", False):
            return
        self._old.append((place, name, place.get(name, _NOTHING)))
        place[name] = recorded(function)

    def __exit__(self, *exception: Any) -> None:
        while self._old:
            place, name, old = self._old.pop()
            if old is _NOTHING:
                del place[name]
            else:
                place[name] = old


_NOTHING = object()
