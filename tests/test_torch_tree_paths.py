"""Paths of trees, and structures as text: compared with PyTorch's ``_pytree``."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from typing import Any

import pytest

import anadrome as ad

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

Pair = namedtuple("Pair", "a b")
TREES = [
    3,
    [1, (2, 3)],
    {"x": [1, (2, 3)], "y": Pair(4, OrderedDict(z=5)), "d": deque([6])},
    defaultdict(list, {"q": 7, 3: [8]}),
    [None, (), {}],
]


def both() -> tuple[Any, Any]:
    from torch.utils import _pytree as theirs

    from anadrome.utils import _pytree as ours

    return ours, theirs


@pytest.mark.parametrize("tree", TREES)
def test_paths(tree: Any) -> None:
    found = []
    for P in both():
        leaves, spec = P.tree_flatten_with_path(tree)
        named = P.tree_map_with_path(lambda path, x, P=P: (P.keystr(path), x), tree)
        twice = P.tree_map_with_path(lambda path, x, y: (x, y), tree, tree)
        at = [P.key_get(tree, path) for path, _ in leaves]
        short = P.tree_leaves_with_path(tree, is_leaf=lambda x: isinstance(x, tuple))
        found.append(
            [
                [(P.keystr(p), x) for p, x in leaves],
                P.tree_unflatten([x for _, x in leaves], spec),
                named, twice, at, [P.keystr(p) for p, _ in short], P.treespec_pprint(spec),
            ]
        )  # fmt: skip
    assert found[0] == found[1]


@pytest.mark.parametrize("tree", [t for t in TREES if "Pair" not in str(t)])
def test_structures_as_text(tree: Any) -> None:
    ours, theirs = both()
    text = ours.treespec_dumps(ours.tree_structure(tree))
    assert text == theirs.treespec_dumps(theirs.tree_structure(tree))
    assert ours.treespec_loads(text) == ours.tree_structure(tree)


def test_named_tuples_are_found_again() -> None:
    ours, _ = both()
    spec = ours.tree_structure([Pair(1, (2,))])
    assert ours.treespec_loads(ours.treespec_dumps(spec)) == spec


def test_classes_of_ones_own() -> None:
    for P, name in zip(both(), ("ours", "theirs")):

        class Box:
            def __init__(self, value: Any, label: str) -> None:
                self.value, self.label = value, label

        class Bare(Box):
            pass

        P.register_pytree_node(
            Box,
            lambda b: ([b.value], b.label),
            lambda values, label, cls=Box: cls(*values, label),
            serialized_type_name=f"tests.Box.{name}",
            to_dumpable_context=lambda label: {"label": label},
            from_dumpable_context=lambda found: found["label"],
            flatten_with_keys_fn=lambda b, P=P: ([(P.GetAttrKey("value"), b.value)], b.label),
        )
        ((path, leaf),) = P.tree_leaves_with_path([Box(3, "three")])
        assert P.keystr(path) == "[0].value" and leaf == 3
        assert P.key_get([Box(3, "three")], path) == 3
        spec = P.tree_structure(Box(3, "three"))
        text = P.treespec_dumps(spec)
        assert f'"tests.Box.{name}"' in text and '{"label": "three"}' in text
        assert P.treespec_loads(text) == spec
        P.register_pytree_node(
            Bare, lambda b: ([b.value], None), lambda values, _, cls=Bare: cls(*values, "")
        )
        with pytest.raises(ValueError, match="pass a flatten_with_keys_fn"):
            P.tree_flatten_with_path(Bare(1, ""))
        with pytest.raises(NotImplementedError, match="serialized_type_name"):
            P.treespec_dumps(P.tree_structure(Bare(1, "")))


def test_named_tuples_are_known() -> None:
    for P in both():
        assert P.is_namedtuple(Pair(1, 2)) and P.is_namedtuple_class(Pair)
        assert P.is_namedtuple_instance(Pair(1, 2)) and not P.is_namedtuple((1, 2))


def test_refused() -> None:
    ours, _ = both()
    with pytest.raises(TypeError, match="takes a TreeSpec"):
        ours.treespec_dumps([1])
    with pytest.raises(ValueError, match="Unknown protocol 9"):
        ours.treespec_loads("[9, null]")
    with pytest.raises(ValueError, match="must be None or"):
        ours.register_pytree_node(
            type("Other", (), {}), list, list, to_dumpable_context=lambda c: c
        )
    assert ad.utils._pytree.GetAttrKey("a") == ours.GetAttrKey("a")
