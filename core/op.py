"""op: declare a primitive once, and call it.

``op(name, forward, input=rule, ...)`` returns the public function. A rule's parameters, after the
gradient ``g``, are its save-list: an input's name, ``out`` (or an output's name),
``<input>_shape``, or a keyword of the forward. Nothing else is kept alive for it.

The same rule is read three ways: over arrays (the fast backward), over Tensors
(``create_graph=True``), over traced arrays (``anadrome.capture``). That works because a rule uses
only operators and public ops, and those accept all three.

How a declaration becomes a fast call path is in ``core/calls.py``.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from . import naming
from .errors import AnadromeError, DeclarationError
from .refusals import BOOLEAN, CLASSES, describe_argument, mismatch, of_op
from .rules import MISSING, NONE, ZERO, OpNode, Word, node_type, nothing, picker, play_word, player
from .tensor import Tensor

__all__ = [
    "EQUAL", "FLOAT", "FULL", "HALF", "KEEP", "MISSING", "NONE", "SAME", "WIDEST", "ZERO", "Op",
    "op", "table",
]  # fmt: skip

# dtype policies: what happens to the inputs before the forward sees them.
SAME = Word("SAME")  # inputs are brought to their common type
FLOAT = Word("FLOAT")  # as SAME, and integers become the default floating type
KEEP = Word("KEEP")  # inputs are left as they are (indices, masks)
EQUAL = Word("EQUAL")  # inputs must have one type already

# Autocast classes; only the AMP plugin reads them.
HALF = Word("HALF")  # runs in the autocast dtype
FULL = Word("FULL")  # runs in float32
WIDEST = Word("WIDEST")  # runs in the widest type among its inputs

#: The categories of element types, in their order, and floats of 8 bits.
KINDS = ("bool", "int", "float", "complex", "float8")

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
        holomorphic: bool,
        only_tensors: tuple[str, ...],
        factors: tuple[str, ...],
        at_once: bool,
        refuses: Mapping[str, str],
        samples: Any,
        node: str | None,
        named: Callable[..., str] | None,
        shown: Callable[..., Any] | None,
        doc: str | None,
    ) -> None:
        self.name = name
        self.forward = forward
        self.dtype = dtype
        self.amp = amp
        self.view = view
        self.mutates = mutates
        self.spread = spread
        self.holomorphic = holomorphic
        self.only_tensors = only_tensors
        self.factors = factors
        self.at_once = at_once
        self.refuses = refuses
        #: By kind of element type: whether arrays of it are cast or refused. For floats of 8 bits
        #: alone nobody looks, but ``Backend.composed``.
        self.special = tuple(
            [(dtype is FLOAT and n < 2) or category in refuses for n, category in enumerate(KINDS)]
        )
        self.looks = any(self.special[:-1])
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
        self.named = named
        self.shown = shown
        if named is not None:
            naming.check(self, named)
        #: The classes of its nodes with other names, by name.
        self.node_types: dict[str, type[OpNode]] = {}
        self.implementations: dict[type, Callable[..., Any]] = _Implementations(self)
        #: The class of its nodes; made with the first one, since most ops are never recorded.
        self.node_type: type[OpNode] | None = None
        self.call: Callable[..., Any]

    def __repr__(self) -> str:
        return f"<op {self.name}({', '.join(self.inputs)})>"

    def __hash__(self) -> int:  # equal to itself, and to what stands for it: ``torch.ops.aten``'s
        return hash(self.name)

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
        self.together = self.joint is not None or self.variadic
        # Where one rule serves, a node saves that rule's arguments; else a row of them an input.
        self.one_row = self.together or len(self.inputs) == 1
        self.wants_shapes = False
        self.wants_needs = False
        self.picks: list[Any] = []
        self.plays: list[Any] = []
        self.saved_names: list[tuple[str, ...]] = []
        for i, rule in enumerate(self.rules):
            if isinstance(rule, Word):
                self.picks.append(nothing)
                self.plays.append(play_word(rule, self, i))
                self.saved_names.append(())
                continue
            names = self._names_of(rule, self.inputs[i])
            self.wants_shapes |= any(n.endswith("_shape") for n in names)
            self.picks.append(picker([self.environment.index(n) for n in names]))
            self.plays.append(player(rule, names, self))
            self.saved_names.append(names)
        every = {n for names in self.saved_names for n in names}
        self.saves_outputs = not every.isdisjoint(self.outputs)
        self.saves_values = self.saves_outputs or not every.isdisjoint(self.inputs)

    def _names_of(self, rule: Callable[..., Any], of: str) -> tuple[str, ...]:
        """The save-list: a rule's parameters after the gradient."""
        code = rule.__code__
        names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
        if self.joint is not None and names and names[-1] == "needs":
            names = names[:-1]
            self.wants_needs = True
        for name in names:
            if name not in self.environment:
                raise DeclarationError(
                    f"op {self.name!r}: the rule of {of!r} asks for {name!r}, which is none of "
                    + ", ".join(self.environment)
                )
        return names

    def first_node_type(self) -> type[OpNode]:
        """Make the class of its nodes."""
        self.node_type = node_type(self)
        return self.node_type

    def explain(
        self, error: Exception, arrays: Any, keywords: dict[str, Any] | None = None
    ) -> Exception:
        """An array library's complaint, with the op and its arguments named.

        What needs no explanation is raised as it is.
        """
        try:
            explained = self._explained(error, arrays, keywords or {})
            if explained is None:
                raise error
            return explained
        finally:
            del error  # this frame is in its traceback: a cycle, which would keep the arrays

    def _explained(self, error: Exception, arrays: Any, keywords: Any) -> Exception | None:
        if isinstance(error, MemoryError):
            return None
        kind = of_op(self, error, arrays, keywords)
        if kind is not None or isinstance(error, AnadromeError):
            return kind
        told = ", ".join(
            f"{name}: {describe_argument(a)}" for name, a in zip(self._argument_names(), arrays)
        )
        text = f"{self.name}({told}): {error}"
        if isinstance(error, ValueError) and "broadcast" in str(error):
            if reason := mismatch(arrays):
                text = f"{reason}: {self.name}({told})"
        for theirs, ours in BOOLEAN.items():
            if theirs in str(error):
                text = f"{ours}: {self.name}({told})"
        for theirs, ours in CLASSES:
            if isinstance(error, theirs):
                return ours(text)
        return None

    def label(self, place: int) -> str:
        """An input's name as users know it."""
        name = self.inputs[0] if self.variadic else self.inputs[place]
        return ("input", "other")[place] if len(name) == 1 and place < 2 else name

    def _argument_names(self) -> Any:
        if self.variadic:
            return (f"{self.inputs[0]}[{i}]" for i in range(1000))
        return self.inputs


class _Implementations(dict):
    """The class of an array to what runs the op on it; learnt once a class."""

    def __init__(self, op: Op) -> None:
        super().__init__()
        self.op = op

    def __missing__(self, cls: type) -> Callable[..., Any]:
        from .backend import by_type

        if cls in (float, int, bool, complex):
            # A backend's `number` may be a number itself: then the array beside it decides.
            return lambda *operands, **metadata: self[_array_among(operands)](*operands, **metadata)
        found = by_type[cls].implementation(self.op)
        self[cls] = found
        return found


def _array_among(operands: Any) -> type:
    from .align import class_of

    return class_of(operands)


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
    holomorphic: bool = True,
    only_tensors: tuple[str, ...] = (),
    factors: tuple[str, ...] = (),
    at_once: bool = False,
    refuses: Mapping[str, str] | Sequence[str] = (),
    float8: bool = False,
    samples: Any = None,
    node: str | None = None,
    named: Callable[..., str] | None = None,
    shown: Callable[..., Any] | None = None,
    method: bool = True,
    inplace: bool = False,
    doc: str | None = None,
    **rules: Any,
) -> Any:
    """Declare an op; returns the function that users, and other rules, call.

    ``forward(xp, *arrays, **metadata)``: arrays positional, metadata keyword-only.
    ``dtype``: SAME, FLOAT, KEEP or EQUAL. ``amp``: HALF, FULL, WIDEST or None.
    ``<input>=rule``: its vector-Jacobian product, or NONE, ZERO, MISSING.
    ``joint``: one rule that returns the gradients of all inputs, for gradients that share work.
    ``outputs``: names, if there are several; the first ``differentiable`` of them have gradients.
    ``view``: the result may share memory with the first input.
    ``mutates``: inputs written in place (an optimizer's update); such an op has no rules.
    ``spread``: the keyword that further positional arguments are gathered into (``x.view(2, 3)``).
    ``holomorphic=False``: not complex differentiable; the rules give PyTorch's gradient of complex
    values themselves (``abs``), where else it is made of what they give.
    ``only_tensors``: inputs that may not be Python numbers.
    ``factors``: inputs that as numbers stay exact beside half precision, where others are rounded.
    ``at_once``: of half precision the rules are computed in float32 and rounded once (``halves``).
    ``refuses``: categories of element types (``"bool"``, ``"int"``, ``"complex"``) that it does not
    take, nor, with ``"any bool"``, beside others; as a mapping, with PyTorch's words for it.
    ``float8``: it takes floats of 8 bits, as with KEEP.
    ``samples``: sample calls, from which tests and the reference page are made.
    ``node``: PyTorch's name of the node where it is not ``<Name>Backward0``. ``named``: the name
    from what rules save, where it depends on the call. ``shown(edges)``: the places of those
    that PyTorch has, in PyTorch's order, where these are not all that have a rule.
    ``method``: also a Tensor method. ``inplace``: also a method with a trailing underscore.
    Raises ``DeclarationError`` for a declaration that contradicts itself or a name already taken.
    """
    from .calls import build
    from .inplace import inplace_form

    if name in table:
        raise DeclarationError(
            f"an op named {name!r} exists already (from {table[name].plugin}); choose another name"
        )
    told = refuses if isinstance(refuses, Mapping) else dict.fromkeys(refuses, "")
    if mutates and not rules:
        rules = dict.fromkeys(forward.__code__.co_varnames[1 : forward.__code__.co_argcount], NONE)
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
        holomorphic=holomorphic,
        only_tensors=only_tensors,
        factors=factors,
        at_once=at_once,
        refuses=told if float8 or dtype is KEEP else {**told, "float8": ""},
        samples=samples,
        node=node,
        named=named,
        shown=shown,
        doc=doc,
    )
    call = build(declared)
    call.__name__ = call.__qualname__ = name
    call.__module__, call.__doc__ = forward.__module__, doc  # pickle looks for it there
    call.op = declared  # type: ignore[attr-defined]
    declared.call = call
    table[name] = declared
    if method and not hasattr(Tensor, name):
        setattr(Tensor, name, call)
    if inplace:
        setattr(Tensor, name + "_", inplace_form(declared))
    return call


def withdraw(name: str) -> None:
    """Take a declaration back, and the methods that it gave: its plugin is left out."""
    call = table.pop(name).call
    if vars(Tensor).get(name) is call:
        delattr(Tensor, name)
    inplace = vars(Tensor).get(name + "_")
    if getattr(inplace, "op", None) is call.op:  # type: ignore[attr-defined]
        delattr(Tensor, name + "_")
