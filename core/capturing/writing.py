"""writing: a program's source, from the instructions of a tape."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from .. import sites
from ..tensor import LEAF, Tensor
from .tape import Instruction, Lifted, Ref, Tape
from .traced import COMPARISONS, IN_PLACE, OPERATORS, UNARY, Traced

if TYPE_CHECKING:
    from .program import Program

#: Constants up to this many bytes are kept instead of computed again.
_KEPT_BYTES = 1 << 16


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


def described(value: Any) -> str:
    if not hasattr(value, "dtype"):
        return type(value).__name__
    if not value.shape:
        return f"{value.dtype} {value!s}"
    return f"{value.dtype} {tuple(value.shape)}"


class Writer:
    """Writes a program's function; used once."""

    def __init__(self, program: Program, tape: Tape, names: dict[int, str]) -> None:
        self.program = program
        self.tape = tape
        self.count = 0
        self.slots: dict[int, str] = {}
        self.tensors: dict[int, str] = {}
        self.made: dict[int, str] = {}
        self.known: dict[int, tuple[str | None, str]] = {}
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
                self.program.legend[name] = f"{kind}, {described(array)}"
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
                program.legend[name] = f"input, {described(tensor._data)}"
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
        value = value.traced if isinstance(value, Lifted) else value
        if isinstance(value, Traced):
            return {value.slot}
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, (tuple, list)):
            return set().union(*map(self.slots_in, value))
        return set()

    def rebuilt(self, value: Any) -> str:
        """A part of what the step returns, as source."""
        if isinstance(value, Lifted):
            if value.tensor is None:
                return f"wrap({self.slot(value.traced.slot)})"
            return self.tensor(value.tensor)
        if isinstance(value, Tensor):
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
            value = self.rebuilt(self.tape.lifted.get(id(grad), grad))
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
