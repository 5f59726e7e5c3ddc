"""rules: how an op's rules are played when the engine comes by.

A recorded call keeps, for each input that needs a gradient, the arguments of that input's rule (one
row, if one rule serves all inputs): input Tensors as they are, outputs as arrays (the Tensor would
make a reference cycle), shapes and metadata. Over arrays, the common case, a rule is played by a
function made for what it saves, once, when the op is declared; over Tensors (``create_graph``) the
rule itself is called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from .backend import by_type
from .errors import NoDerivativeError
from .graph import Edge, Node, Owed, Packed, PackedRows, Writes, stale
from .naming import saved_attributes, settled
from .tensor import Tensor, unwrap, wrap

if TYPE_CHECKING:
    from .op import Op

#: ``play(g, saved, node)``: one input's gradient over arrays.
Play = Callable[[Any, Any, Node], Any]


class Word:
    """A word of the op language; printed as itself."""

    __slots__ = ("word",)

    def __init__(self, word: str) -> None:
        self.word = word

    def __repr__(self) -> str:
        return self.word


# In place of a rule.
NONE = Word("NONE")  # no derivative exists: an index, a mask, a comparison
ZERO = Word("ZERO")  # the derivative is zero
MISSING = Word("MISSING")  # there is one, but no rule yet: asking for it raises


class OpNode(Node):
    """A recorded call of an op; each op has its own subclass, named as in PyTorch."""

    __slots__ = ()
    op: Op

    def seen(self) -> Node:
        return settled(self)

    @property
    def kind(self) -> Any:
        return self.op

    def shown(self) -> Sequence[int]:
        op = self.op
        if op.shown is not None:
            return op.shown(self.edges)
        if op.together:
            return range(len(self.edges))
        return [place for place, rule in enumerate(op.rules) if rule is not NONE]

    def apply(self, grad: Any, create_graph: bool) -> Any:
        saved = self.saved
        if create_graph or saved.__class__ is not tuple:
            return self.apply_carefully(grad, create_graph)
        return [
            None if edge is None else play(grad, values, self)
            for play, values, edge in zip(self.op.plays, saved, self.edges)
        ]

    def apply_carefully(self, grad: Any, create_graph: bool) -> Any:
        """Over Tensors; or over arrays when the saved values are packed, or gone."""
        op = self.op
        if self.saved.__class__ is Owed and not create_graph:
            return self.saved.source.twin(self.saved, self).apply(grad, False)
        rows = self.saved_rows(create_graph)
        if op.together:
            rule = op.rules[0]
            if isinstance(rule, Word):
                each = [play_word(rule, op, i) for i in range(len(self.edges))]
                return [None if play is None else play(grad, (), self) for play in each]
            values = list(rows[0]) if create_graph else [array_of(v, self) for v in rows[0]]
            return called_together(op, grad, values, self)
        return [
            None if edge is None else self._played(i, grad, values, create_graph)
            for i, (values, edge) in enumerate(zip(rows, self.edges))
        ]

    def _played(self, i: int, grad: Any, values: Any, create_graph: bool) -> Any:
        rule = self.op.rules[i]
        if isinstance(rule, Word):
            return self.op.plays[i](grad, values, self)
        if create_graph:
            return rule(grad, *values)
        return rule(grad, *[array_of(value, self) for value in values])

    def saved_rows(self, create_graph: bool) -> tuple[tuple[Any, ...], ...]:
        """The saved values: checked, unpacked and, for Tensors, outputs rewrapped."""
        self.check_alive()
        saved = self.saved
        if saved.__class__ is Owed:
            return _from_twin(saved.source.twin(saved, self), self)
        packed = saved.__class__ is PackedRows
        if packed:
            saved = saved.rows
        elif self.op.one_row:
            saved = (saved,)
        rows = []
        for names, values in zip(self.op.saved_names, saved):
            row = []
            for name, value in zip(names, values):
                if packed:
                    value = unpacked(value, self)
                if name in self.op.outputs:
                    self.check_output(value)
                    if create_graph:
                        value = value if isinstance(value, Tensor) else wrap(value)
                        value._edge = (self, self.op.outputs.index(name))
                elif create_graph:
                    array_of(value, self)  # for its check
                    if value.__class__ in by_type:  # a number that was an operand
                        value = wrap(value)
                row.append(value)
            rows.append(tuple(row))
        return tuple(rows)

    def watch(self, nr: int, writes: Writes) -> None:
        # One of several outputs: only a saved one can become stale.
        op = self.op
        if not self.multi or any(op.outputs[nr] in names for names in op.saved_names):
            self.writes = writes

    def check_output(self, value: Any) -> None:
        """Raise if a saved output was written since."""
        writes = self.writes
        if writes is not None and writes.stamp > self.sequence:
            raise stale(self, writes, value)


def _from_twin(twin: Any, node: Any) -> tuple[tuple[Any, ...], ...]:
    """What the same call in another run saved, with its place in this graph."""
    op = node.op
    rows = []
    for names, values in zip(op.saved_names, twin.saved_rows(True)):
        row = []
        for name, value in zip(names, values):
            if name in op.outputs:
                value = _placed(value, (node, op.outputs.index(name)))
            elif value.__class__ is tuple and value and isinstance(value[0], Tensor):
                value = tuple(_placed(v, edge) for v, edge in zip(value, node.edges))
            elif isinstance(value, Tensor):
                value = _placed(value, node.edges[op.inputs.index(name)])
            row.append(value)
        rows.append(tuple(row))
    return tuple(rows)


def _placed(value: Tensor, edge: Edge | None) -> Tensor:
    out = wrap(value._data)
    out._edge = edge
    return out


def node_type(op: Op) -> type[OpNode]:
    """The node class of an op, with the way of playing that fits its rules."""
    space: dict[str, Any] = {
        "__slots__": (),
        "op": op,
        "multi": len(op.outputs) > 1,
        "frees": op.saves_values,
        "holomorphic": op.holomorphic,
        **saved_attributes(op),
    }
    if op.together:
        space["apply"] = _apply_together
    elif len(op.inputs) == 1:
        space["apply"] = _apply_one(op)
    elif len(op.inputs) == 2:
        space["apply"] = _apply_two(op)
    return type(op.node_name, (OpNode,), space)


# Written out because every node of every backward pays for it.
def _apply_one(op: Op) -> Any:
    play = op.plays[0]
    rule = op.rules[0]

    def apply(self: OpNode, grad: Any, create_graph: bool) -> Any:
        saved = self.saved
        if create_graph or saved.__class__ is not tuple:
            return self.apply_carefully(grad, create_graph)
        return (play(grad, saved, self),)

    def apply_to_input(self: OpNode, grad: Any, create_graph: bool) -> Any:
        saved = self.saved
        if create_graph or saved.__class__ is not tuple:
            return self.apply_carefully(grad, create_graph)
        (value,) = saved
        writes = value._writes
        if writes is not None and writes.stamp > self.sequence:
            raise stale(self, writes, value)
        return (rule(grad, value._data),)

    def apply_to_output(self: OpNode, grad: Any, create_graph: bool) -> Any:
        saved = self.saved
        if create_graph or saved.__class__ is not tuple:
            return self.apply_carefully(grad, create_graph)
        (value,) = saved
        writes = self.writes
        if writes is not None and writes.stamp > self.sequence:
            raise stale(self, writes, value)
        return (rule(grad, value),)

    if op.saved_names[0] == op.inputs:
        return apply_to_input
    return apply_to_output if op.saved_names[0] == op.outputs[:1] == op.outputs else apply


def _apply_two(op: Op) -> Any:
    play_a, play_b = op.plays
    rule_a, rule_b = op.rules

    def apply(self: OpNode, grad: Any, create_graph: bool) -> Any:
        saved = self.saved
        if create_graph or saved.__class__ is not tuple:
            return self.apply_carefully(grad, create_graph)
        edge_a, edge_b = self.edges
        if edge_b is None:
            return (play_a(grad, saved[0], self),)
        if edge_a is None:
            return (None, play_b(grad, saved[1], self))
        return (play_a(grad, saved[0], self), play_b(grad, saved[1], self))

    def apply_to_nothing(self: OpNode, grad: Any, create_graph: bool) -> Any:
        edge_a, edge_b = self.edges
        if edge_b is None:
            return (rule_a(grad),)
        return (None if edge_a is None else rule_a(grad), rule_b(grad))

    def apply_to_first(self: OpNode, grad: Any, create_graph: bool) -> Any:
        saved = self.saved
        _, edge_b = self.edges
        if create_graph or edge_b is not None or saved.__class__ is not tuple:
            return apply(self, grad, create_graph)
        ((value,), _) = saved
        if value.__class__ is not Tensor:
            return (play_a(grad, (value,), self),)
        writes = value._writes
        if writes is not None and writes.stamp > self.sequence:
            raise stale(self, writes, value)
        return (rule_a(grad, value._data),)

    if op.saved_names == [(), ()] and not isinstance(rule_a, Word) and not isinstance(rule_b, Word):
        return apply_to_nothing
    one_input = len(op.saved_names[0]) == 1 and op.saved_names[0][0] in op.inputs
    return apply_to_first if one_input else apply


def _apply_together(self: OpNode, grad: Any, create_graph: bool) -> Any:
    """A joint rule, or the one rule of a variadic input: all gradients at once."""
    saved = self.saved
    op = self.op
    if create_graph or saved.__class__ is not tuple or isinstance(op.rules[0], Word):
        return self.apply_carefully(grad, create_graph)
    if op.saves_outputs:
        for name, value in zip(op.saved_names[0], saved):
            if name in op.outputs:
                self.check_output(value)
    return called_together(op, grad, [array_of(v, self) for v in saved], self)


def called_together(op: Op, grad: Any, values: list[Any], node: Node) -> Any:
    if op.wants_needs:
        needs = tuple(edge is not None for edge in node.edges)
        return op.rules[0](grad, *values, needs=needs)
    return op.rules[0](grad, *values)


def array_of(value: Any, node: Node) -> Any:
    """A saved value as an array, after the check that nobody wrote to it since."""
    if isinstance(value, Tensor):
        writes = value._writes
        if writes is not None and writes.stamp > node.sequence:
            raise stale(node, writes, value)
        return value._data
    if value.__class__ is tuple and value and isinstance(value[0], Tensor):
        return tuple([array_of(v, node) for v in value])
    return value


def nothing(environment: Any) -> tuple[()]:
    return ()


def picker(indices: list[int]) -> Callable[[Any], tuple[Any, ...]]:
    """A C function from the call's environment to a rule's arguments."""
    if not indices:
        return nothing
    if len(indices) == 1:
        return itemgetter(slice(indices[0], indices[0] + 1))
    return itemgetter(*indices)


def player(rule: Any, names: tuple[str, ...], op: Op) -> Play:
    """The rule over arrays, specialised to what it saves."""
    inputs = [n in op.inputs for n in names]
    outputs = [n in op.outputs for n in names]
    if not names:
        return lambda g, saved, node: rule(g)
    if not any(inputs) and not any(outputs):
        return lambda g, saved, node: rule(g, *saved)
    if len(names) == 1 and not op.variadic:
        return _play_output(rule) if outputs[0] else _play_input(rule)
    first_output = outputs.index(True) if any(outputs) else None

    def play(g: Any, saved: Any, node: Node) -> Any:
        if first_output is not None:
            writes = node.writes
            if writes is not None and writes.stamp > node.sequence:
                raise stale(node, writes, saved[first_output])
        return rule(g, *[array_of(value, node) for value in saved])

    return play


def _play_input(rule: Any) -> Play:
    def play(g: Any, saved: Any, node: Node) -> Any:
        (value,) = saved
        if isinstance(value, Tensor):
            writes = value._writes
            if writes is not None and writes.stamp > node.sequence:
                raise stale(node, writes, value)
            return rule(g, value._data)
        return rule(g, value)

    return play


def _play_output(rule: Any) -> Play:
    def play(g: Any, saved: Any, node: Node) -> Any:
        (value,) = saved
        writes = node.writes
        if writes is not None and writes.stamp > node.sequence:
            raise stale(node, writes, value)
        return rule(g, value)

    return play


def play_word(word: Word, op: Op, index: int) -> Play | None:
    """What stands in for a rule where the declaration has a word."""
    if word is NONE:
        return None
    if word is ZERO:
        return lambda g, saved, node: _zeros(g, node.edges[index])

    def missing(g: Any, saved: Any, node: Node) -> Any:
        raise NoDerivativeError(
            f"the derivative of {op.name!r} (from {op.plugin}) with respect to "
            f"{op.inputs[0 if op.variadic else index]!r} is not implemented, and was asked for "
            f"through {node.where()}; "
            "detach that input if its gradient is not needed"
        )

    return missing


def _zeros(g: Any, edge: Edge | None) -> Any:
    """The gradient that is zero, for the input that an edge leads to."""
    if edge is None:
        return None
    node, nr = edge
    shape, dtype = (node.shape[nr], node.dtype[nr]) if node.multi else (node.shape, node.dtype)
    if isinstance(g, list):
        g = next(x for x in g if x is not None)
    array = by_type[unwrap(g).__class__].xp.zeros(shape, dtype=dtype)
    return wrap(array) if isinstance(g, Tensor) else array


def unpacked(value: Any, node: Node) -> Any:
    """Ask the hook for a saved value back, with its place in the graph."""
    if value.__class__ is tuple and value and value[0].__class__ is Packed:
        return tuple(unpacked(v, node) for v in value)
    if value.__class__ is not Packed:
        return value
    out = wrap(value.restored(node))
    out._edge = value.edge
    return out
