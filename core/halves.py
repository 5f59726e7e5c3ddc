"""halves: how rules over half precision round, as PyTorch's do.

PyTorch rounds each operation of a formula to 16 bits, and multiplies with numbers that are as exact
as float32. Ops do so. An array library's own operators round the number first (float16), or go on
in float32 (bfloat16). So where a backend asks for it, a node of half precision plays its rules as
over Tensors, without a graph: both readings then round alike.

Where PyTorch's backward is one kernel (``Op.at_once``) all of it is computed in float32, and the
engine rounds what comes out. Where its formula is another one, the op is given that as well
(``in_halves``).
"""

from __future__ import annotations

from typing import Any

from .backend import by_type
from .dtypes import float32, from_native
from .errors import DeclarationError
from .graph import Node, Owed
from .modes import NOTHING_OVERRIDES, State, current, set_state
from .op import KEEP, Word, table
from .rules import OpNode, array_of, called_together
from .tensor import unwrap, wrap

#: By op, what ``in_halves`` gave it: for each input a rule, or None.
_rules: dict[Any, tuple[Any, ...]] = {}
_QUIET = State(grad=False, functions=NOTHING_OVERRIDES)


def is_half(dtype: Any) -> bool:
    """Whether a (native) dtype is half precision."""
    kind = from_native[dtype]
    return kind.is_floating_point and kind.itemsize == 2


def by_steps(x: Any) -> bool:
    """Whether rules over a Tensor are played op by op: of half precision, if its backend asks."""
    array = x._data
    return is_half(array.dtype) and by_type[array.__class__].halves_by_ops


def in_halves(function: Any, **rules: Any) -> None:
    """Give an op rules for half precision, of the parameters of those that it has."""
    op = function.op
    _rules[op] = tuple([rules.get(name) for name in op.inputs])
    for name, rule in rules.items():
        code = rule.__code__
        names = code.co_varnames[1 : code.co_argcount]
        saved = op.saved_names[op.inputs.index(name)]
        if names != saved:
            raise DeclarationError(
                f"op {op.name!r}: the rule of {name!r} in half precision asks for {names}, and "
                f"the other saves {saved}"
            )


def wide(value: Any) -> Any:
    """A value of half precision in float32; recorded, if it is a Tensor with a graph."""
    array = unwrap(value)
    cls: Any = array.__class__
    if cls not in by_type or not is_half(array.dtype):
        return value
    return table["to_dtype"].call(value, dtype=float32)


def apply(node: Node, grad: Any, create_graph: bool) -> Any:
    """``node.apply`` for a node with an output of half precision."""
    # What takes any type only moves values, and a slice's gradient stays a patch over arrays.
    if not isinstance(node, OpNode) or node.op.dtype is KEEP:
        return node.apply(grad, create_graph)
    given = grad if node.multi else (grad,)
    array = unwrap(next(g for g in given if g is not None))
    if not by_type[array.__class__].halves_by_ops:
        return node.apply(grad, create_graph)
    if node.saved.__class__ is Owed and not create_graph:  # run again, under the active modes
        return apply(node.saved.source.twin(node.saved, node), grad, False)
    if node.op.at_once:
        return _at_once(node, grad, create_graph)
    return _played(node, grad) if create_graph else _by_ops(node, grad)


def _played(node: OpNode, grad: Any) -> Any:
    """Over Tensors."""
    given = _rules.get(node.op)
    if given is None:
        return node.apply(grad, True)
    rows = node.saved_rows(True)
    return [
        None
        if edge is None
        else node._played(i, grad, row, True)
        if rule is None
        else rule(grad, *row)
        for i, (rule, row, edge) in enumerate(zip(given, rows, node.edges))
    ]


def _by_ops(node: OpNode, grad: Any) -> Any:
    wrapped = [g if g is None else wrap(g) for g in grad] if node.multi else wrap(grad)
    before = current()
    if before.modes or before.partial or before.inference:
        quiet = before.but(grad=False, modes=(), functions=NOTHING_OVERRIDES)
    else:
        quiet = _QUIET
    try:
        set_state(quiet)
        return [unwrap(g) for g in _played(node, wrapped)]
    finally:
        set_state(before)


def _at_once(node: OpNode, grad: Any, create_graph: bool) -> Any:
    grad = [wide(g) for g in grad] if node.multi else wide(grad)
    grads: list[Any] = []
    rows = node.saved_rows(create_graph)
    if node.op.together:
        values = [wide(v if create_graph else array_of(v, node)) for v in rows[0]]
        return called_together(node.op, grad, values, node)
    if node.op.one_row:
        rows *= len(node.edges)
    for place, (rule, row, edge) in enumerate(zip(node.op.rules, rows, node.edges)):
        if edge is None:
            grads.append(None)
        elif isinstance(rule, Word):
            grads.append(node.op.plays[place](grad, row, node))
        else:
            values = [wide(v if create_graph else array_of(v, node)) for v in row]
            grads.append(rule(grad, *values))
    return grads
