"""program: a tape made into one straight-line Python function, and into text.

What nobody needs is left out, what is always the same is computed once, and what was used for the
last time is freed.
"""

from __future__ import annotations

import functools
import itertools
import linecache
import math
import re
import weakref
from collections.abc import Callable
from typing import Any

from .. import modes, sites
from ..backend import by_type
from ..graph import tick
from ..tensor import LEAF, Tensor, wrap
from .arguments import RESERVED
from .tape import Tape
from .traced import is_array
from .writing import Writer, described

_serial = itertools.count(1)
#: Names of the files of programs that are no more.
_freed: list[str] = []


def situation() -> tuple[Any, ...]:
    """What a program depends on besides its inputs: grad mode, and the modes around the step."""
    state = modes.current()
    around = tuple(
        (type(m), {k: v for k, v in vars(m).items() if not k.startswith("_")}) for m in state.modes
    )
    return state.grad, state.inference, around


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
        self._taken = {title, *inputs, *(f"{name}_" for name in inputs), *RESERVED}
        writer = Writer(self, tape, names)
        writer.write(title, inputs, result)
        filename = f"<anadrome capture {next(_serial)}: {title}>"
        scope = dict(self.space)
        exec(compile(self.source, filename, "exec"), scope)
        self.run = scope[title]
        sites.known[filename] = True
        linecache.cache[filename] = (len(self.source), None, self.source.splitlines(True), filename)
        # Not taken out when the program is freed: linecache itself may be walking its cache then.
        while _freed:
            name = _freed.pop()
            linecache.cache.pop(name, None)
            sites.known.pop(name, None)
        weakref.finalize(self, _freed.append, filename)

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
                places = (p for t, p in self.lines if p and re.search(rf"\b{name}\b", t))
                at = next(places, "its end")
                return f"`{name}` ({described(value)}) is another one each time, used at {at}"
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
        if is_array(a):  # made anew with the same values, and never written
            if name not in self.fixed or a.shape != b.shape or a.dtype != b.dtype:
                return False
            host = by_type[type(a)].to_host
            return host(a).tobytes() == host(b).tobytes()
        return bool(a == b or (a != a and b != b))
