"""tree_paths: where each leaf of a tree is, and structures as text (``torch.utils._pytree``)."""

from __future__ import annotations

import importlib
import json
from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from . import trees
from .trees import LeafSpec, MappingKey, SequenceKey, TreeSpec, tree_unflatten


class GetAttrKey(NamedTuple):
    """Where a child is that is an attribute."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, parent: Any) -> Any:
        """That child of ``parent``."""
        return getattr(parent, self.name)


def _keyed(value: Any) -> list[tuple[Any, Any]] | None:
    """The children of a value, each with its key; None for a leaf."""
    cls, kind = trees._kind(value)
    if kind is None:
        return None
    if kind.flatten_with_keys_fn is not None:
        return list(kind.flatten_with_keys_fn(value)[0])
    if cls is namedtuple:
        return [(GetAttrKey(name), getattr(value, name)) for name in value._fields]
    if cls in (list, tuple, deque):
        return [(SequenceKey(i), child) for i, child in enumerate(value)]
    if cls in (dict, OrderedDict, defaultdict):
        return [(MappingKey(key), child) for key, child in value.items()]
    raise ValueError(
        f"Did not find a flatten_with_keys_fn for type: {cls}. Please pass a flatten_with_keys_fn "
        "argument to register_pytree_node."
    )


def tree_flatten_with_path(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[tuple[tuple[Any, ...], Any]], TreeSpec]:
    """The leaves, each with the keys that lead to it, and the structure.

    >>> from anadrome.utils._pytree import keystr, tree_flatten_with_path
    >>> [(keystr(path), leaf) for path, leaf in tree_flatten_with_path({"a": [1, (2,)]})[0]]
    [("['a'][0]", 1), ("['a'][1][0]", 2)]
    """
    spec = trees.tree_structure(tree, is_leaf)
    found: list[tuple[tuple[Any, ...], Any]] = []

    def walk(value: Any, path: tuple[Any, ...]) -> None:
        children = None if is_leaf is not None and is_leaf(value) else _keyed(value)
        if children is None:
            found.append((path, value))
            return
        for key, child in children:
            walk(child, (*path, key))

    walk(tree, ())
    return found, spec


def tree_leaves_with_path(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> list[tuple[tuple[Any, ...], Any]]:
    """The leaves, each with the keys that lead to it."""
    return tree_flatten_with_path(tree, is_leaf)[0]


def tree_map_with_path(
    func: Callable[..., Any],
    tree: Any,
    *rests: Any,
    is_leaf: Callable[[Any], bool] | None = None,
) -> Any:
    """The same structure with ``func(path, leaf, *leaves of the rests)`` of each leaf."""
    found, spec = tree_flatten_with_path(tree, is_leaf)
    columns = [spec.flatten_up_to(rest) for rest in rests]
    rows = zip(*columns) if rests else [()] * len(found)
    made = [func(path, leaf, *others) for (path, leaf), others in zip(found, rows)]
    return tree_unflatten(made, spec)


def keystr(kp: Iterable[Any]) -> str:
    """A path as Python would write it behind the tree's name."""
    return "".join([str(key) for key in kp])


def key_get(obj: Any, kp: Iterable[Any]) -> Any:
    """What lies at a path."""
    for key in kp:
        obj = key.get(obj)
    return obj


def is_namedtuple(obj: Any) -> bool:
    """Whether it is a named tuple, or the class of one."""
    return is_namedtuple_class(obj if isinstance(obj, type) else type(obj))


def is_namedtuple_class(cls: type) -> bool:
    """Whether it is a class of named tuples."""
    return isinstance(cls, type) and trees._is_named(cls)


def is_namedtuple_instance(obj: Any) -> bool:
    """Whether it is a named tuple."""
    return is_namedtuple_class(type(obj))


# -- as text ---------------------------------------------------------------------------------------
def _type_name(cls: Any) -> str:
    if cls is namedtuple:
        return "collections.namedtuple"
    name = trees.SERIALIZED.get(cls)
    if name is None:
        raise NotImplementedError(
            f"No registered serialization name for {cls} found. Please update your "
            "_register_pytree_node call with a `serialized_type_name` kwarg."
        )
    return name


def _packed(spec: TreeSpec) -> dict[str, Any]:
    if spec.is_leaf():
        return {"type": None, "context": None, "children_spec": []}
    name = _type_name(spec.type)
    context: Any
    if spec.type is defaultdict:
        made = spec.context[0]
        context = {
            "default_factory_module": made.__module__,
            "default_factory_name": made.__qualname__,
            "dict_context": spec.context[1],
        }
    elif spec.type is namedtuple:
        context = json.dumps(f"{spec.context.__module__}.{spec.context.__qualname__}")
    else:
        to_dumpable = trees.DUMPABLE.get(spec.type, (None, None))[0]
        context = json.dumps(spec.context) if to_dumpable is None else to_dumpable(spec.context)
    return {
        "type": name,
        "context": context,
        "children_spec": [_packed(child) for child in spec.children_specs],
    }


def _named(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _unpacked(found: dict[str, Any]) -> TreeSpec:
    if found["type"] is None:
        return LeafSpec()
    known = {name: cls for cls, name in trees.SERIALIZED.items()}
    known["collections.namedtuple"] = namedtuple
    if found["type"] not in known:
        raise ValueError(f"a tree of an unknown type: {found['type']!r}")
    cls, context = known[found["type"]], found["context"]
    if cls is defaultdict:
        factory = f"{context['default_factory_module']}.{context['default_factory_name']}"
        context = [_named(factory), context["dict_context"]]
    elif cls is namedtuple:
        context = _named(json.loads(context))
    else:
        from_dumpable = trees.DUMPABLE.get(cls, (None, None))[1]
        context = json.loads(context) if from_dumpable is None else from_dumpable(context)
    return TreeSpec(cls, context, [_unpacked(child) for child in found["children_spec"]])


def treespec_dumps(treespec: TreeSpec, protocol: int | None = None) -> str:
    """A structure as JSON, as PyTorch writes it.

    >>> from anadrome.utils._pytree import tree_structure, treespec_dumps, treespec_loads
    >>> spec = tree_structure({"a": [1, 2]})
    >>> treespec_loads(treespec_dumps(spec)) == spec
    True
    """
    if not isinstance(treespec, TreeSpec):
        raise TypeError(f"treespec_dumps takes a TreeSpec, not a {type(treespec).__name__}")
    if protocol not in (None, 1):
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: [1]")
    return json.dumps([1, _packed(treespec)])


def treespec_loads(serialized: str) -> TreeSpec:
    """The structure that was written."""
    protocol, found = json.loads(serialized)
    if protocol != 1:
        raise ValueError(f"Unknown protocol {protocol}. Available protocols: [1]")
    return _unpacked(found)


class _Star:
    def __repr__(self) -> str:
        return "*"


def treespec_pprint(treespec: TreeSpec) -> str:
    """The structure with ``*`` for each leaf."""
    return repr(tree_unflatten([_Star()] * treespec.num_leaves, treespec))
