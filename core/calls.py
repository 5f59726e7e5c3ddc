"""calls: from a declaration to the function that is called a million times.

Three call paths, chosen once when an op is declared: one input, two inputs, and everything else.
They differ only in speed. Each does, in this order: let an active mode take over; take the arrays;
bring them to a common type; run the forward; and, if a gradient can be asked for, record a node.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from . import dtypes
from .backend import by_type
from .dtypes import from_native
from .errors import DeviceError
from .graph import Packed, tick
from .modes import State, current, intercepted
from .op import FLOAT, KEEP, NONE, Op
from .sites import internal
from .tensor import LEAF, Tensor, wrap
from .views import track

_new = object.__new__
_getframe = sys._getframe
_NUMBERS = (float, int, bool, complex)
_FLOATING = dtypes.float32.category


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
    node.sequence = tick()
    node.shape = data.shape
    node.dtype = data.dtype
    # The user's line; sites.caller() written out, since every recorded op pays for it.
    frame: Any = _getframe(2)
    while internal[(code := frame.f_code).co_filename]:
        back = frame.f_back
        if back is None:
            break
        frame = back
    node.code = code
    node.instruction = frame.f_lasti
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

    def call(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return implementations[x.__class__](x)
        state = current()
        if state.modes:
            return intercepted(state, call, (x,), {})
        array = x._data
        cls = array.__class__
        if floats and from_native[array.dtype].category < _FLOATING:
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
        return record(op, data, (edge,), (pick((data, x)),), state)

    return call


def _binary(op: Op) -> Callable[..., Any]:
    implementations = op.implementations
    floats = op.dtype is FLOAT
    aligned = op.dtype is not KEEP
    recordable = op.has_rules
    pick_a, pick_b = op.picks
    rule_a, rule_b = (rule is not NONE for rule in op.rules)

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
            return implementations[b.__class__ if a.__class__ in _NUMBERS else a.__class__](a, b)
        state = current()
        if state.modes:
            return intercepted(state, call, (a, b), {})
        try:
            if x.__class__ is not y.__class__ or x.dtype is not y.dtype:
                if aligned:
                    x, y = align(op, (x, y))
            if floats and from_native[x.dtype].category < _FLOATING:
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
        environment = (
            data,
            a if isinstance(a, Tensor) else x,
            b if isinstance(b, Tensor) else y,
        )
        edges = (edge_a if rule_a else None, edge_b if rule_b else None)
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
    together = op.joint is not None or op.variadic

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
            return implementations[_class_of(arrays)](*arrays, **keywords)
        if state.modes:
            return intercepted(state, call, args, keywords)
        try:
            if op.dtype is not KEEP or len(arrays) > 1:
                arrays = align(op, arrays)
            cls = _class_of(arrays)
            data = implementations[cls](*arrays, **keywords)
        except Exception as error:
            raise op.explain(error, args) from error
        if op.mutates:
            for name, a in zip(op.inputs, args):
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
                saved = _saved(op, data if several else (data,), args, keywords, edges, together)
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


def _saved(
    op: Op, outputs: Any, args: Any, keywords: Any, edges: Any, together: bool
) -> tuple[Any, ...]:
    """For each input that needs a gradient, its rule's arguments."""
    shapes: tuple[Any, ...]
    if op.variadic:
        inputs: tuple[Any, ...] = (args,)
        shapes = (tuple(_shape(a) for a in args),) if op.wants_shapes else (None,)
    else:
        inputs = args
        shapes = tuple(_shape(a) for a in args) if op.wants_shapes else (None,) * len(args)
    environment = (*outputs, *inputs, *shapes, *(keywords[k] for k in op.keywords))
    if together:
        return (op.picks[0](environment),)
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
    for names, values in zip(op.saved_names, node.saved):
        row = []
        for name, value in zip(names, values):
            if isinstance(value, Tensor):
                packed = Packed(hooks.pack(_alias(value)), hooks.unpack, value._gradient_edge())
                value = packed
            elif name in op.outputs:
                edge = (node, op.outputs.index(name))
                value = Packed(hooks.pack(wrap(value)), hooks.unpack, edge)
            elif value.__class__ is tuple and value and isinstance(value[0], Tensor):
                value = tuple(
                    Packed(hooks.pack(_alias(v)), hooks.unpack, v._gradient_edge()) for v in value
                )
            row.append(value)
        rows.append(tuple(row))
    node.saved = tuple(rows)
    node.packed = True


def _alias(value: Tensor) -> Tensor:
    out = wrap(value._data)
    out._writes = value._writes
    return out


def bind(op: Op, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """Sort a call's arguments into arrays and metadata, as Python would for the forward."""
    if op.variadic:
        arrays = list(args)
        extra: tuple[Any, ...] = ()
    else:
        arrays = list(args[: len(op.inputs)])
        extra = args[len(op.inputs) :]
    metadata = dict(op.defaults)
    if extra:
        if op.spread is not None:
            if len(extra) == 1 and not isinstance(extra[0], int) and hasattr(extra[0], "__iter__"):
                extra = tuple(extra[0])
            metadata[op.spread] = extra
        elif len(extra) > len(op.keywords):
            raise TypeError(
                f"{op.name}() takes {len(op.inputs) + len(op.keywords)} arguments, "
                f"{len(args)} were given: {_signature(op)}"
            )
        else:
            metadata.update(zip(op.keywords, extra))
    for name, value in keywords.items():
        if name in op.keywords:
            metadata[name] = value
        elif name in op.inputs and op.inputs.index(name) >= len(arrays):
            position = op.inputs.index(name)
            arrays.extend([None] * (position + 1 - len(arrays)))
            arrays[position] = value
        else:
            raise TypeError(
                f"{op.name}() got an unexpected argument {name!r}; its form is {_signature(op)}"
            )
    missing = [n for n in op.keywords if n not in metadata]
    if len(arrays) < op.required or missing:
        needed = [*op.inputs[len(arrays) : op.required], *missing]
        raise TypeError(
            f"{op.name}() is missing {', '.join(map(repr, needed))}: {_signature(op)}"
        )
    if not op.variadic and len(arrays) < len(op.inputs):
        optional = op.forward.__defaults__ or ()
        arrays.extend(optional[len(arrays) - len(op.inputs) :])
    return tuple(arrays), metadata


def _signature(op: Op) -> str:
    parts = [("*" if op.variadic else "") + i for i in op.inputs]
    parts += [f"{k}={op.defaults[k]!r}" if k in op.defaults else k for k in op.keywords]
    return f"{op.name}({', '.join(parts)})"


# -- bringing the inputs together ---------------------------------------------------------------
def align(op: Op, values: Any) -> list[Any]:
    """One device and, unless the op says KEEP, PyTorch's common type."""
    cls = _class_of(values)
    values = [_moved(op, v, cls, values) for v in values]
    if op.dtype is KEEP:
        return values
    kinds = []
    for v in values:
        if v.__class__ is cls:
            kinds.append((from_native[v.dtype], 2 if v.ndim else 1))
        elif v is not None:
            kinds.append((dtypes.of_python(v), 0))
    target = dtypes.result_type(kinds)
    if op.dtype is FLOAT and target.category < _FLOATING:
        target = dtypes.get_default_dtype()
    backend = by_type[cls]
    native = backend.dtype(target)
    out: list[Any] = []
    for v in values:
        if v.__class__ is cls:
            out.append(v if v.dtype == native else backend.xp.astype(v, native))
        elif v is None:
            out.append(v)
        else:
            out.append(backend.number(v, native))
    return out


def _class_of(values: Any) -> type:
    """The class of the arrays among ``values``; one with dimensions decides."""
    found: type | None = None
    for v in values:
        if v is None or v.__class__ in _NUMBERS:
            continue
        if found is None or v.ndim:
            found = v.__class__
            if v.ndim:
                break
    if found is None:
        raise TypeError(f"expected a Tensor or an array among {values!r}")
    return found if found in by_type else by_type[found].array_type


def _moved(op: Op, value: Any, cls: type, values: Any) -> Any:
    """A zero-dimensional host value follows the others to their device; nothing else moves."""
    if value is None or value.__class__ is cls or value.__class__ in _NUMBERS:
        return value
    backend = by_type[cls]
    if value.__class__ in backend.scalar_types:
        return backend.asarray(value)
    other = by_type.get(value.__class__)
    if other is not None and value.ndim == 0:
        return backend.asarray(other.to_host(value))
    if other is None:
        return by_type[value.__class__]  # raises, naming the class
    devices = " and ".join(
        sorted({str(by_type[v.__class__].device_of(v)) for v in values if hasattr(v, "ndim")})
    )
    raise DeviceError(
        f"{op.name}: expected all tensors to be on the same device, but found {devices}; move one "
        "with `.to(device)`"
    )


def cast(array: Any, to: dtypes.dtype) -> Any:
    """An array in another of our dtypes."""
    backend = by_type[array.__class__]
    return backend.xp.astype(array, backend.dtype(to))


def as_array(value: Any, cls: type) -> Any:
    """A backend's scalar as its array."""
    return value if value.__class__ is cls else by_type[cls].asarray(value)
