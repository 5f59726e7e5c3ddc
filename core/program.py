"""program: a tape made into one straight-line Python function, and into text.

What nobody needs is left out, what is always the same is computed once, and what was used for the
last time is freed.
"""

from __future__ import annotations

import functools
import itertools
import linecache
import math
import operator
import re
import types
import weakref
from collections.abc import Callable
from typing import Any

from . import modes, sites
from .graph import tick
from .tensor import LEAF, Tensor, wrap
from .tracing import COMPARISONS, IN_PLACE, OPERATORS, UNARY, Instruction, Lifted, Ref, Tape
from .tracing import Traced, lower

_numbers = itertools.count(1)
#: Constants up to this many bytes are kept instead of computed again.
_KEPT_BYTES = 1 << 16


class Program:
    """The flat program of one captured step; ``run(*input_tensors)`` replays it.

    ``str(program)`` is its text, a numbered instruction a line with the user's line behind it.
    """

    def __init__(
        self,
        tape: Tape,
        title: str,
        inputs: dict[str, Tensor],
        result: Any,
        known_as: dict[int, str],
        again: Callable[..., Any],
    ) -> None:
        self.title = title
        self.source = ""
        self.space: dict[str, Any] = {"again": again, "current": modes.current, "tick": tick,
                                      "Tensor": Tensor, "wrap": wrap, "caller": sites.caller,
                                      "LEAF": LEAF, "inf": math.inf, "nan": math.nan}  # fmt: skip
        self.listing: list[tuple[str, sites.Site | None]] = []
        self.legend: list[tuple[str, str]] = []
        self._tape = tape
        self._inputs = inputs
        self._known_as = known_as
        self._names: dict[int, str] = {}
        self._tensors: dict[int, str] = {}
        self._made: dict[int, str] = {}
        self._functions: dict[str, Any] = {}
        self._written: set[int] = set()
        self._compile(result)
        del self._tape, self._inputs, self._known_as

    # -- which instructions ---------------------------------------------------------------------
    def _needed(self, results: set[int]) -> list[Instruction]:
        """Those that a result, or memory that outlives the step, depends on."""
        tape = self._tape
        storage = tape.storage
        slots = set(results)
        memory = {storage(s) for s in results}
        memory.update(storage(s) for s, array in enumerate(tape.given) if array is not None)
        kept = []
        for instruction in reversed(tape.instructions):
            if (
                instruction.effect
                or any(s in slots for s in instruction.outputs)
                or any(storage(s) in memory for s in instruction.writes)
            ):
                kept.append(instruction)
                slots.update(instruction.uses)
                memory.update(storage(s) for s in instruction.uses)
        kept.reverse()
        written = {storage(s) for i in kept for s in i.writes}
        self._written = {s for i in kept for s in i.writes}
        lasting = written | {storage(s) for s in results}
        folded: set[int] = set()
        out = []
        for i in kept:
            if (
                i.constant is not None
                and folded.issuperset(i.uses)
                and storage(i.outputs[0]) not in lasting  # type: ignore[arg-type]
                and getattr(i.constant, "nbytes", 0) <= _KEPT_BYTES
            ):
                folded.add(i.outputs[0])  # type: ignore[arg-type]
                tape.given[i.outputs[0]] = i.constant  # type: ignore[index]
            else:
                out.append(i)
        return out

    # -- names ----------------------------------------------------------------------------------
    def _global(self, base: str, value: Any) -> str:
        """A global name for ``value`` that starts with ``base``."""
        base = re.sub(r"\W", "_", base) or "f"
        for name in itertools.chain((base,), (f"{base}_{n}" for n in itertools.count(2))):
            taken = self.space.get(name, self)
            if taken is self and name not in self._names.values() and name not in _RESERVED:
                self.space[name] = value
                return name
            if taken is value:
                return name
        raise AssertionError

    def _name(self, slot: int) -> str:
        name = self._names.get(slot)
        if name is None:
            array = self._tape.given[slot]
            if array is None:
                self._counter += 1
                name = f"v{self._counter}"
            else:
                known = self._known_as.get(slot)
                name = self._global(known or "c1", array)
                self.legend.append((name, _described(array)))
            self._names[slot] = name
        return name

    def _tensor(self, tensor: Tensor) -> str:
        """The name of a Tensor that was there before the step."""
        name = self._tensors.get(id(tensor))
        if name is None:
            name = self._tensors[id(tensor)] = self._global("t1", tensor)
        return name

    # -- text -----------------------------------------------------------------------------------
    def _text(self, value: Any, hint: str = "k1") -> str:
        cls = type(value)
        if cls is Ref:
            return self._name(value.slot)
        if value is None or cls is bool or cls is str:
            return repr(value)
        if cls is int or cls is float:
            return repr(value) if math.copysign(1, value) > 0 else f"({value!r})"
        if value is Ellipsis:
            return "..."
        if cls is tuple:
            inner = ", ".join(self._text(v) for v in value)
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        if cls is list:
            return f"[{', '.join(self._text(v) for v in value)}]"
        if cls is dict and all(type(k) is str for k in value):
            return "{" + ", ".join(f"{k!r}: {self._text(v)}" for k, v in value.items()) + "}"
        if cls is slice:
            return f"slice({self._text((value.start, value.stop, value.step))[1:-1]})"
        return self._global(getattr(value, "name", None) or getattr(value, "__name__", hint), value)

    def _index(self, index: Any) -> str:
        if isinstance(index, tuple) and index:
            return ", ".join(self._index(i) for i in index) + ("," if len(index) == 1 else "")
        if type(index) is slice:
            ends = ["" if i is None else self._text(i) for i in (index.start, index.stop)]
            step = "" if index.step is None else f":{self._text(index.step)}"
            return ":".join(ends) + step
        return self._text(index)

    def _call(self, i: Instruction) -> tuple[str, bool]:
        """The expression of an instruction, and whether it is a statement already."""
        f = i.function
        args = [a if f in _INDEXED and n == 1 else self._text(a) for n, a in enumerate(i.args)]
        symbol = OPERATORS.get(f) or COMPARISONS.get(f)
        if symbol:
            return f"{args[0]} {symbol} {args[1]}", False
        if f in IN_PLACE:
            return f"{args[0]} {IN_PLACE[f]} {args[1]}", True
        if f in UNARY:
            return f"{UNARY[f]}{args[0]}", False
        if f is operator.getitem:
            return f"{args[0]}[{self._index(args[1])}]", False
        if f is operator.setitem:
            return f"{args[0]}[{self._index(args[1])}] = {args[2]}", True
        if isinstance(f, operator.attrgetter):
            return f"{args[0]}.{i.name}", False
        keywords = [f"{k}={self._text(v)}" for k, v in i.kwargs.items()]
        return f"{self._global(i.name, f)}({', '.join(args + keywords)})", False

    # -- the function ---------------------------------------------------------------------------
    def _compile(self, result: Any) -> None:
        self._counter = 0
        tape = self._tape
        body: list[str] = []
        grads = [e for e in tape.lifted.values() if e.tensor._edge is not None]
        bound = [e for e in grads if e.grad_reset is not None or e.tensor._grad is not e.grad]
        ends = self._slots_of([result, [e.tensor._grad for e in bound]])
        instructions = self._needed(ends)
        for name, tensor in self._inputs.items():
            traced = tape.lifted[id(tensor)].traced
            if id(tensor) not in self._tensors:
                self._names[traced.slot] = name
                self._tensors[id(tensor)] = f"{name}_"
                self.legend.append((name, f"input, {_described(traced.value)}"))
        last: dict[int, int] = {}
        for n, i in enumerate(instructions):
            for slot in (*i.uses, *(s for s in i.outputs if s is not None)):
                last[slot] = n
        for n, i in enumerate(instructions):
            text, complete = self._call(i)
            if not complete and (i.several or i.outputs[0] is not None):
                left = ", ".join("_" if s is None else self._name(s) for s in i.outputs)
                text = f"{left}{',' if i.several and len(i.outputs) == 1 else ''} = {text}"
            self.listing.append((text, i.site))
            body.append(f"{text}  # {sites.place(i.site)}")
            gone = [s for s, end in last.items() if end == n and s not in ends]
            names = [self._names[s] for s in gone if tape.given[s] is None and s in self._names]
            if names:
                body.append(f"del {', '.join(names)}")
        self._effects(bound, body)
        body.append(f"return {self._rebuilt(result)}")
        guards = self._guards(grads, {s for i in instructions for s in i.uses})
        held = [n for s, n in self._names.items() if s in self._written and n in self.space]
        heads = [f"{name}_" for name in self._inputs]
        signature = ", ".join([*heads, *(f"{n}={n}" for n in held)])
        self.source = "\n".join([
            f"def {self.title}({signature}):",
            "    if not (",
            *(f"        {'and ' if k else ''}{g}" for k, g in enumerate(guards)),
            "    ):",
            f"        return again({', '.join(heads)})",
            *(f"    {line}" for line in body),
            "",
        ])  # fmt: skip
        filename = f"<anadrome capture {next(_numbers)}: {self.title}>"
        space = dict(self.space)
        exec(compile(self.source, filename, "exec"), space)
        self.run: Callable[..., Any] = space[self.title]
        sites.forget(filename)
        linecache.cache[filename] = (len(self.source), None, self.source.splitlines(True), filename)
        weakref.finalize(self, linecache.cache.pop, filename, None)

    def _slots_of(self, value: Any) -> set[int]:
        if isinstance(value, Tensor):
            value = value._data
        if isinstance(value, Traced):
            return {value.slot}
        if isinstance(value, dict):
            value = list(value.values())
        if isinstance(value, (tuple, list)):
            return set().union(*map(self._slots_of, value))
        return set()

    def _effects(self, bound: list[Lifted], body: list[str]) -> None:
        """What a step does to Tensors besides writing into their arrays."""
        for entry in bound:
            grad = entry.tensor._grad
            owner = self._tensor(entry.tensor)
            value = self._rebuilt(grad)
            if grad is not None and ":=" not in value and id(grad) not in self._tape.lifted:
                made = self._made[id(grad)] = f"g{len(self._made) + 1}"
                body.append(f"{made} = {value}")
                value = made
            body.append(f"{owner}._grad = {value}")
            self.listing.append((f"{self._owner(entry)}.grad = {self._shown(grad)}", None))
        lasting = {id(t): t for t in self._inputs.values()}
        written = []
        for entry in self._tape.lifted.values():
            tensor = entry.tensor
            if tensor._edge is LEAF and entry.edge is None and id(tensor) in lasting:
                body.append(f"{self._tensor(tensor)}._edge = LEAF")
            if tensor._writes is not None and tensor._writes.count > entry.writes:
                if id(tensor) in lasting:
                    written.append(f"{self._tensor(tensor)}._shared_writes()")
                else:
                    written.append(self._global("w1", tensor._writes))
        if written:
            body.append("site = caller()")
            body.append(f"for writes in ({', '.join(dict.fromkeys(written))},):")
            body.append("    writes.count += 1; writes.stamp = tick(); writes.site = site")

    def _owner(self, entry: Lifted) -> str:
        return self._names.get(entry.traced.slot) or self._tensor(entry.tensor)

    def _shown(self, tensor: Tensor | None) -> str:
        return "None" if tensor is None else self._name(tensor._data.slot)

    def _rebuilt(self, value: Any) -> str:
        """The expression for a part of what the step returns."""
        if isinstance(value, Tensor):
            if id(value) in self._tape.lifted:
                return self._tensor(value)
            made = self._made.get(id(value))
            return made or f"wrap({self._name(value._data.slot)})"
        if isinstance(value, Traced):
            return self._name(value.slot)
        cls = type(value)
        if cls is tuple:
            return f"({''.join(self._rebuilt(v) + ', ' for v in value)})"
        if cls is list:
            return f"[{', '.join(map(self._rebuilt, value))}]"
        if cls is dict:
            pairs = (f"{self._text(k)}: {self._rebuilt(v)}" for k, v in value.items())
            return f"{{{', '.join(pairs)}}}"
        if isinstance(value, tuple):  # a named one
            return f"{self._text(cls)}({', '.join(map(self._rebuilt, value))})"
        return self._text(value)

    def _guards(self, grads: list[Lifted], used: set[int]) -> list[str]:
        """What must be as it was for a replay to do what the step would."""
        out = []
        tape = self._tape
        first: dict[int, str] = {}
        for name, tensor in self._inputs.items():
            entry = tape.lifted[id(tensor)]
            array = entry.array
            if id(tensor) in first:
                out.append(f"{name}_ is {first[id(tensor)]}_")
                continue
            first[id(tensor)] = name
            dtype = self._text(array.dtype)
            out.append(
                f"isinstance({name}_, Tensor) and ({name} := {name}_._data).__class__ is "
                f"{self._text(type(array))} and {name}.shape == {self._text(tuple(array.shape))} "
                f"and {name}.dtype == {dtype} and {name}_._edge is "
                f"{'None' if entry.edge is None else 'LEAF'}"
            )
        for entry in tape.lifted.values():
            if id(entry.tensor) not in first and entry.traced.slot in used:
                self.held.append((self._tensor(entry.tensor), entry.tensor, entry.array))
        return out
