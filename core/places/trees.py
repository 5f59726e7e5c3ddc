"""trees: nested containers as a list of leaves, and back (``torch.utils._pytree``)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any


def _children(tree: Any) -> list[Any] | None:
    if type(tree) in (dict, OrderedDict):
        return list(tree.values())
    if type(tree) in (list, tuple) or (isinstance(tree, tuple) and hasattr(tree, "_fields")):
        return list(tree)
    return None


def _built(like: Any, children: list[Any]) -> Any:
    if isinstance(like, dict):
        return type(like)(zip(like, children))
    if hasattr(like, "_fields"):
        return type(like)(*children)
    return type(like)(children)


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any) -> Any:
    """``func`` of each leaf (and of those in its place in ``rests``), in containers as before.

    Lists, tuples, named tuples, dicts and ordered dicts are containers; all else is a leaf.

    >>> from anadrome.utils._pytree import tree_map
    >>> tree_map(lambda x: 2 * x, {"a": [1, 2], "b": (3,)})
    {'a': [2, 4], 'b': (6,)}
    """
    children = _children(tree)
    if children is None:
        return func(tree, *rests)
    others = [_children(rest) for rest in rests]
    if any(other is None or len(other) != len(children) for other in others):
        raise ValueError("tree_map() takes trees of one form; these differ")
    return _built(tree, [tree_map(func, *c) for c in zip(children, *others)])  # type: ignore[arg-type]


def tree_map_only(kind: Any, func: Callable[[Any], Any], tree: Any) -> Any:
    """``tree_map`` that leaves all leaves but those of a kind as they are."""
    return tree_map(lambda leaf: func(leaf) if isinstance(leaf, kind) else leaf, tree)


def _leaves(tree: Any) -> Iterator[Any]:
    children = _children(tree)
    if children is None:
        yield tree
    else:
        for child in children:
            yield from _leaves(child)


def tree_leaves(tree: Any) -> list[Any]:
    """The leaves, in order."""
    return list(_leaves(tree))


def tree_flatten(tree: Any) -> tuple[list[Any], Any]:
    """The leaves, and what ``tree_unflatten`` needs to build the tree again."""
    return tree_leaves(tree), tree


def tree_unflatten(leaves: Any, treespec: Any) -> Any:
    """The tree that ``tree_flatten`` took apart, of other leaves."""
    waiting = iter(leaves)
    return tree_map(lambda leaf: next(waiting), treespec)
