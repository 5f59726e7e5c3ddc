"""tree: tensors inside tuples, lists and dicts, taken out and put back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tensor import Tensor


def is_node(value: Any) -> bool:
    """Whether the value holds others."""
    return type(value) in (list, dict) or isinstance(value, (tuple, dict))


def leaves(value: Any) -> list[Any]:
    """The values inside, in order; dicts by their own order of keys."""
    if isinstance(value, dict):
        return [leaf for v in value.values() for leaf in leaves(v)]
    if is_node(value):
        return [leaf for v in value for leaf in leaves(v)]
    return [value]


def rebuilt(like: Any, values: Any) -> Any:
    """The structure of ``like`` with ``values`` (an iterable) in place of its leaves."""
    found = iter(values)
    return mapped(lambda _: next(found), like)


def mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """The same structure with ``function`` of each leaf."""
    if isinstance(value, dict):
        pairs = [(k, mapped(function, v)) for k, v in value.items()]
        return type(value)(pairs) if type(value) is not dict else dict(pairs)
    if not is_node(value):
        return function(value)
    parts = [mapped(function, v) for v in value]
    if hasattr(value, "_fields"):  # a named tuple
        return type(value)(*parts)
    return parts if isinstance(value, list) else tuple(parts)


def spread(prefix: Any, value: Any, what: str) -> list[Any]:
    """``prefix`` (one thing, or a structure whose leaves stand for parts of ``value``) by leaf."""
    if not is_node(prefix):
        return [prefix] * len(leaves(value))
    if isinstance(prefix, (tuple, list)) and len(prefix) == 1 and not is_node(value):
        return list(prefix)  # of one value
    if type(prefix) is not type(value) and not (
        isinstance(prefix, (tuple, list)) and isinstance(value, (tuple, list))
    ):
        raise ValueError(f"{what} is not compatible with the structure of the values")
    if len(prefix) != len(value):
        raise ValueError(
            f"{what} is not compatible with the structure of the values: it has {len(prefix)} "
            f"parts for {len(value)}"
        )
    if isinstance(prefix, dict):
        return [d for k, v in value.items() for d in spread(prefix[k], v, what)]
    return [d for p, v in zip(prefix, value) for d in spread(p, v, what)]


def checked_output(who: str, out: Any) -> None:
    """The errors for what a function returned that is to be differentiated."""
    given = leaves(out)
    other = [x for x in given if not isinstance(x, Tensor)]
    if other:
        raise RuntimeError(
            f"{who}: expected f(*primals) to return only tensors, got unsupported type "
            f"{type(other[0]).__name__}"
        )
    if not given:
        raise RuntimeError(
            f"{who}: Expected f to be a function that has non-empty output (got output = {out!r})"
        )


def only_tensors(whose: str, given: Any) -> None:
    """The error for values that are no Tensors."""
    other = [x for x in leaves(given) if not isinstance(x, Tensor)]
    if other:
        raise RuntimeError(f"{whose} to only contain Tensors, got {type(other[0]).__name__}")
