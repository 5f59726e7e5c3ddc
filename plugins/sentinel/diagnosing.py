"""diagnosing: from what is not finite at the end of a trace, back to what made it so.

A NaN is followed to the call that made one of values that were none. If those were infinite, the
infinity is followed in turn to the call that made it of finite values: that one is to blame, unless
somebody put the infinity there on purpose (``masked_fill(mask, -inf)``).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from . import advice
from .ranges import Range
from .trace import MAPPED, Call, Played, Trace, function_name, values_in


@dataclasses.dataclass
class Finding:
    """Where NaN or an infinity came from.

    ``what``: what was not finite in the end. ``phase``: ``"forward"``, ``"backward"``, or
    ``"given"`` for a value that was bad before the step. ``op``: the op to blame (of a backward the
    one whose gradient it is), or the name of the given value. ``where``: the user's line.
    ``module``: the module that called it. ``inputs``: the ranges of its inputs, by name.
    ``result``: of what it made. ``masked``: whether it is the masked-branch pattern; ``mask``: the
    line of the ``where``. ``advice``: what to write.
    """

    what: str
    phase: str
    op: str
    where: str
    module: str = ""
    inputs: list[tuple[str, Range]] = dataclasses.field(default_factory=list)
    result: Range | None = None
    masked: bool = False
    mask: str | None = None
    advice: list[str] = dataclasses.field(default_factory=list)
    chain: list[str] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.what}.", self._headline()]
        width = max((len(name) for name, _ in self.inputs), default=0)
        lines += [f"    {name:<{width}}  {seen}" for name, seen in self.inputs]
        if self.result is not None and self.phase != "given":
            lines.append(f"    which made {self.result}")
        lines += [f"  {line}" for line in (*self.chain, *self.advice, *self.notes)]
        return "\n".join(lines)

    def _headline(self) -> str:
        if self.phase == "given" and self.op.startswith("a Tensor that"):
            return f"  It came in with {self.op}, used at {self.where}: {self.result}"
        if self.phase == "given":
            return f"  It was there before the step: {self.op} is {self.result}"
        inside = f", in {self.module}" if self.module else ""
        sums = self.op.startswith("a sum of gradients")
        part = "the backward of " if self.phase == "backward" and not sums else ""
        return f"  First made by {part}{self.op} at {self.where}{inside}"


@dataclasses.dataclass
class Seen:
    """A trace and what was seen of its values: their ranges, and which nodes are masked."""

    trace: Trace
    ranges: dict[int, Range]
    masked: set[int]

    def __post_init__(self) -> None:
        self.makers = {n: i for i, call in enumerate(self.trace.calls) for n in call.outputs}

    def node_of(self, call: int) -> int | None:
        """The number of the node whose rule made a call."""
        if not self.trace.calls[call].played:
            return None
        for i, node in enumerate(self.trace.played):
            if node.first <= call < node.end:
                return i
        return None


def diagnose(seen: Seen) -> Finding | None:
    """What made the trace's roots, or else its leaves' gradients, bad; None if they are fine."""
    trace, ranges = seen.trace, seen.ranges
    bad_roots = [n for n in trace.roots if ranges[n].bad]
    if bad_roots:
        what = f"what backward started from is {ranges[bad_roots[0]]}"
        loss = ranges[bad_roots[0]]
        if not loss.shape:
            what = f"the loss is {loss.faults()}"
        return _finding(seen, bad_roots, what)
    leaves = [(name, n) for name, n in trace.leaves if ranges[n].bad]
    if not leaves:
        return None
    name, number = leaves[0]
    what = f"the gradient of {name} has {ranges[number].faults()}"
    if len(leaves) > 1:
        what += f", as have those of {len(leaves) - 1} more"
    return _finding(seen, [n for _, n in leaves], what)


def _finding(seen: Seen, bad: list[int], what: str) -> Finding:
    """The origin that was first in time, of all that is bad."""
    trace = seen.trace
    what = f"{what}, {trace.where}" if trace.where else what
    # Where gradients first went bad says it best if it was by what they met there.
    turns = [t for n in bad if (t := _turn(seen, n)) is not None]
    for turn in sorted(turns):
        mask = _mask_of(seen, turn[1])
        if mask is not None:
            finding = _of_node(seen, turn[1], turn[0], what, [])
            finding.masked, finding.mask = True, mask.where
            finding.advice = advice.for_masked(finding.op, mask)
            return finding
    # A NaN says more than an infinity, which may be what is left of it elsewhere.
    chosen = [n for n in bad if seen.ranges[n].nan] or bad
    origins = [_origin(seen, n) for n in chosen]
    origin, chain = min(origins, key=lambda pair: seen.makers.get(pair[0], -1))
    maker = seen.makers.get(origin)
    if maker is None:
        return _of_given(seen, origin, what, chain)
    node = seen.node_of(maker)
    made = trace.calls[maker]
    if node is not None:
        return _of_node(seen, node, maker, what, chain)
    if made.played:
        finding = Finding(what, "backward", f"a sum of gradients ({made.op})", made.where)
    else:
        finding = Finding(what, "forward", made.op, made.where, made.module)
    finding.inputs = _inputs(seen, made)
    finding.result = seen.ranges[origin]
    finding.chain = chain
    finding.advice = advice.for_forward(made.op, [r for _, r in finding.inputs], finding.result)
    finding.notes = trace.notes
    return finding


def _turn(seen: Seen, number: int) -> tuple[int, int] | None:
    """Where the gradients that lead to a bad one went bad: the rule's call, and its node."""
    while True:
        maker = seen.makers.get(number)
        if maker is None or not seen.trace.calls[maker].played:
            return None
        node = seen.node_of(maker)
        sources = [
            n
            for n in _values(seen.trace.calls[maker])
            if seen.ranges[n].bad and n in seen.makers and seen.trace.calls[seen.makers[n]].played
        ]
        if not sources:
            return None if node is None else (maker, node)
        number = min(sources)


def _origin(seen: Seen, number: int) -> tuple[int, list[str]]:
    """The value to blame for a bad one, and what happened to it on the way."""
    ranges = seen.ranges
    at = number
    if ranges[at].nan:
        at = _followed(seen, at, lambda r: bool(r.nan))
    maker = seen.makers.get(at)
    if maker is None:
        return at, []
    made = seen.trace.calls[maker]
    endless = [n for n in _values(made) if ranges[n].inf]
    if not endless:
        return at, []
    first = _followed(seen, endless[0], lambda r: bool(r.inf or r.nan))
    source = seen.makers.get(first)
    if _is_meant(seen, first, source):
        there = seen.trace.given[first].name if source is None else seen.trace.calls[source].op
        place = seen.trace.given[first].where if source is None else seen.trace.calls[source].where
        place = f" at {place}" if place else ""
        return at, [f"The infinity among its inputs was put there on purpose, by {there}{place}"]
    if first == at:
        return at, []
    return first, [f"The NaN came of that at {made.where} ({made.op})"] if ranges[at].nan else []


def _followed(seen: Seen, number: int, bad: Callable[[Range], bool]) -> int:
    """Back from a bad value to the one that was made of values that are not bad so."""
    while True:
        maker = seen.makers.get(number)
        if maker is None:
            return number
        inputs = [n for n in _values(seen.trace.calls[maker]) if bad(seen.ranges[n])]
        if not inputs or inputs[0] == number:
            return number
        number = min(inputs)


def _is_meant(seen: Seen, number: int, maker: int | None) -> bool:
    """Whether somebody wrote the infinity there."""
    if maker is None:
        given = seen.trace.given[number]
        known = given.kind == "buffer" or (given.kind == "other" and MAPPED not in seen.trace.notes)
        return known and not seen.ranges[number].nan
    call = seen.trace.calls[maker]
    return _says_infinity([*call.args, call.kwargs])


def _says_infinity(value: Any) -> bool:
    if isinstance(value, dict):
        if "float" in value:
            return "inf" in str(value["float"])
        return any(_says_infinity(v) for v in value.values())
    return isinstance(value, list) and any(_says_infinity(v) for v in value)


def _values(call: Call) -> list[int]:
    return values_in([*call.args, *call.kwargs.values()])


def _inputs(seen: Seen, call: Call) -> list[tuple[str, Range]]:
    """The inputs of a call with their names: the given value's, or the op's own."""
    from anadrome.op import table

    declared = table.get(call.op)
    names = () if declared is None or declared.variadic else declared.inputs
    told = []
    for i, arg in enumerate(call.args):
        for n in values_in(arg):
            given = seen.trace.given.get(n)
            name = names[i] if i < len(names) else f"input {i}"
            if given is not None and given.kind != "other":
                name = f"{name} = {given.name}"
            told.append((name, seen.ranges[n]))
    return told


def _of_given(seen: Seen, number: int, what: str, chain: list[str]) -> Finding:
    given = seen.trace.given[number]
    finding = Finding(what, "given", given.name, given.where, chain=chain)
    finding.result = seen.ranges[number]
    if given.kind == "made":
        finding.phase = "forward"
        finding.chain = ["That was done outside anadrome's ops", *chain]
        finding.notes = seen.trace.notes
        return finding
    users = [c for c in seen.trace.calls if number in _values(c)]
    if users:
        finding.where = users[0].where
        finding.chain = [f"It was first used by {users[0].op} at {users[0].where}", *chain]
    finding.advice = advice.for_given(given.kind)
    finding.notes = seen.trace.notes
    return finding


def _of_node(seen: Seen, number: int, maker: int, what: str, chain: list[str]) -> Finding:
    """The backward of an op is to blame."""
    trace, node = seen.trace, seen.trace.played[number]
    finding = Finding(what, "backward", _plain(trace, node), node.where, node.module, chain=chain)
    call = None if node.call is None else trace.calls[node.call]
    if call is not None:
        finding.inputs = _inputs(seen, call)
        finding.inputs += [("its result", seen.ranges[n]) for n in call.outputs[:1]]
    else:
        made = trace.calls[maker]
        finding.chain = [f"There it was made by {made.op} at {made.where}", *chain]
        finding.inputs = _inputs(seen, made)
    finding.inputs += [("the gradient that arrived", seen.ranges[n]) for n in node.arrived]
    bad = [n for n in node.results if seen.ranges[n].bad]
    finding.result = seen.ranges[bad[0]] if bad else None
    finding.notes = trace.notes
    given = [r for _, r in finding.inputs]
    finding.advice = advice.for_backward(finding.op, given, finding.result)
    return finding


def _plain(trace: Trace, node: Played) -> str:
    """The op's name, or a Function's."""
    return trace.calls[node.call].op if node.call is not None else function_name(node.name)


def _mask_of(seen: Seen, number: int) -> Call | None:
    """What leaves out the values for which a node's gradients are bad: the first call downstream
    that can, if the gradients are bad only where none arrived, and what went in was fine."""
    start = seen.trace.played[number].call
    if number not in seen.masked or start is None:
        return None
    if any(seen.ranges[n].bad for n in _values(seen.trace.calls[start])):
        return None
    reached = set(seen.trace.calls[start].outputs)
    for call in seen.trace.calls[start + 1 :]:
        inputs = _values(call)
        if call.played or reached.isdisjoint(inputs):
            continue
        others = [seen.ranges[n] for n in inputs if n not in reached]
        if call.op in advice.MASKS or (call.op == "mul" and any(map(advice.holds_zero, others))):
            return call
        reached.update(call.outputs)
    return None
