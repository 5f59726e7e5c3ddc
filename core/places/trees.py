"""pytree: values inside tuples, lists, dicts and more, taken out and put back (``_pytree``).

PyTorch's ``torch.utils._pytree``. Whatever is of no registered type is a leaf, None too.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")
PyTree = Any
Context = Any


class Kind(NamedTuple):
    """How a type is taken apart and put together."""

    flatten_fn: Callable[[Any], tuple[list[Any], Context]]
    unflatten_fn: Callable[[Iterable[Any], Context], Any]
    flatten_with_keys_fn: Callable[[Any], tuple[list[tuple[Any, Any]], Context]] | None = None


class SequenceKey(NamedTuple):
    """Where a child of a list or tuple is."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, parent: Any) -> Any:
        """That child of ``parent``."""
        return parent[self.idx]


class MappingKey(NamedTuple):
    """Where a child of a dict is."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, parent: Any) -> Any:
        """That child of ``parent``."""
        return parent[self.key]


def _dict_flatten(d: dict[Any, Any]) -> tuple[list[Any], Context]:
    return list(d.values()), list(d)


def _dict_flatten_with_keys(
    d: dict[Any, Any],
) -> tuple[list[tuple[MappingKey, Any]], Context]:
    return [(MappingKey(key), value) for key, value in d.items()], list(d)


def _dict_unflatten(values: Iterable[Any], context: Context) -> dict[Any, Any]:
    return dict(zip(context, values))


def _list_flatten(d: list[Any]) -> tuple[list[Any], Context]:
    return list(d), None


def _list_flatten_with_keys(d: list[Any]) -> tuple[list[tuple[SequenceKey, Any]], Context]:
    return [(SequenceKey(i), value) for i, value in enumerate(d)], None


def _list_unflatten(values: Iterable[Any], context: Context) -> list[Any]:
    return list(values)


_KINDS: dict[Any, Kind] = {
    list: Kind(_list_flatten, _list_unflatten),
    tuple: Kind(lambda d: (list(d), None), lambda v, _: tuple(v)),
    dict: Kind(_dict_flatten, _dict_unflatten),
    OrderedDict: Kind(_dict_flatten, lambda v, keys: OrderedDict(zip(keys, v))),
    defaultdict: Kind(
        lambda d: (list(d.values()), [d.default_factory, list(d)]),
        lambda v, context: defaultdict(context[0], zip(context[1], v)),
    ),
    deque: Kind(lambda d: (list(d), d.maxlen), lambda v, maxlen: deque(v, maxlen=maxlen)),
}
_NAMED = Kind(lambda d: (list(d), type(d)), lambda v, cls: cls(*v))

#: What is taken apart, by type; named tuples are of the type ``namedtuple``.
SUPPORTED_NODES: dict[Any, Kind] = _KINDS
_KINDS[namedtuple] = _NAMED

#: The names of types in text, and what makes JSON of their contexts, and back.
SERIALIZED: dict[Any, str] = {
    cls: f"{cls.__module__}.{cls.__qualname__}"
    for cls in (list, tuple, dict, OrderedDict, defaultdict, deque)
}
DUMPABLE: dict[Any, tuple[Any, Any]] = {}


def _is_named(cls: type) -> bool:
    return issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple)


def _kind(value: Any) -> tuple[Any, Kind | None]:
    cls = type(value)
    found = _KINDS.get(cls)
    if found is None and _is_named(cls):
        return namedtuple, _NAMED
    return cls, found


def _get_node_type(tree: Any) -> Any:
    """The type by which ``SUPPORTED_NODES`` knows a value, or would."""
    return _kind(tree)[0]


def register_pytree_node(
    cls: type,
    flatten_fn: Callable[[Any], tuple[list[Any], Context]],
    unflatten_fn: Callable[[Iterable[Any], Context], Any],
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Callable[[Context], Any] | None = None,
    from_dumpable_context: Callable[[Any], Context] | None = None,
    flatten_with_keys_fn: Callable[[Any], tuple[list[tuple[Any, Any]], Context]] | None = None,
) -> None:
    """From now on values of ``cls`` are taken apart.

    ``flatten_fn(value)`` returns the children and what else is needed; ``unflatten_fn(children,
    that)`` the value again. ``flatten_with_keys_fn`` returns pairs of a key and a child, for paths;
    the others are for ``treespec_dumps``. Raises ValueError for a class that is known already.
    """
    if cls in _KINDS:
        raise ValueError(f"{cls} is already registered as pytree node.")
    if (to_dumpable_context is None) != (from_dumpable_context is None):
        raise ValueError(
            f"Both to_dumpable_context and from_dumpable_context for {cls} must be None or "
            "registered."
        )
    _KINDS[cls] = Kind(flatten_fn, unflatten_fn, flatten_with_keys_fn)
    if serialized_type_name is not None:
        SERIALIZED[cls] = serialized_type_name
    if to_dumpable_context is not None:
        DUMPABLE[cls] = to_dumpable_context, from_dumpable_context


_register_pytree_node = register_pytree_node


class TreeSpec:
    """The structure that values were taken out of."""

    def __init__(self, type: Any, context: Context, children_specs: list[TreeSpec]) -> None:
        self.type = type
        self.context = context
        self.children_specs = children_specs
        leaf = type is None
        self.num_leaves: int = 1 if leaf else sum(c.num_leaves for c in children_specs)
        self.num_nodes: int = 1 + sum(c.num_nodes for c in children_specs)
        self.num_children: int = len(children_specs)

    def is_leaf(self) -> bool:
        """Whether it stands for one value."""
        return self.type is None

    def unflatten(self, leaves: Iterable[Any]) -> PyTree:
        """The structure with these leaves."""
        return tree_unflatten(leaves, self)

    def flatten_up_to(self, tree: PyTree) -> list[PyTree]:
        """The parts of ``tree`` that lie where this structure has its leaves."""
        if self.is_leaf():
            return [tree]
        cls, kind = _kind(tree)
        if cls is not self.type or kind is None:
            raise ValueError(f"Type mismatch; expected {self.type!r}, but got {type(tree)!r}.")
        children, context = kind.flatten_fn(tree)
        if len(children) != self.num_children:
            raise ValueError(
                f"Node arity mismatch; expected {self.num_children}, but got {len(children)}."
            )
        if context != self.context:
            if not (issubclass(dict, cls) and set(context) == set(self.context)):
                raise ValueError(
                    f"Node context mismatch for {self.type!r}: {self.context!r} != {context!r}"
                )
            children = [tree[key] for key in self.context]
        return [p for spec, c in zip(self.children_specs, children) for p in spec.flatten_up_to(c)]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TreeSpec)
            and self.type is other.type
            and self.context == other.context
            and self.children_specs == other.children_specs
        )

    def __hash__(self) -> int:
        return hash((self.type, self.num_leaves, self.num_children))

    def __repr__(self) -> str:
        if self.is_leaf():
            return "*"
        name = getattr(self.type, "__name__", self.type)
        return f"TreeSpec({name}, {self.context}, {self.children_specs})"


class LeafSpec(TreeSpec):
    """The structure of one value."""

    def __init__(self) -> None:
        super().__init__(None, None, [])


Leafness = Callable[[Any], bool]


def tree_flatten(tree: PyTree, is_leaf: Leafness | None = None) -> tuple[list[Any], TreeSpec]:
    """The leaves in order, and the structure they were in.

    >>> from anadrome.utils._pytree import tree_flatten, tree_unflatten
    >>> leaves, spec = tree_flatten({"a": 1, "b": (2, 3)})
    >>> leaves
    [1, 2, 3]
    >>> tree_unflatten([4, 5, 6], spec)
    {'a': 4, 'b': (5, 6)}
    """
    leaves: list[Any] = []

    def structure(value: Any) -> TreeSpec:
        cls, kind = _kind(value)
        if kind is None or (is_leaf is not None and is_leaf(value)):
            leaves.append(value)
            return LeafSpec()
        children, context = kind.flatten_fn(value)
        return TreeSpec(cls, context, [structure(c) for c in children])

    try:
        spec = structure(tree)
    except RecursionError:
        raise ValueError("a tree that is nested too deeply, or holds itself") from None
    return leaves, spec


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """The structure with these leaves; ValueError for another number of them."""
    leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"tree_unflatten(leaves, treespec): `leaves` has length {len(leaves)} but the spec "
            f"refers to a pytree that holds {treespec.num_leaves} items ({treespec})."
        )
    found = iter(leaves)

    def built(spec: TreeSpec) -> Any:
        if spec.is_leaf():
            return next(found)
        kind = _KINDS[spec.type]
        return kind.unflatten_fn([built(c) for c in spec.children_specs], spec.context)

    return built(treespec)


def tree_is_leaf(tree: PyTree, is_leaf: Leafness | None = None) -> bool:
    """Whether a value is not taken apart."""
    return (is_leaf is not None and is_leaf(tree)) or _kind(tree)[1] is None


def is_structseq_instance(obj: object) -> bool:
    """False: what functions return by several names are named tuples here."""
    return False


def tree_iter(tree: PyTree, is_leaf: Leafness | None = None) -> Iterator[Any]:
    """The leaves, one by one."""
    yield from tree_flatten(tree, is_leaf)[0]


def tree_leaves(tree: PyTree, is_leaf: Leafness | None = None) -> list[Any]:
    """The leaves in order."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: PyTree, is_leaf: Leafness | None = None) -> TreeSpec:
    """The structure without the leaves."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: Leafness | None = None
) -> PyTree:
    """The same structure with ``func`` of each leaf, and of those at its place in ``rests``."""
    leaves, spec = tree_flatten(tree, is_leaf)
    columns = [leaves, *[spec.flatten_up_to(r) for r in rests]]
    return tree_unflatten([func(*values) for values in zip(*columns)], spec)


def tree_map_(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: Leafness | None = None
) -> PyTree:
    """Call ``func`` with each leaf, and return the tree itself."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def map_only(kinds: Any) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """A decorator: the function is applied to values of ``kinds``, others stay as they are."""
    matches = kinds if callable(kinds) and not isinstance(kinds, type) else None

    def wrapper(func: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def inner(x: Any) -> Any:
            chosen = matches(x) if matches is not None else isinstance(x, kinds)
            return func(x) if chosen else x

        return inner

    return wrapper


def tree_map_only(
    kinds: Any, func: Callable[[Any], Any], tree: PyTree, is_leaf: Leafness | None = None
) -> PyTree:
    """As ``tree_map``, of the leaves of these types (or for which ``kinds`` says so) only."""
    return tree_map(map_only(kinds)(func), tree, is_leaf=is_leaf)


def tree_map_only_(
    kinds: Any, func: Callable[[Any], Any], tree: PyTree, is_leaf: Leafness | None = None
) -> PyTree:
    """Call ``func`` with those leaves, and return the tree itself."""
    return tree_map_(map_only(kinds)(func), tree, is_leaf=is_leaf)


def tree_all(
    pred: Callable[[Any], bool], tree: PyTree, is_leaf: Leafness | None = None
) -> bool:  # fmt: skip
    """Whether ``pred`` is true of all leaves."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(
    pred: Callable[[Any], bool], tree: PyTree, is_leaf: Leafness | None = None
) -> bool:  # fmt: skip
    """Whether ``pred`` is true of a leaf."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(
    kinds: Any, pred: Callable[[Any], bool], tree: PyTree, is_leaf: Leafness | None = None
) -> bool:
    """Whether ``pred`` is true of all leaves of these types."""
    return all(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, kinds))


def tree_any_only(
    kinds: Any, pred: Callable[[Any], bool], tree: PyTree, is_leaf: Leafness | None = None
) -> bool:
    """Whether ``pred`` is true of a leaf of these types."""
    return any(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, kinds))


PyTreeSpec = TreeSpec


def __getattr__(name: str) -> Any:
    """What else programs look for in this module."""
    from . import tree_paths

    if name.startswith("__") or name not in vars(tree_paths):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(tree_paths, name)


def __dir__() -> list[str]:
    from . import tree_paths

    return sorted({*globals(), *vars(tree_paths)})
