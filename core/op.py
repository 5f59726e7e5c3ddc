"""op: declare a primitive once, and call it.

``op(name, forward, input=rule, ...)`` returns the public function. A rule's parameters, after the
gradient ``g``, are its save-list: an input's name, ``out`` (or an output's name), ``<input>_shape``,
or a keyword of the forward. Nothing else is kept alive for it.

The same rule is read three ways: over arrays (the fast backward), over Tensors
(``create_graph=True``), over traced arrays (``anadrome.capture``). That works because a rule uses
only operators and public ops, and those accept all three.

How a declaration becomes a fast call path is in ``core/calls.py``.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any

from .errors import (
    AnadromeError,
    DeclarationError,
    DtypeError,
    NoDerivativeError,
    ShapeError,
)
from .graph import Freed, Node, Packed, stale
from .tensor import Tensor, wrap


class Word:
    """A word of the op language; printed as itself."""

    __slots__ = ("word",)

    def __init__(self, word: str) -> None:
        self.word = word

    def __repr__(self) -> str:
        return self.word


# dtype policies: what happens to the inputs before the forward sees them.
SAME = Word("SAME")  # inputs are brought to their common type
FLOAT = Word("FLOAT")  # as SAME, and integers become the default floating type
KEEP = Word("KEEP")  # inputs are left as they are (indices, masks)

# Autocast classes; only the AMP plugin reads them.
HALF = Word("HALF")  # runs in the autocast dtype
FULL = Word("FULL")  # runs in float32
WIDEST = Word("WIDEST")  # runs in the widest type among its inputs

# In place of a rule.
NONE = Word("NONE")  # no derivative exists: an index, a mask, a comparison
ZERO = Word("ZERO")  # the derivative is zero
MISSING = Word("MISSING")  # there is one, but no rule yet: asking for it raises

#: The table: every declared op by name.
table: dict[str, Op] = {}

_declaring: contextvars.ContextVar[str] = contextvars.ContextVar("declaring", default="anadrome")


@contextlib.contextmanager
def declared_by(plugin: str) -> Iterator[None]:
    """Ops declared inside know whom to name in their errors."""
    token = _declaring.set(plugin)
    try:
        yield
    finally:
        _declaring.reset(token)


class Op:
    """A declaration: what ``op()`` made of its arguments. ``call`` is the public function."""

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        rules: dict[str, Any],
        *,
        dtype: Word,
        amp: Word | None,
        joint: Callable[..., Any] | None,
        outputs: tuple[str, ...],
        differentiable: int | None,
        view: bool,
        mutates: tuple[str, ...],
        spread: str | None,
        samples: Any,
        node: str | None,
        doc: str | None,
    ) -> None:
        self.name = name
        self.forward = forward
        self.dtype = dtype
        self.amp = amp
        self.view = view
        self.mutates = mutates
        self.spread = spread
        self.samples = samples
        self.plugin = _declaring.get()
        self.outputs = outputs
        self.differentiable = differentiable if differentiable is not None else len(outputs)
        self.doc = doc
        self._read_forward()
        self.joint = joint
        self.rules = self._checked_rules(rules)
        camel = "".join(part.capitalize() for part in name.split("_"))
        self.node_name = node or f"{camel}Backward0"
        self.has_rules = joint is not None or any(r is not NONE for r in self.rules)
        self._compile_rules()
        self.implementations: dict[type, Callable[..., Any]] = _Implementations(self)
        self.node_type = type(
            self.node_name, (OpNode,), {"__slots__": (), "op": self, "multi": len(outputs) > 1}
        )
        self.call: Callable[..., Any]

    def __repr__(self) -> str:
        return f"<op {self.name}({', '.join(self.inputs)})>"

    def _read_forward(self) -> None:
        code = self.forward.__code__
        names = code.co_varnames
        positional = names[: code.co_argcount]
        self.variadic = bool(code.co_flags & 0x04)
        self.inputs: tuple[str, ...] = positional[1:]
        defaults = self.forward.__defaults__ or ()
        self.required = len(self.inputs) - len(defaults)
        self.keywords = names[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
        self.defaults: dict[str, Any] = self.forward.__kwdefaults__ or {}
        if self.variadic:
            self.inputs = (names[code.co_argcount + code.co_kwonlyargcount],)
            self.required = 0

    def _checked_rules(self, rules: dict[str, Any]) -> tuple[Any, ...]:
        if self.joint is not None:
            if rules:
                raise DeclarationError(f"op {self.name!r}: give rules or a joint rule, not both")
            return tuple(self.joint for _ in self.inputs)
        for name in rules:
            if name not in self.inputs:
                raise DeclarationError(
                    f"op {self.name!r} has a rule for {name!r}, but its inputs are "
                    f"{', '.join(self.inputs)}"
                )
        for name in self.inputs:
            if name not in rules:
                raise DeclarationError(
                    f"op {self.name!r}: input {name!r} needs a rule, or one of the words NONE "
                    "(no derivative), ZERO (it is zero), MISSING (not written yet)"
                )
        return tuple(rules[name] for name in self.inputs)

    def _compile_rules(self) -> None:
        """Work out, for each input, what its rule saves and how it is played."""
        # What can be saved, in the order in which a call lays it out.
        self.environment = (
            *self.outputs,
            *self.inputs,
            *(f"{i}_shape" for i in self.inputs),
            *self.keywords,
        )
        self.wants_shapes = False
        self.picks: list[Any] = []
        self.plays: list[Any] = []
        self.saves_values = False
        self.saved_names: list[tuple[str, ...]] = []
        for i, rule in enumerate(self.rules):
            if isinstance(rule, Word):
                self.picks.append(_nothing)
                self.plays.append(_words[rule](self, i) if rule is not NONE else None)
                self.saved_names.append(())
                continue
            code = rule.__code__
            count = code.co_argcount + code.co_kwonlyargcount
            names = code.co_varnames[1:count]
            if self.joint is not None and names and names[-1] == "needs":
                names = names[:-1]
                self.wants_needs = True
            else:
                self.wants_needs = False
            for name in names:
                if name not in self.environment:
                    raise DeclarationError(
                        f"op {self.name!r}: the rule of {self.inputs[i]!r} asks for {name!r}, "
                        f"which is none of {', '.join(self.environment)}"
                    )
            values = [n for n in names if n in self.inputs or n in self.outputs]
            self.saves_values |= bool(values)
            self.wants_shapes |= any(n.endswith("_shape") and n in self.environment for n in names)
            self.picks.append(_picker([self.environment.index(n) for n in names]))
            self.plays.append(_player(rule, names, self))
            self.saved_names.append(tuple(names))

    def explain(self, error: Exception, arrays: Any) -> Exception:
        """An array library's complaint, with the op and its arguments named."""
        if isinstance(error, (AnadromeError, MemoryError)):
            return error
        told = ", ".join(
            f"{name}: {describe_argument(a)}" for name, a in zip(self._argument_names(), arrays)
        )
        text = f"{self.name}({told}): {error}"
        if isinstance(error, IndexError):
            return IndexError(text)
        if isinstance(error, TypeError):
            return DtypeError(text)
        if isinstance(error, ValueError):
            return ShapeError(text)
        return error

    def _argument_names(self) -> Any:
        if self.variadic:
            return (f"{self.inputs[0]}[{i}]" for i in range(1000))
        return self.inputs


def describe_argument(a: Any) -> str:
    """``float32 (3, 4) on cpu``: an argument as error messages show it."""
    if isinstance(a, Tensor):
        return f"{a.dtype.name} {tuple(a.shape)} on {a.device}"
    if hasattr(a, "shape") and hasattr(a, "dtype"):
        return f"{a.dtype} {tuple(a.shape)}"
    return repr(a)


class _Implementations(dict):
    """The class of an array to what runs the op on it; learnt once a class."""

    def __init__(self, op: Op) -> None:
        super().__init__()
        self.op = op

    def __missing__(self, cls: type) -> Callable[..., Any]:
        from .backend import by_type

        found = by_type[cls].implementation(self.op)
        self[cls] = found
        return found


def _nothing(environment: Any) -> tuple[()]:
    return ()


def _picker(indices: list[int]) -> Callable[[Any], tuple[Any, ...]]:
    """A C function from the call's environment to a rule's arguments."""
    if not indices:
        return _nothing
    if len(indices) == 1:
        return itemgetter(slice(indices[0], indices[0] + 1))
    return itemgetter(*indices)


# -- playing a rule over arrays ---------------------------------------------------------------
def array_of(value: Any, node: Node) -> Any:
    """A saved value as an array, after the check that nobody wrote to it since."""
    if isinstance(value, Tensor):
        writes = value._writes
        if writes is not None and writes.stamp > node.sequence:
            raise stale(node, writes, value)
        return value._data
    if value.__class__ is tuple and value and isinstance(value[0], Tensor):
        return tuple(array_of(v, node) for v in value)
    return value


def _player(rule: Any, names: tuple[str, ...], op: Op) -> Any:
    """``play(g, saved, node)``: the rule over arrays, specialised to what it saves."""
    from_inputs = [n in op.inputs for n in names]
    from_outputs = [n in op.outputs for n in names]
    if not names:
        return lambda g, saved, node: rule(g)
    if not any(from_inputs) and not any(from_outputs):
        return lambda g, saved, node: rule(g, *saved)
    if names == (op.outputs[0],):

        def play_out(g: Any, saved: Any, node: Node) -> Any:
            writes = node.writes
            if writes is not None and writes.stamp > node.sequence:
                raise stale(node, writes, saved[0])
            return rule(g, array_of(saved[0], node))

        return play_out

    any_output = any(from_outputs)

    def play(g: Any, saved: Any, node: Node) -> Any:
        if any_output:
            writes = node.writes
            if writes is not None and writes.stamp > node.sequence:
                raise stale(node, writes, saved[from_outputs.index(True)])
        return rule(g, *[array_of(value, node) for value in saved])

    return play


def _play_zero(op: Op, index: int) -> Any:
    return lambda g, saved, node: None


def _play_missing(op: Op, index: int) -> Any:
    def play(g: Any, saved: Any, node: Node) -> Any:
        raise NoDerivativeError(
            f"the derivative of {op.name!r} (from {op.plugin}) with respect to "
            f"{op.inputs[index]!r} is not implemented, and was asked for through {node.where()}; "
            "detach that input if its gradient is not needed"
        )

    return play


_words = {ZERO: _play_zero, MISSING: _play_missing}


class OpNode(Node):
    """A recorded call of an op; each op has its own subclass, named as in PyTorch."""

    __slots__ = ()
    op: Op

    def apply(self, grad: Any, create_graph: bool) -> Any:
        saved = self.saved
        if saved.__class__ is Freed:
            self.check_alive()
        if self.packed or create_graph:
            saved = self._unpacked(create_graph)
        op = self.op
        if op.joint is not None or op.variadic:
            return self._apply_together(grad, saved, create_graph)
        if create_graph:
            return [
                None if edge is None else self._over_tensors(i, grad, saved[i])
                for i, edge in enumerate(self.next_functions)
            ]
        return [
            None if edge is None else play(grad, values, self)
            for play, values, edge in zip(op.plays, saved, self.next_functions)
        ]

    def _over_tensors(self, i: int, grad: Any, values: Any) -> Any:
        rule = self.op.rules[i]
        if isinstance(rule, Word):
            return self.op.plays[i](grad, values, self)
        for value in values:
            array_of(value, self)
        return rule(grad, *values)

    def _apply_together(self, grad: Any, saved: Any, create_graph: bool) -> Any:
        """A joint rule, or the one rule of a variadic input: all gradients at once."""
        op = self.op
        values = saved[0]
        if create_graph:
            for value in values:
                array_of(value, self)
        else:
            for name, value in zip(op.saved_names[0], values):
                writes = self.writes
                if writes is not None and name in op.outputs and writes.stamp > self.sequence:
                    raise stale(self, writes, value)
            values = [array_of(value, self) for value in values]
        rule = op.rules[0]
        if isinstance(rule, Word):
            return [op.plays[0](grad, (), self)] * len(self.next_functions)
        if op.joint is not None and op.wants_needs:
            return rule(grad, *values, needs=tuple(e is not None for e in self.next_functions))
        return rule(grad, *values)

    def _unpacked(self, create_graph: bool) -> Any:
        """The saved values with packed ones unpacked and, for Tensors, outputs rewrapped."""
        rows = []
        for names, values in zip(self.op.saved_names, self.saved):
            row = []
            for name, value in zip(names, values):
                if value.__class__ is Packed:
                    value = unpack(value, self)
                if create_graph and name in self.op.outputs and not isinstance(value, Tensor):
                    value = wrap(value)
                    value._edge = (self, self.op.outputs.index(name))
                row.append(value)
            rows.append(tuple(row))
        return tuple(rows)

    def free(self, freed: Freed) -> bool:
        if self.op.saves_values:
            self.saved = freed
            return True
        return False


def unpack(packed: Packed, node: Node) -> Tensor:
    """Ask the hook for a saved value back, with its place in the graph."""
    tensor = packed.unpack(packed.handle)
    if not isinstance(tensor, Tensor):
        raise TypeError(
            f"the unpack hook of saved_tensors_hooks returned {type(tensor).__name__} for a value "
            f"of {node.where()}; it must return a Tensor"
        )
    out = wrap(tensor._data)
    out._edge = packed.edge
    return out


def op(
    name: str,
    forward: Callable[..., Any],
    /,
    *,
    dtype: Word = SAME,
    amp: Word | None = None,
    joint: Callable[..., Any] | None = None,
    outputs: tuple[str, ...] = ("out",),
    differentiable: int | None = None,
    view: bool = False,
    mutates: tuple[str, ...] = (),
    spread: str | None = None,
    samples: Any = None,
    node: str | None = None,
    method: bool = True,
    inplace: bool = False,
    doc: str | None = None,
    **rules: Any,
) -> Callable[..., Any]:
    """Declare an op; returns the function that users, and other rules, call.

    ``forward(xp, *arrays, **metadata)``: arrays positional, metadata keyword-only.
    ``dtype``: SAME, FLOAT or KEEP. ``amp``: HALF, FULL, WIDEST or None.
    ``<input>=rule``: its vector-Jacobian product, or NONE, ZERO, MISSING.
    ``joint``: one rule that returns the gradients of all inputs, for gradients that share work.
    ``outputs``: names, if there are several; the first ``differentiable`` of them have gradients.
    ``view``: the result may share memory with the first input.
    ``mutates``: inputs written in place (an optimizer's update); such an op has no rules.
    ``spread``: the keyword that further positional arguments are gathered into (``x.view(2, 3)``).
    ``samples``: sample calls, from which tests and the reference page are made.
    ``node``: PyTorch's name of the node where it is not ``<Name>Backward0``.
    ``method``: also a Tensor method. ``inplace``: also a method with a trailing underscore.
    Raises ``DeclarationError`` for a declaration that contradicts itself or a name already taken.
    """
    from .calls import build
    from .inplace import inplace_form

    if name in table:
        raise DeclarationError(
            f"an op named {name!r} exists already (from {table[name].plugin}); choose another name"
        )
    if mutates and not rules:
        names = forward.__code__.co_varnames[1 : forward.__code__.co_argcount]
        rules = dict.fromkeys(names, NONE)
    declared = Op(
        name,
        forward,
        rules,
        dtype=dtype,
        amp=amp,
        joint=joint,
        outputs=outputs,
        differentiable=differentiable,
        view=view,
        mutates=mutates,
        spread=spread,
        samples=samples,
        node=node,
        doc=doc,
    )
    call = build(declared)
    call.__name__ = call.__qualname__ = name
    call.__doc__ = doc
    call.op = declared  # type: ignore[attr-defined]
    declared.call = call
    table[name] = declared
    if method and not hasattr(Tensor, name):
        setattr(Tensor, name, call)
    if inplace:
        setattr(Tensor, name + "_", inplace_form(declared))
    return call
