"""calls: from a declaration to the function that is called a million times.

Four call paths, chosen once when an op is declared: one array, two arrays, one array and metadata,
and everything else (``core/general.py``). They differ only in speed. Each does, in this order: let
an active mode take over; take the arrays; bring them to a common type; run the forward; and, if a
gradient can be asked for, record a node.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .align import NUMBERS, admitted, align, arraying, factors, operands
from .binding import bind
from .dtypes import from_native
from .general import general
from .looking import met
from .modes import as_given, current, intercepted
from .op import KEEP, NONE, Op
from .operators import declining
from .out import into
from .recording import as_used
from .recording import record as shared_record
from .refusals import answer_of_op, renamed
from .specialise import own
from .tensor import LEAF, Tensor
from .views import track

_new = object.__new__
_NOTHING_TWICE = ((), ())
_NO_NUMBERS: dict[Any, Any] = {}
#: What PyTorch lets one call with two numbers.
_OF_NUMBERS = {"add", "sub", "mul", "div", "floor_divide", "div_floor", "div_trunc"}


def _scalar(number: Any) -> Tensor:
    from .creation import tensor

    return tensor(number)


def build(op: Op) -> Callable[..., Any]:
    """The call path for a declaration."""
    single = not (op.variadic or op.mutates or op.joint or len(op.outputs) > 1)
    if not single or op.required != len(op.inputs):
        return general(op)
    if len(op.inputs) == 1 and (op.keywords or op.view or op.wants_shapes):
        return _unary_with_metadata(op)
    if len(op.inputs) == 1:
        return _unary(op)
    if len(op.inputs) == 2 and not (op.keywords or op.view or op.wants_shapes):
        return _binary(op)
    return general(op)


def _unary(op: Op) -> Callable[..., Any]:
    implementations = op.implementations
    record = own(shared_record)
    special = op.special if op.looks else None
    plain: Any = ()  # the element type that was last found to be none of those
    recordable = op.rules[0] is not NONE
    pick = op.picks[0]
    # What most rules save, without the detour over a picker.
    only_input = op.saved_names[0] == op.inputs
    only_output = op.saved_names[0] == op.outputs

    def call(input: Any, *, out: Any = None) -> Any:
        nonlocal plain
        x = input
        if out is not None:
            return into(out, as_given(call, (x,), {}), op.name, x)
        if not isinstance(x, Tensor):
            try:
                return implementations[x.__class__](x)
            except Exception as error:
                return answer_of_op(op, error, (x,))
        state = current()
        if state.modes:
            return intercepted(state, call, (x,), {})
        array = x._data
        cls = array.__class__
        if special and array.dtype is not plain:
            if special[from_native[array.dtype].kind]:
                array = admitted(op, array)
            else:
                plain = array.dtype
        try:
            data = implementations[cls](array)
        except Exception as error:
            return answer_of_op(op, error, (x,))
        if data.__class__ is not cls:
            data = arraying[data.__class__](data)
        edge = x._edge
        if edge is None or not recordable or not state.grad:
            out = _new(Tensor)
            out._data = data
            out._edge = None
            if state.inference:
                out._inference = True
            return out
        if edge is LEAF:
            edge = x._leaf_edge()
        if only_input:
            return record(op, data, (edge,), (x,), state)
        if only_output:
            return record(op, data, (edge,), (data,), state)
        return record(op, data, (edge,), pick((data, x)), state)

    return call


def as_operator(function: Any) -> Callable[..., Any]:
    """An op of two arrays as Python's operator: what is no operand is asked what it makes of it.

    So ``x == None`` is False and a list is extended by ``+=``, as in PyTorch. The operator is a
    call path of its own, since a function around it would cost each call a frame.
    """
    op: Op = function.op
    form = _binary(op, operator=True)
    form.__name__ = form.__qualname__ = op.name
    form.__module__, form.__doc__ = function.__module__, function.__doc__
    form.op = op  # type: ignore[attr-defined]
    return form


def _no_operand(value: Any) -> bool:
    return not (isinstance(value, (Tensor, int, float, complex)) or hasattr(value, "dtype"))


def _binary(op: Op, operator: bool = False) -> Callable[..., Any]:
    implementations = op.implementations
    record = own(shared_record)
    special = op.special if op.looks else None
    plain: Any = ()  # the element type that was last found to be none of those
    aligned = op.dtype is not KEEP
    recordable = op.has_rules
    pick_a, pick_b = op.picks
    rule_a, rule_b = (rule is not NONE for rule in op.rules)
    both = rule_a and rule_b
    # Where a number is refused there is none known, and `align` says so.
    numbers_a, numbers_b = (
        _NO_NUMBERS if name in op.only_tensors else factors if name in op.factors else operands
        for name in op.inputs
    )
    # Rules that save nothing, and pairs like a product's, each saving the other input.
    saves_nothing = op.saved_names == [(), ()]
    saves_other = op.saved_names == [(op.inputs[1],), (op.inputs[0],)]

    def call(input: Any, other: Any, *, out: Any = None) -> Any:
        nonlocal plain
        a = input
        b = other
        if out is not None:
            return into(out, as_given(call, (a, b), {}), op.name)
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
            try:
                return implementations[b.__class__ if a.__class__ in NUMBERS else a.__class__](a, b)
            except Exception as error:
                if op.name in _OF_NUMBERS and a.__class__ in NUMBERS and b.__class__ in NUMBERS:
                    return call(_scalar(a), _scalar(b))
                if getattr(b, "level", 0) > getattr(a, "level", 0):  # a map's array decides
                    return implementations[b.__class__](a, b)
                return answer_of_op(op, error, (a, b))
        state = current()
        if state.modes:
            if operator and (_no_operand(b) or _no_operand(a)):
                return declining(intercepted)(state, op.call, (a, b), {})
            return intercepted(state, op.call, (a, b), {})
        try:
            if x.__class__ is not y.__class__:
                if y.__class__ is float or y.__class__ is int:
                    known = numbers_b.get((y, y.__class__, x.dtype, x.__class__))
                    if known is None:
                        x, y = align(op, (x, y))
                    else:
                        y = known
                elif x.__class__ is float or x.__class__ is int:
                    known = numbers_a.get((x, x.__class__, y.dtype, y.__class__))
                    if known is None:
                        x, y = align(op, (x, y))
                    else:
                        x = known
                else:
                    x, y = align(op, (x, y))
                    a, edge_a = as_used(a, x, edge_a)
                    b, edge_b = as_used(b, y, edge_b)
            elif x.dtype is not y.dtype and aligned:
                x, y = align(op, (x, y))
                a, edge_a = as_used(a, x, edge_a)
                b, edge_b = as_used(b, y, edge_b)
            if special and getattr(x, "dtype", None) is not plain:
                # Of two operands one may be a number still, where the backend likes that best.
                array = y if x.__class__ in NUMBERS else x
                if special[from_native[array.dtype].kind]:
                    admitted(op, array)
                    x, y = align(op, (x, y))
                else:
                    plain = array.dtype
            cls = x.__class__
            data = implementations[cls](x, y)
        except Exception as error:
            if operator and (_no_operand(b) or _no_operand(a)):
                again = met(op, (a, b), {}, 1)
                return NotImplemented if again is None else again()
            return answer_of_op(op, error, (a, b))
        if data.__class__ is not cls:
            data = arraying[data.__class__](data)
        if (edge_a is None and edge_b is None) or not recordable or not state.grad:
            out = _new(Tensor)
            out._data = data
            out._edge = None
            if state.inference:
                out._inference = True
            return out
        if edge_a is LEAF:
            edge_a = a._leaf_edge()
        if edge_b is LEAF:
            edge_b = b._leaf_edge()
        edges = (
            (edge_a, edge_b) if both else (edge_a if rule_a else None, edge_b if rule_b else None)
        )
        if saves_nothing:
            return record(op, data, edges, _NOTHING_TWICE, state)
        # A number as its array, unless that is of a class of its own (a factor of halves).
        if not isinstance(a, Tensor):
            if x.__class__ is y.__class__:
                a = x
        elif not isinstance(b, Tensor) and x.__class__ is y.__class__:
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


def _unary_with_metadata(op: Op) -> Callable[..., Any]:
    implementations = op.implementations
    record = own(shared_record)
    special = op.special if op.looks else None
    plain: Any = ()  # the element type that was last found to be none of those
    recordable = op.rules[0] is not NONE
    pick = op.picks[0]
    names = op.keywords
    wanted = len(names)
    view = op.view

    def call(*args: Any, out: Any = None, **keywords: Any) -> Any:
        nonlocal plain
        if out is not None:
            return into(out, as_given(call, args, keywords), op.name)
        if len(args) != 1 or len(keywords) != wanted:
            args, keywords = bind(op, args, keywords)
        (x,) = args
        if not isinstance(x, Tensor):
            try:
                return implementations[x.__class__](x, **keywords)
            except Exception as error:
                return answer_of_op(op, error, args, keywords)
        state = current()
        if state.modes:
            return intercepted(state, call, args, keywords)
        array = x._data
        cls = array.__class__
        if special and array.dtype is not plain:
            if special[from_native[array.dtype].kind]:
                array = admitted(op, array)
            else:
                plain = array.dtype
        try:
            data = implementations[cls](array, **keywords)
        except Exception as error:
            spelled = renamed(keywords, names)
            if spelled is not None:
                return call(*args, **spelled)
            return answer_of_op(op, error, args, keywords)
        if data.__class__ is not cls:
            data = arraying[data.__class__](data)
        edge = x._edge
        if edge is None or not recordable or not state.grad:
            out = _new(Tensor)
            out._data = data
            out._edge = None
            if state.inference:
                out._inference = True
        else:
            if edge is LEAF:
                edge = x._leaf_edge()
            saved = pick((data, x, array.shape, *[keywords[name] for name in names]))
            out = record(op, data, (edge,), saved, state)
        if view:
            track(out, x, call, keywords)
        return out

    return call
