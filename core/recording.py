"""recording: the node for a call that has just been made, and the Tensors that hang on it."""

from __future__ import annotations

import sys
from typing import Any

from . import modes
from .errors import GraphError
from .graph import Packed, PackedRows, tick
from .modes import EAGER, State
from .op import Op
from .sites import caller, known
from .tensor import LEAF, Tensor, wrap

_new = object.__new__
_getframe = sys._getframe


def record(op: Op, data: Any, edges: Any, saved: Any, state: State) -> Tensor:
    """A node for a call that has just been made, and the Tensor that hangs on it."""
    if modes.inference_met:
        _refuse_inference(saved)
    node: Any = _new(op.node_type or op.first_node_type())
    node.edges = edges
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
        _pack(node, data, state)
    out = _new(Tensor)
    out._data = data
    out._edge = (node, 0)
    return out


def _refuse_inference(saved: Any) -> None:
    """Raise if a value made in inference mode would be saved: nobody counts the writes to those."""
    if saved.__class__ is tuple:
        for value in saved:
            _refuse_inference(value)
    elif isinstance(saved, Tensor) and saved._inference:
        raise GraphError(
            "Inference tensors cannot be saved for backward. To work around you can make a clone "
            "to get a normal tensor and use it in autograd, or use `no_grad()` in place of "
            "`inference_mode()`."
        )


def record_several(op: Op, data: Any, edges: Any, saved: Any, state: State) -> tuple[Any, ...]:
    """One node for an op of several outputs; only the first ones are differentiable."""
    first = record(op, data[0], edges, saved, EAGER)  # hooks are asked when it is complete
    assert first._edge is not None
    node: Any = first._edge[0]
    node.shape = [d.shape for d in data]
    node.dtype = [d.dtype for d in data]
    if state.saved_hooks:
        _pack(node, data, state)
    outs = [first]
    for nr, d in enumerate(data[1:], 1):
        out = wrap(d)
        if nr < op.differentiable:
            out._edge = (node, nr)
        outs.append(out)
    return tuple(outs)


def _pack(node: Any, data: Any, state: State) -> None:
    """Hand what a node saves to the innermost ``saved_tensors_hooks``."""
    hooks = state.saved_hooks[-1]
    if hooks.take(node, data):
        return
    op = node.op
    rows = []
    for names, values in zip(op.saved_names, (node.saved,) if op.one_row else node.saved):
        row = []
        for name, value in zip(names, values):
            if isinstance(value, Tensor):
                value = Packed(hooks, packable(value), value._gradient_edge())
            elif name in op.outputs:  # its edge is the node itself: a cycle, if kept here
                value = Packed(hooks, wrap(value))
            elif value.__class__ is tuple and value and isinstance(value[0], Tensor):
                value = tuple(Packed(hooks, packable(v), v._gradient_edge()) for v in value)
            row.append(value)
        rows.append(tuple(row))
    node.saved = PackedRows(tuple(rows))


def packable(value: Tensor) -> Tensor:
    """What a pack hook is given: the memory and the count of writes, without the history."""
    out = wrap(value._data)
    out._writes = value._shared_writes()  # so that a hook can tell whether it was written since
    if value._edge is LEAF:
        out._of_leaf = True
    return out


def followed(given: Any, array: Any, edge: Any) -> tuple[Any, Any]:
    """A zero-dimensional Tensor that followed the others to their device.

    The transfer is recorded, so that its gradient finds the way back.
    """
    if not isinstance(given, Tensor) or given._data.__class__ is array.__class__:
        return given, edge
    if getattr(array.__class__, "level", 0):  # it stands beside a batch
        from .func.mapping import lifted

        given = lifted(given, array.__class__)
        return given, given._edge
    from .backend import by_type
    from .ops.convert import to_device

    device = by_type[array.__class__].device_of(array)
    given = to_device(given, device=device, source=given.device)
    return given, given._edge


def as_used(given: Any, array: Any, edge: Any) -> tuple[Any, Any]:
    """An input as its rule will see it: in the common type. Its history is the original's."""
    if not isinstance(given, Tensor) or given._data is array:
        return given, edge
    given, edge = followed(given, array, edge)
    out = wrap(array)
    out._edge = given._gradient_edge()
    return out, out._edge
