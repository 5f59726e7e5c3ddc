"""arguments: what nodes take: nodes, numbers, words; lists, tuples, dicts and slices of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def map_aggregate(a: Any, function: Callable[[Any], Any]) -> Any:
    """The same structure with ``function`` of each of its leaves."""
    if isinstance(a, tuple):
        parts = [map_aggregate(part, function) for part in a]
        return type(a)(*parts) if hasattr(a, "_fields") else tuple(parts)
    if isinstance(a, list):
        return immutable_list([map_aggregate(part, function) for part in a])
    if isinstance(a, dict):
        return immutable_dict({k: map_aggregate(v, function) for k, v in a.items()})
    if isinstance(a, slice):
        return slice(*(map_aggregate(part, function) for part in (a.start, a.stop, a.step)))
    return function(a)


def map_arg(a: Any, function: Callable[[Any], Any]) -> Any:
    """The same structure with ``function`` of each node in it (``torch.fx.map_arg``)."""
    from .node import Node

    return map_aggregate(a, lambda leaf: function(leaf) if isinstance(leaf, Node) else leaf)


def formatted(a: Any) -> str:
    """As nodes are printed: `%name` for a node, words without quotes."""
    from .node import Node

    if isinstance(a, Node):
        return f"%{a.name}"
    if isinstance(a, list):
        return f"[{', '.join(map(formatted, a))}]"
    if isinstance(a, tuple):
        return f"({', '.join(map(formatted, a))}{',' if len(a) == 1 else ''})"
    if isinstance(a, dict):
        return f"{{{', '.join(f'{k}: {formatted(v)}' for k, v in a.items())}}}"
    return str(a)


def _refuse(self: Any, *args: Any, **keywords: Any) -> Any:
    raise NotImplementedError(
        f"'{type(self).__name__}' object does not support mutation. If you are attempting to "
        "modify the kwargs or args of a torch.fx.Node object, instead create a new copy of it and "
        "assign the copy to the node: node.args = new_args"
    )


class immutable_list(list[Any]):
    """A list that knows no writing: users are counted when a node's arguments are assigned."""

    append = extend = insert = remove = pop = clear = sort = reverse = _refuse  # type: ignore[assignment]
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse  # type: ignore[assignment]

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> Any:
        return immutable_list, (tuple(self),)


class immutable_dict(dict[Any, Any]):
    """A dict that knows no writing."""

    clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]
    __setitem__ = __delitem__ = __ior__ = _refuse  # type: ignore[assignment]

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> Any:
        return immutable_dict, (tuple(self.items()),)
