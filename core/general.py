"""general: the call path for ops of several arrays, several outputs, or that write their inputs."""

from __future__ import annotations

import contextvars
import copy
from collections.abc import Callable
from typing import Any

from .align import admitted, align, as_array, class_of
from .backend import by_type
from .binding import bind
from .dtypes import from_native
from .inplace import announce
from .modes import as_given, current, intercepted
from .op import FLOAT, KEEP, NONE, Op
from .out import into
from .recording import as_used, followed, record, record_several
from .refusals import answer_of_op
from .sites import caller
from .tensor import LEAF, Tensor, wrap
from .views import track


def general(op: Op) -> Callable[..., Any]:
    """The call path that handles whatever a declaration can say."""
    implementations = op.implementations
    count = len(op.inputs)
    wanted = len(op.keywords)
    floats = op.dtype is FLOAT
    keeps = op.dtype is KEEP
    refuses = op.special if op.looks and op.refuses else None
    several = len(op.outputs) > 1
    mutates = bool(op.mutates)
    without_rule = tuple(i for i, rule in enumerate(op.rules) if rule is NONE)
    if op.variadic:
        count, without_rule = -1, ()

    def call(*args: Any, out: Any = None, **keywords: Any) -> Any:
        if out is not None:
            return into(out, as_given(call, args, keywords), op.name)
        if len(args) != count or len(keywords) != wanted:
            args, keywords = bind(op, args, keywords)
        cls: Any = None
        native = None
        is_tensor = mixed = differentiable = False
        arrays = []
        edges = []
        for a in args:
            edge = None
            if isinstance(a, Tensor):
                is_tensor = True
                edge = a._edge
                a = a._data
                if edge is not None:
                    differentiable = True
            arrays.append(a)
            edges.append(edge)
            if a is None:
                continue
            if cls is None:
                cls = a.__class__
                native = getattr(a, "dtype", None)
            elif a.__class__ is not cls or (
                native is not None and a.dtype is not native and not keeps
            ):
                mixed = True
        if not is_tensor:
            try:
                return implementations[class_of(arrays)](*arrays, **keywords)
            except Exception as error:
                return answer_of_op(op, error, args, keywords)
        state = current()
        if state.modes:
            return intercepted(state, call, args, keywords)
        if mutates and state.saved_hooks:
            _announce_writes(op, args)
        try:
            if mixed or floats or cls not in by_type:
                arrays = align(op, arrays)
                cls = class_of(arrays)
                if mixed:
                    pairs = [followed(a, d, e) for a, d, e in zip(args, arrays, edges)]
                    args = tuple([a for a, _ in pairs])
                    edges = [e for _, e in pairs]
            if refuses and refuses[from_native[arrays[0].dtype].kind]:
                admitted(op, arrays[0])
            data = implementations[cls](*arrays, **keywords)
        except Exception as error:
            return answer_of_op(op, error, args, keywords)
        if mutates:
            _note_writes(op, args)
            return None
        if several:
            data = tuple([as_array(d) for d in data])
        elif data.__class__ is not cls:
            data = as_array(data)
        if differentiable and state.grad and op.has_rules:
            for i in without_rule:
                edges[i] = None
            for i, edge in enumerate(edges):
                if edge is LEAF:
                    edges[i] = args[i]._leaf_edge()
            if not without_rule or any(edge is not None for edge in edges):
                kept = args
                if mixed and not keeps and op.saves_values:
                    kept = tuple([as_used(a, d, None)[0] for a, d in zip(args, arrays)])
                saved = _saved(op, data if several else (data,), kept, keywords, edges)
                if several:
                    return record_several(op, data, tuple(edges), saved, state)
                out = record(op, data, tuple(edges), saved, state)
                if op.view:
                    track(out, args[0], call, keywords)
                return out
        if several:
            return tuple([wrap(d) for d in data])
        out = wrap(data)
        if op.view and isinstance(args[0], Tensor):
            track(out, args[0], call, keywords)
        return out

    return call


def _written(op: Op, args: tuple[Any, ...]) -> list[Tensor]:
    """The arguments that an op changes in place."""
    names = op.inputs * len(args) if op.variadic else op.inputs
    return [a for name, a in zip(names, args) if name in op.mutates and isinstance(a, Tensor)]


def _announce_writes(op: Op, args: tuple[Any, ...]) -> None:
    for a in _written(op, args):
        announce(a)


def _note_writes(op: Op, args: tuple[Any, ...]) -> None:
    """Count the writes of an op that changes its inputs in place."""
    site = caller(2)
    for a in _written(op, args):
        a._shared_writes().bump(site)


def _saved(op: Op, outputs: Any, args: Any, keywords: Any, edges: Any) -> tuple[Any, ...]:
    """For each input that needs a gradient, its rule's arguments."""
    shapes: tuple[Any, ...]
    if op.variadic:
        inputs: tuple[Any, ...] = (args,)
        shapes = (tuple([_shape(a) for a in args]),) if op.wants_shapes else (None,)
    else:
        inputs = args
        shapes = tuple([_shape(a) for a in args]) if op.wants_shapes else (None,) * len(args)
    environment = (*outputs, *inputs, *shapes, *[keywords[k] for k in op.keywords])
    if op.one_row:
        return op.picks[0](environment)
    return tuple(
        [pick(environment) if edge is not None else () for pick, edge in zip(op.picks, edges)]
    )


def _shape(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value._data.shape
    return getattr(value, "shape", ())


def replayed(op: Op, result: Any) -> Callable[..., Any]:
    """A call of ``op`` whose result is given: nothing is computed, but the node is recorded.

    ``result``: the Tensor (or, for several outputs, the tuple of them) that ``op.call`` would
    return for the arguments that are passed. Modes see the call as they see any other. For
    mechanisms that keep results, such as a checkpoint's policy.

    >>> import anadrome as ad
    >>> from anadrome.general import replayed
    >>> x = ad.tensor(2.0, requires_grad=True)
    >>> replayed(ad.exp.op, ad.tensor(7.0))(x)
    tensor(7., grad_fn=<ExpBackward0>)
    """
    data = tuple(r._data for r in result) if isinstance(result, tuple) else result._data
    return _with_result(op, lambda cls: data)


def uncomputed(op: Op, shape: Any, dtype: Any) -> Callable[..., Any]:
    """As ``replayed``, with a result of which only shape and (native) dtype are known.

    Its values are nothing in particular; of several outputs both are lists.
    """

    def result(cls: type) -> Any:
        empty = by_type[cls].xp.empty
        if isinstance(shape, list):
            return tuple([empty(s, dtype=d) for s, d in zip(shape, dtype)])
        return empty(shape, dtype=dtype)

    return _with_result(op, result)


def _with_result(op: Op, result: Callable[[type], Any]) -> Callable[..., Any]:
    call = _stand_ins.get(op)
    if call is None:
        if op.node_type is None:
            op.first_node_type()  # so that both have the same
        stand_in = copy.copy(op)
        stand_in.implementations = _Given()
        call = _stand_ins[op] = general(stand_in)
        call.op = op  # type: ignore[attr-defined]

    def with_result(*args: Any, **keywords: Any) -> Any:
        token = _result.set(result)
        try:
            return call(*args, **keywords)
        finally:
            _result.reset(token)

    return with_result


#: Each op's call path without its implementations, made when first needed.
_stand_ins: dict[Op, Callable[..., Any]] = {}
_result: contextvars.ContextVar[Any] = contextvars.ContextVar("replayed_result")


class _Given(dict):
    """In place of an op's implementations: whatever the arrays, the result is known."""

    def __missing__(self, cls: type) -> Callable[..., Any]:
        return lambda *arrays, **keywords: _result.get()(cls)
