"""calls: from a declaration to the function that is called a million times.

Three call paths, chosen once when an op is declared: one input, two inputs, and everything else.
They differ only in speed. Each does, in this order: let an active mode take over; take the arrays;
bring them to a common type; run the forward; and, if a gradient can be asked for, record a node.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any

from . import dtypes
from .align import FLOATING, NUMBERS, align, as_array, cast, class_of, operands
from .backend import by_type
from .binding import bind
from .dtypes import from_native
from .graph import Packed, PackedRows, tick
from .modes import State, current, intercepted
from .op import FLOAT, KEEP, NONE, Op
from .sites import caller, known
from .tensor import LEAF, Tensor, wrap
from .views import track

_new = object.__new__
_getframe = sys._getframe
_NOTHING_TWICE = ((), ())


def build(op: Op) -> Callable[..., Any]:
    """The call path for a declaration."""
    plain = not (op.keywords or op.variadic or op.view or op.mutates or len(op.outputs) > 1)
    if plain and op.joint is None and op.required == len(op.inputs) and not op.wants_shapes:
        if len(op.inputs) == 1:
            return _unary(op)
        if len(op.inputs) == 2:
            return _binary(op)
    return _general(op)


def record(op: Op, data: Any, edges: Any, saved: Any, state: State) -> Tensor:
    """A node for a call that has just been made, and the Tensor that hangs on it."""
    node = _new(op.node_type)
    node.next_functions = edges
    node.saved = saved
    node.hooks = node.writes = None
    node.sequence = tick()
    node.shape = data.shape
    node.dtype = data.dtype
    # The user's line; sites.caller() written out, since every recorded op pays for it.
    frame: Any = _getframe(2)
    code = frame.f_code
    try:
        while known[code.co_filename]:
            frame = frame.f_back
            code = frame.f_code
        node.code = code
        node.instruction = frame.f_lasti
    except (KeyError, AttributeError):  # a new file, or only our own frames
        node.code, node.instruction = caller(3)
    if state.saved_hooks:
        _pack(node, state)
    out = _new(Tensor)
    out._data = data
    out._edge = (node, 0)
    return out


def _unary(op: Op) -> Callable[..., Any]:
    implementations = op.implementations
    floats = op.dtype is FLOAT
    recordable = op.rules[0] is not NONE
    pick = op.picks[0]
    # What most rules save, without the detour over a picker.
    only_input = op.saved_names[0] == op.inputs
    only_output = op.saved_names[0] == op.outputs

    def call(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return implementations[x.__class__](x)
        state = current()
        if state.modes:
            return intercepted(state, call, (x,), {})
        array = x._data
        cls = array.__class__
        if floats and from_native[array.dtype].category < FLOATING:
            array = cast(array, dtypes.get_default_dtype())
        try:
            data = implementations[cls](array)
        except Exception as error:
            raise op.explain(error, (x,)) from error
        if data.__class__ is not cls:
            data = by_type[cls].asarray(data)
        edge = x._edge
        if edge is None or not recordable or not state.grad:
            out = _new(Tensor)
            out._data = data
            out._edge = None
            return out
        if edge is LEAF:
            edge = x._leaf_edge()
        if only_input:
            return record(op, data, (edge,), (x,), state)
        if only_output:
            return record(op, data, (edge,), (data,), state)
        return record(op, data, (edge,), pick((data, x)), state)

    return call


def _binary(op: Op) -> Callable[..., Any]:
    implementations = op.implementations
    floats = op.dtype is FLOAT
    aligned = op.dtype is not KEEP
    recordable = op.has_rules
    pick_a, pick_b = op.picks
    rule_a, rule_b = (rule is not NONE for rule in op.rules)
    both = rule_a and rule_b
    # Rules that save nothing, and pairs like a product's, each saving the other input.
    saves_nothing = op.saved_names == [(), ()]
    saves_other = op.saved_names == [(op.inputs[1],), (op.inputs[0],)]

    def call(a: Any, b: Any) -> Any:
        if isinstance(a, Tensor):
            x = a._data
            edge_a = a._edge
            if isinstance(b, Tensor):
                y = b._data
                edge_b = b._edge
            else:
                y = b
                edge_b = None
        elif isinstance(b, Tensor):
            x = a
            edge_a = None
            y = b._data
            edge_b = b._edge
        else:
            return implementations[b.__class__ if a.__class__ in NUMBERS else a.__class__](a, b)
        state = current()
        if state.modes:
            return intercepted(state, call, (a, b), {})
        try:
            if x.__class__ is not y.__class__:
                if y.__class__ is float or y.__class__ is int:
                    known = operands.get((y, y.__class__, x.dtype, x.__class__))
                    if known is None:
                        x, y = align(op, (x, y))
                    else:
                        y = known
                elif x.__class__ is float or x.__class__ is int:
                    known = operands.get((x, x.__class__, y.dtype, y.__class__))
                    if known is None:
                        x, y = align(op, (x, y))
                    else:
                        x = known
                else:
                    x, y = align(op, (x, y))
            elif x.dtype is not y.dtype and aligned:
                x, y = align(op, (x, y))
                a, edge_a = _as_used(a, x, edge_a)
                b, edge_b = _as_used(b, y, edge_b)
            if floats and from_native[x.dtype].category < FLOATING:
                x, y = align(op, (x, y))
            cls = x.__class__
            data = implementations[cls](x, y)
        except Exception as error:
            raise op.explain(error, (a, b)) from error
        if data.__class__ is not cls:
            data = by_type[cls].asarray(data)
        if (edge_a is None and edge_b is None) or not recordable or not state.grad:
            out = _new(Tensor)
            out._data = data
            out._edge = None
            return out
        if edge_a is LEAF:
            edge_a = a._leaf_edge()
        if edge_b is LEAF:
            edge_b = b._leaf_edge()
        edges = (edge_a, edge_b) if both else (edge_a if rule_a else None, edge_b if rule_b else None)
        if saves_nothing:
            return record(op, data, edges, _NOTHING_TWICE, state)
        if not isinstance(a, Tensor):
            a = x
        if not isinstance(b, Tensor):
            b = y
        if saves_other:
            saved = (
                (b,) if edge_a is not None else (),
                (a,) if edge_b is not None else (),
            )
            return record(op, data, edges, saved, state)
        environment = (data, a, b)
        saved = (
            pick_a(environment) if edge_a is not None else (),
            pick_b(environment) if edge_b is not None else (),
        )
        return record(op, data, edges, saved, state)

    return call


def _general(op: Op) -> Callable[..., Any]:
    implementations = op.implementations
    count = len(op.inputs)
    defaults = op.defaults
    complete = len(op.keywords) == len(defaults)

    def call(*args: Any, **keywords: Any) -> Any:
        if keywords or len(args) != count or not complete:
            args, keywords = bind(op, args, keywords)
        else:
            keywords = defaults
        state = current()
        arrays = []
        edges = []
        is_tensor = False
        for a in args:
            if isinstance(a, Tensor):
                is_tensor = True
                arrays.append(a._data)
                edges.append(a._edge)
            else:
                arrays.append(a)
                edges.append(None)
        if not is_tensor:
            return implementations[class_of(arrays)](*arrays, **keywords)
        if state.modes:
            return intercepted(state, call, args, keywords)
        try:
            if op.dtype is not KEEP or len(arrays) > 1:
                arrays = align(op, arrays)
            cls = class_of(arrays)
            data = implementations[cls](*arrays, **keywords)
        except Exception as error:
            raise op.explain(error, args) from error
        if op.mutates:
            names = op.inputs * len(args) if op.variadic else op.inputs
            for name, a in zip(names, args):
                if name in op.mutates and isinstance(a, Tensor):
                    a._shared_writes().bump()
            return None
        several = len(op.outputs) > 1
        if several:
            data = tuple(as_array(d, cls) for d in data)
        elif data.__class__ is not cls:
            data = by_type[cls].asarray(data)
        if state.grad and op.has_rules:
            if not op.variadic:
                edges = [None if r is NONE else e for r, e in zip(op.rules, edges)]
            if any(e is not None for e in edges):
                for i, edge in enumerate(edges):
                    if edge is LEAF:
                        edges[i] = args[i]._leaf_edge()
                kept = args
                if op.saves_values and op.dtype is not KEEP:
                    kept = [_as_used(a, d, None)[0] for a, d in zip(args, arrays)]
                saved = _saved(op, data if several else (data,), kept, keywords, edges)
                if several:
                    return _record_several(op, data, tuple(edges), saved, state)
                out = record(op, data, tuple(edges), saved, state)
                if op.view:
                    track(out, args[0], call, keywords)
                return out
        if several:
            return tuple(wrap(d) for d in data)
        out = wrap(data)
        if op.view and isinstance(args[0], Tensor):
            track(out, args[0], call, keywords)
        return out

    return call


def replayed(op: Op, result: Any) -> Callable[..., Any]:
    """A call of ``op`` whose result is given: nothing is computed, but the node is recorded.

    ``result``: the Tensor (or, for several outputs, the tuple of them) that ``op.call`` would
    return for the arguments that are passed. Modes see the call as they see any other. For
    mechanisms that keep results, such as a checkpoint's policy.

    >>> import anadrome as ad
    >>> from anadrome.calls import replayed
    >>> x = ad.tensor(2.0, requires_grad=True)
    >>> replayed(ad.exp.op, ad.tensor(7.0))(x)
    tensor(7., grad_fn=<ExpBackward0>)
    """
    data = tuple(r._data for r in result) if isinstance(result, tuple) else result._data
    stand_in = copy.copy(op)
    stand_in.implementations = _Given(data)
    call = _general(stand_in)
    call.op = op
    return call


class _Given(dict):
    """In place of an op's implementations: whatever the arrays, the result is known."""

    def __init__(self, data: Any) -> None:
        super().__init__()
        self.data = data

    def __missing__(self, cls: type) -> Callable[..., Any]:
        return lambda *arrays, **keywords: self.data


def _as_used(given: Any, array: Any, edge: Any) -> tuple[Any, Any]:
    """An input as its rule will see it: in the common type. Its history is the original's."""
    if not isinstance(given, Tensor) or given._data is array:
        return given, edge
    out = wrap(array)
    out._edge = given._gradient_edge()
    return out, out._edge


def _saved(op: Op, outputs: Any, args: Any, keywords: Any, edges: Any) -> tuple[Any, ...]:
    """For each input that needs a gradient, its rule's arguments."""
    shapes: tuple[Any, ...]
    if op.variadic:
        inputs: tuple[Any, ...] = (args,)
        shapes = (tuple(_shape(a) for a in args),) if op.wants_shapes else (None,)
    else:
        inputs = args
        shapes = tuple(_shape(a) for a in args) if op.wants_shapes else (None,) * len(args)
    environment = (*outputs, *inputs, *shapes, *(keywords[k] for k in op.keywords))
    if op.one_row:
        return op.picks[0](environment)
    return tuple(
        pick(environment) if edge is not None else () for pick, edge in zip(op.picks, edges)
    )


def _shape(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value._data.shape
    return getattr(value, "shape", ())


def _record_several(op: Op, data: Any, edges: Any, saved: Any, state: State) -> tuple[Any, ...]:
    """One node for an op of several outputs; only the first ones are differentiable."""
    first = record(op, data[0], edges, saved, state)
    node = first._edge[0]  # type: ignore[index]
    node.shape = [d.shape for d in data]
    node.dtype = [d.dtype for d in data]
    outs = [first]
    for nr, d in enumerate(data[1:], 1):
        out = wrap(d)
        if nr < op.differentiable:
            out._edge = (node, nr)
        outs.append(out)
    return tuple(outs)


def _pack(node: Any, state: State) -> None:
    """Hand what a node saves to the innermost ``saved_tensors_hooks``."""
    hooks = state.saved_hooks[-1]
    op = node.op
    rows = []
    for names, values in zip(op.saved_names, (node.saved,) if op.one_row else node.saved):
        row = []
        for name, value in zip(names, values):
            if isinstance(value, Tensor):
                packed = Packed(hooks.pack(_alias(value)), hooks.unpack, value._gradient_edge())
                value = packed
            elif name in op.outputs:  # its edge is the node itself: a cycle, if kept here
                value = Packed(hooks.pack(wrap(value)), hooks.unpack, None)
            elif value.__class__ is tuple and value and isinstance(value[0], Tensor):
                value = tuple(
                    Packed(hooks.pack(_alias(v)), hooks.unpack, v._gradient_edge()) for v in value
                )
            row.append(value)
        rows.append(tuple(row))
    node.saved = PackedRows(tuple(rows))


def _alias(value: Tensor) -> Tensor:
    out = wrap(value._data)
    out._writes = value._writes
    return out
