"""program: a tape made into one straight-line Python function, and into text.

What nobody needs is left out, what is always the same is computed once, and what was used for the
last time is freed.
"""

from __future__ import annotations

import functools
import itertools
import keyword
import linecache
import math
import operator
import re
import weakref
from collections.abc import Callable
from typing import Any

from . import modes, sites
from .graph import tick
from .tensor import LEAF, Tensor, wrap
from .tracing import COMPARISONS, IN_PLACE, OPERATORS, UNARY, Instruction, Lifted, Ref, Tape, Traced

_serial = itertools.count(1)
#: Constants up to this many bytes are kept instead of computed again.
_KEPT_BYTES = 1 << 16
_RESERVED = frozenset((*keyword.kwlist, "isinstance", "slice", "site", "writes"))


def situation() -> tuple[Any, ...]:
    """What a program depends on besides its inputs: grad mode, and the modes around the step."""
    state = modes.current()
    around = tuple(
        (type(m), {k: v for k, v in vars(m).items() if not k.startswith("_")}) for m in state.modes
    )
    return state.grad, state.inference, around


def needed(tape: Tape, results: set[int]) -> list[Instruction]:
    """The instructions that a result, or memory that outlives the step, depends on."""
    storage = tape.storage
    slots = set(results)
    memory = {storage(s) for s in results}
    memory.update(storage(s) for s, array in enumerate(tape.given) if array is not None)
    kept = []
    for i in reversed(tape.instructions):
        if (
            i.effect
            or not slots.isdisjoint(i.outputs)
            or any(storage(s) in memory for s in i.writes)
        ):
            kept.append(i)
            slots.update(i.uses)
            memory.update(map(storage, i.uses))
    return kept[::-1]


def folded(tape: Tape, instructions: list[Instruction], results: set[int]) -> list[Instruction]:
    """Without those whose result is always the same; it becomes one of the given arrays."""
    changing = {tape.storage(s) for i in instructions for s in i.writes}
    changing.update(map(tape.storage, results))
    constants: set[int] = set()
    out = []
    for i in instructions:
        (slot,) = i.outputs if i.constant is not None else (None,)
        if (
            slot is not None
            and constants.issuperset(i.uses)
            and tape.storage(slot) not in changing
            and getattr(i.constant, "nbytes", 0) <= _KEPT_BYTES
        ):
            constants.add(slot)
            tape.given[slot] = i.constant
        else:
            out.append(i)
    return out


class Program:
    """The flat program of one captured step; ``run(*input_tensors)`` replays it.

    ``str(program)`` is its text: what it starts from, then a numbered instruction a line, with the
    user's line behind it.
    """

    def __init__(
        self,
        tape: Tape,
        title: str,
        inputs: dict[str, Tensor],
        result: Any,
        names: dict[int, str],
        again: Callable[..., Any],
    ) -> None:
        """``names``: of Tensors, by id. ``again(*inputs)``: what to do where a guard fails."""
        self.source = ""
        self.run: Callable[..., Any]
        #: The globals of the function.
        self.space: dict[str, Any] = {
            "again": again, "caller": sites.caller, "current": modes.current, "tick": tick,
            "situation": situation, "situation_then": situation(), "wrap": wrap, "Tensor": Tensor,
            "LEAF": LEAF, "inf": math.inf, "nan": math.nan,
        }  # fmt: skip
        #: Instructions as text, each with the place it came from.
        self.lines: list[tuple[str, str]] = []
        #: What the program starts from: names and descriptions.
        self.legend: dict[str, str] = {}
        #: Arrays that belong to no Tensor and are never written.
        self.fixed: set[str] = set()
        #: Tensors whose arrays it works on: name, Tensor, array.
        self.held: list[tuple[str, Tensor, Any]] = []
        self._taken = {title, *inputs, *(f"{name}_" for name in inputs), *_RESERVED}
        writer = _Writer(self, tape, names)
        writer.write(title, inputs, result)
        filename = f"<anadrome capture {next(_serial)}: {title}>"
        scope = dict(self.space)
        exec(compile(self.source, filename, "exec"), scope)
        self.run = scope[title]
        sites.known[filename] = True
        linecache.cache[filename] = (len(self.source), None, self.source.splitlines(True), filename)
        weakref.finalize(self, linecache.cache.pop, filename, None)

    def __str__(self) -> str:
        wide = max((len(name) for name in self.legend), default=0)
        head = [f"# {name:{wide}}  {told}" for name, told in self.legend.items()]
        wide = min(max((len(text) for text, _ in self.lines), default=0), 72)
        digits = len(str(len(self.lines)))
        body = [
            f"{n:{digits}}  {text:{wide}}" + (f"  # {place}" if place else "")
            for n, (text, place) in enumerate(self.lines, 1)
        ]
        return "\n".join(line.rstrip() for line in head + body)

    def name(self, base: str, value: Any) -> str:
        """A global name for ``value`` made from ``base``; a number is counted up."""
        base = re.sub(r"\W", "_", base)
        if not base.isidentifier() or re.fullmatch(r"[vg]\d+", base):
            base = f"_{base}"
        stem, digits = re.fullmatch(r"(.*?)(\d*)", base).groups()  # type: ignore[union-attr]
        for n in itertools.count(int(digits) if digits else 1):
            name = stem + (str(n) if digits else "" if n == 1 else f"_{n}")
            if name in self.space:
                if self.space[name] is value:
                    return name
            elif name not in self._taken:
                self.space[name] = value
                return name
        raise AssertionError

    def difference(self, other: Program) -> str | None:
        """Where two recordings of one step differ, in words; None if they do not."""
        for (mine, place), (theirs, _) in zip(self.lines, other.lines):
            if mine != theirs:
                return f"`{theirs}` became `{mine}` at {place or 'its end'}"
        if self.source != other.source:
            return f"{len(other.lines)} instructions became {len(self.lines)}"
        for name, value in self.space.items():
            if name != "situation_then" and not self._alike(name, value, other.space[name]):
                at = next((p for t, p in self.lines if re.search(rf"\b{name}\b", t)), "an end")
                return f"`{name}` ({_described(value)}) is another one each time, used at {at}"
        return None

    def _alike(self, name: str, a: Any, b: Any) -> bool:
        if a is b:
            return True
        if type(a) is not type(b):
            return False
        if isinstance(a, functools.partial):
            pair = (a.func, a.args, a.keywords), (b.func, b.args, b.keywords)
            return self._alike(name, *pair)
        if isinstance(a, (tuple, list)):
            return len(a) == len(b) and all(self._alike(name, x, y) for x, y in zip(a, b))
        if isinstance(a, dict):
            return list(a) == list(b) and all(self._alike(name, a[k], b[k]) for k in a)
        for what in ("__code__", "__func__"):
            if hasattr(a, what):
                return getattr(a, what) is getattr(b, what)
        if callable(a):
            return getattr(a, "__name__", a) == getattr(b, "__name__", b)
        if isinstance(a, Tensor):
            return False
        if hasattr(a, "tobytes"):  # made anew with the same values, and never written
            same = a.shape == b.shape and a.dtype == b.dtype
            return same and name in self.fixed and a.tobytes() == b.tobytes()
        return bool(a == b or (a != a and b != b))


def _described(value: Any) -> str:
    if not hasattr(value, "dtype"):
        return type(value).__name__
    if not value.shape:
        return f"{value.dtype} {value!s}"
    return f"{value.dtype} {tuple(value.shape)}"


class _Writer:
    """Writes a program's function; used once."""

    def __init__(self, program: Program, tape: Tape, names: dict[int, str]) -> None:
        self.program = program
        self.tape = tape
        self.count = 0
        self.slots: dict[int, str] = {}
        self.tensors: dict[int, str] = {}
        self.made: dict[int, str] = {}
        self.known = {}
        for entry in tape.lifted.values():
            kind = "parameter" if entry.edge is LEAF else "array"
            told = names.get(id(entry.tensor)), kind
            if told[0] or entry.traced.slot not in self.known:
                self.known[entry.traced.slot] = told

    # -- names ----------------------------------------------------------------------------------
    def slot(self, slot: int) -> str:
        """The name of a value."""
        name = self.slots.get(slot)
        if name is None:
            array = self.tape.given[slot]
            if array is None:
                self.count += 1
                name = f"v{self.count}"
            else:
                known, kind = self.known.get(slot, (None, "constant"))
                name = self.program.name(known or f"{kind[0]}1", array)
                self.program.legend[name] = f"{kind}, {_described(array)}"
            self.slots[slot] = name
        return name

    def tensor(self, tensor: Tensor) -> str:
        """The name of a Tensor that was there before the step."""
        name = self.tensors.get(id(tensor))
        if name is None:
            entry = self.tape.lifted[id(tensor)]
            base = self.slots.get(entry.traced.slot) or self.known[entry.traced.slot][0] or "t1"
            name = self.tensors[id(tensor)] = self.program.name(f"{base}_", tensor)
        return name

    # -- text -----------------------------------------------------------------------------------
    def text(self, value: Any) -> str:
        """An argument as source."""
        cls = type(value)
        if cls is Ref:
            return self.slot(value.slot)
        if value is None or cls is bool or cls is str:
            return repr(value)
        if cls is int or cls is float:
            return repr(value)
        if value is Ellipsis:
            return "..."
        if cls is tuple:
            return f"({', '.join(map(self.text, value))}{',' if len(value) == 1 else ''})"
        if cls is list:
            return f"[{', '.join(map(self.text, value))}]"
        if cls is dict and all(type(k) is str for k in value):
            return f"{{{', '.join(f'{k!r}: {self.text(v)}' for k, v in value.items())}}}"
        if cls is slice:
            return f"slice{self.text((value.start, value.stop, value.step))}"
        for hint in (getattr(value, "name", None), getattr(value, "__name__", None), "k1"):
            if isinstance(hint, str):
                return self.program.name(hint, value)
        raise AssertionError

    def index(self, index: Any) -> str:
        """What stands between brackets."""
        if type(index) is tuple and index:
            return ", ".join(map(self.index, index)) + ("," if len(index) == 1 else "")
        if type(index) is slice:
            parts = ["" if p is None else self.text(p) for p in (index.start, index.stop)]
            return ":".join(parts) + ("" if index.step is None else f":{self.text(index.step)}")
        return self.text(index)

    def statement(self, i: Instruction) -> str:
        """An instruction as source."""
        f = i.function
        if f is operator.setitem:
            return f"{self.text(i.args[0])}[{self.index(i.args[1])}] = {self.text(i.args[2])}"
        if f in IN_PLACE:
            return f"{self.text(i.args[0])} {IN_PLACE[f]} {self.text(i.args[1])}"
        symbol = OPERATORS.get(f) or COMPARISONS.get(f)
        if symbol:
            left, right = (f"({a})" if a[0] == "-" else a for a in map(self.text, i.args))
            right = f"{left} {symbol} {right}"
        elif f in UNARY:
            right = UNARY[f] + self.text(i.args[0])
        elif f is operator.getitem:
            right = f"{self.text(i.args[0])}[{self.index(i.args[1])}]"
        elif isinstance(f, operator.attrgetter):
            right = f"{self.text(i.args[0])}.{i.name}"
        else:
            arguments = [*map(self.text, i.args)]
            arguments += [f"{k}={self.text(v)}" for k, v in i.kwargs.items()]
            right = f"{self.program.name(i.name, f)}({', '.join(arguments)})"
        if not any(s is not None for s in i.outputs):
            return right
        left = ", ".join("_" if s is None else self.slot(s) for s in i.outputs)
        return f"{left}{',' if i.several and len(i.outputs) == 1 else ''} = {right}"

    # -- the function ---------------------------------------------------------------------------
    def write(self, title: str, inputs: dict[str, Tensor], result: Any) -> None:
        """The whole source, and the listing."""
        program, tape = self.program, self.tape
        for name, tensor in inputs.items():
            slot = tape.lifted[id(tensor)].traced.slot
            if slot not in self.slots:
                self.slots[slot] = name
                self.tensors[id(tensor)] = f"{name}_"
                program.legend[name] = f"input, {_described(tensor._data)}"
        bound = [
            e
            for e in tape.lifted.values()
            if e.tensor._edge is LEAF and (e.grad_reset is not None or e.tensor._grad is not e.grad)
        ]
        ends = self.slots_in([result, [e.tensor._grad for e in bound]])
        instructions = folded(tape, needed(tape, ends), ends)
        used = {s for i in instructions for s in i.uses} | ends
        last: dict[int, int] = {}
        for n, i in enumerate(instructions):
            last.update(dict.fromkeys([*i.uses, *(s for s in i.outputs if s is not None)], n))
        dying: dict[int, list[int]] = {}
        for slot, n in last.items():
            if slot not in ends and tape.given[slot] is None:
                dying.setdefault(n, []).append(slot)
        body = []
        for n, i in enumerate(instructions):
            text, place = self.statement(i), sites.place(i.site)
            program.lines.append((text, place))
            body.append(f"{text}  # {place}")
            if n in dying:
                body.append(f"del {', '.join(map(self.slot, dying[n]))}")
        body += self.effects(bound, inputs)
        body.append(f"return {self.rebuilt(result)}")
        program.lines.append((f"return {self.rebuilt(result)}", ""))
        guards = self.guards(inputs, used)
        written = {self.slots[s] for i in instructions for s in i.writes}
        program.fixed = {
            n for n, told in program.legend.items() if told.startswith("constant")
        } - written  # fmt: skip
        heads = [f"{name}_" for name in inputs]
        locals_ = [f"{n}={n}" for n in program.legend if n in written and n in program.space]
        program.source = "\n".join([
            f"def {title}({', '.join(heads + locals_)}):",
            "    if not (",
            *(f"        {'and ' if n else ''}{g}" for n, g in enumerate(guards)),
            "    ):",
            f"        return again({', '.join(heads)})",
            *(f"    {line}" for line in body),
            "",
        ])  # fmt: skip

    def slots_in(self, value: Any) -> set[int]:
        """The slots of all Tensors and traced values in a nested result."""
        value = value._data if isinstance(value, Tensor) else value
        if isinstance(value, Traced):
            return {value.slot}
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, (tuple, list)):
            return set().union(*map(self.slots_in, value))
        return set()

    def rebuilt(self, value: Any) -> str:
        """A part of what the step returns, as source."""
        if isinstance(value, Tensor):
            if id(value) in self.tape.lifted:
                return self.tensor(value)
            return self.made.get(id(value)) or f"wrap({self.slot(value._data.slot)})"
        if isinstance(value, Traced):
            return self.slot(value.slot)
        if isinstance(value, dict):
            pairs = (f"{self.text(k)}: {self.rebuilt(v)}" for k, v in value.items())
            return f"{{{', '.join(pairs)}}}"
        if isinstance(value, (tuple, list)):
            parts = "".join(f"{self.rebuilt(v)}, " for v in value)
            if type(value) in (tuple, list):
                return f"({parts})" if type(value) is tuple else f"[{parts}]"
            return f"{self.text(type(value))}({parts})"  # a named tuple
        return self.text(value)

    def effects(self, bound: list[Lifted], inputs: dict[str, Tensor]) -> list[str]:
        """What a step does to Tensors, besides writing into their arrays."""
        out = []
        for entry in bound:
            grad = entry.tensor._grad
            value = self.rebuilt(grad)
            if value.startswith("wrap("):
                self.made[id(grad)] = f"g{len(self.made) + 1}"
                out.append(f"{self.made[id(grad)]} = {value}")
                shown, value = value[5:-1], self.made[id(grad)]
            else:
                shown = value
            out.append(f"{self.tensor(entry.tensor)}._grad = {value}")
            self.program.lines.append((f"{self.tensor(entry.tensor)[:-1]}.grad = {shown}", ""))
        given = {id(t) for t in inputs.values()}
        counts = []
        for entry in self.tape.lifted.values():
            tensor = entry.tensor
            is_input = id(tensor) in given
            if is_input and tensor._edge is LEAF and entry.edge is None:
                out.append(f"{self.tensor(tensor)}._edge = LEAF")
            if tensor._writes is not None and tensor._writes.count > entry.writes:
                counts.append(
                    f"{self.tensor(tensor)}._shared_writes()"
                    if is_input
                    else self.program.name("writes1", tensor._writes)
                )
        if counts:
            out.append("site = caller()")
            out.append(f"for writes in ({', '.join(dict.fromkeys(counts))},):")
            out.append("    writes.count += 1; writes.stamp = tick(); writes.site = site")
        return out

    def guards(self, inputs: dict[str, Tensor], used: set[int]) -> list[str]:
        """What must be as it was, for a replay to do what the step would."""
        out = []
        first: dict[int, str] = {}
        for name, tensor in inputs.items():
            if id(tensor) in first:
                out.append(f"{name}_ is {first[id(tensor)]}_")
                continue
            first[id(tensor)] = name
            entry = self.tape.lifted[id(tensor)]
            array = entry.array
            edge = "None" if entry.edge is None else "LEAF"
            out.append(
                f"isinstance({name}_, Tensor) and {name}_._edge is {edge} "
                f"and ({name} := {name}_._data).__class__ is {self.text(type(array))} "
                f"and {name}.shape == {self.text(tuple(array.shape))} "
                f"and {name}.dtype == {self.text(array.dtype)}"
            )
        for entry in self.tape.lifted.values():
            tensor = entry.tensor
            if id(tensor) not in first and entry.traced.slot in used:
                name = self.slot(entry.traced.slot)
                out.append(f"{self.tensor(tensor)}._data is {name}")
                self.program.held.append((name, tensor, entry.array))
            if tensor._edge is LEAF or entry.edge is LEAF:
                grad = entry.grad
                if grad is None and entry.grad_reset is not True:
                    out.append(f"{self.tensor(tensor)}._grad is None")
                elif grad is not None and self.tape.lifted[id(grad)].traced.slot in used:
                    out.append(f"{self.tensor(tensor)}._grad is {self.tensor(grad)}")
        state = self.program.space["situation_then"]
        if state[2] or state[1]:
            out.append("situation() == situation_then")
        else:
            out.append(f"not current().modes and current().grad is {state[0]}")
        return out
