"""naming: PyTorch's name of a node where it depends on the call (``SelectBackward0`` of ``x[0]``),
and its names of what a node saved (``_saved_self``).

Recording knows nothing of it: a node takes the class of its name when somebody looks at it, through
``grad_fn``, ``next_functions`` or a message; most nodes are never seen. What the name depends on is
what the rules save anyway, so a name costs no memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .errors import DeclarationError
from .graph import AccumulateGrad, Node, Packed, PackedRows
from .tensor import Tensor

if TYPE_CHECKING:
    from .op import Op

#: What a naming function may ask for besides what rules save: of the node itself.
_OF_NODE = ("edges", "shape")


def check(op: Op, named: Callable[..., str]) -> None:
    """Raise ``DeclarationError`` if a naming function asks for what no rule saves."""
    code = named.__code__
    saved = {name for names in op.saved_names for name in names}
    for name in code.co_varnames[: code.co_argcount]:
        if name not in saved and name not in _OF_NODE:
            raise DeclarationError(
                f"op {op.name!r}: the name of its node depends on {name!r}, which no rule saves"
            )


def settled(node: Any) -> Node:
    """The node, of the class of its name; as it is, where what it saved is gone."""
    op = node.op
    if op.named is None or node.__class__ is not op.node_type:
        return node
    given = _given(node)
    if given is not None:
        name = op.named(**given)
        if name != op.node_name:
            if name not in op.node_types:
                op.node_types[name] = type(name, (op.node_type,), {"__slots__": ()})
            node.__class__ = op.node_types[name]
    return node


def _given(node: Any) -> dict[str, Any] | None:
    """The arguments of the naming function; None if the values they were among are gone."""
    op, saved = node.op, node.saved
    if saved.__class__ is PackedRows:
        rows = saved.rows
    elif saved.__class__ is tuple:
        rows = (saved,) if op.one_row else saved
    else:
        return None
    values = {"edges": node.edges, "shape": node.shape}
    for names, row in zip(op.saved_names, rows):
        values.update(zip(names, row))  # of an input that needs no gradient the row is empty
    code = op.named.__code__
    return {n: values[n] for n in code.co_varnames[: code.co_argcount] if n in values}


#: How PyTorch's attributes of what a node saved begin.
_SAVED = "_saved_"


def saved_attributes(op: Op) -> dict[str, property]:
    """PyTorch's attributes of what nodes of ``op`` save, for the class of these nodes.

    PyTorch calls an output ``result``, and operands that have only a letter here ``self`` and
    ``other``. Properties, and no ``__getattr__``: that would slow every attribute of every node.
    """
    theirs = dict(zip((n for n in op.inputs if len(n) == 1), ("self", "other")))
    theirs.update(zip(op.outputs[:1], ("result",)))
    every = dict.fromkeys(n for names in op.saved_names for n in names)
    return {_SAVED + theirs.get(name, name): _saved(name) for name in every}


def _saved(name: str) -> property:
    def value(node: Any) -> Any:
        for names, row in zip(node.op.saved_names, node.saved_rows(True)):
            if row and name in names:
                return _as_it_was(row[names.index(name)])
        return None

    about = (
        f"The ``{name}`` that was saved: unpacked, and with its place in the graph. None if no "
        "gradient needed it; ``AlreadyFreedError`` if a backward has freed it."
    )
    return property(value, doc=about)


def _as_it_was(value: Any) -> Any:
    """A leaf that was unpacked is a leaf again."""
    edge = getattr(value, "_edge", None)
    if edge.__class__ is tuple and isinstance(edge[0], AccumulateGrad):
        return value.detach().requires_grad_()
    return value


def was_tensor(value: Any) -> bool:
    """Whether a saved operand was a Tensor, and not a number."""
    return isinstance(value, (Tensor, Packed))
