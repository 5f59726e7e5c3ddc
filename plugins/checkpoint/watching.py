"""The modes that see the ops of a checkpointed segment, in its first run and in its second.

The first notes which call was the last to save something, and keeps the results that a policy asks
for. The second hands those back instead of computing them, and does not compute the last call: its
arguments are all that is still wanted.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import anadrome as ad
from anadrome import Mode, Tensor, sites
from anadrome.general import replayed
from anadrome.modes import State, reset_state, set_state
from anadrome.op import describe_argument

Policy = Callable[[Any, tuple[Any, ...]], bool]


def cheap_ops(op: Any, args: tuple[Any, ...]) -> bool:
    """Keep the results of products and convolutions, which are autocast's HALF ops."""
    return op.amp is ad.HALF


class Watching(Mode):
    """Numbers the op calls of the first run."""

    def __init__(self, saved: list[weakref.ref[Any]], policy: Policy | None, debug: bool) -> None:
        self.saved = saved
        self.policy = policy
        self.debug = debug
        self.log: list[str] = []
        self.calls = 0
        self.complete = False
        self.kept: dict[int, Kept] = {}
        #: The last call that saved something: its number, how much was saved before and after it,
        #: and its results if they are not among what it saved.
        self.last = -1
        self.last_op: Any = None
        self.before_last = self.after_last = 0
        self.last_results: Any = None

    def intercept(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        number = self.calls
        self.calls += 1
        if self.debug:
            self.log.append(_line(op, args))
        before = len(self.saved)
        out = op(*args, **kwargs)
        after = len(self.saved)
        if after > before:
            self.last, self.last_op = number, op.op
            self.before_last, self.after_last = before, after
            self.last_results = None if op.op.saves_outputs else _outlines(out)
        if self.policy is not None and self.policy(op.op, args):
            self.kept[number] = Kept(op.op.name, out)
        return out

    def finish(self) -> None:
        """The first run is over: forget the results that the second will not come to."""
        self.complete = True
        if self.after_last == len(self.saved):
            end = self.last if self.last_results is not None else self.last + 1
            self.kept = {number: kept for number, kept in self.kept.items() if number < end}
        else:  # the last to save was no op but a Function
            self.last = -1


class Replaying(Mode):
    """Answers for op calls of the second run."""

    def __init__(self, watched: Watching, run: Any, early_stop: bool) -> None:
        self.watched = watched
        self.run = run
        self.early_stop = early_stop
        self.log: list[str] = []
        self.calls = 0

    def intercept(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        watched = self.watched
        number = self.calls
        self.calls += 1
        if watched.debug:
            self.log.append(_line(op, args))
        kept = watched.kept.get(number)
        if kept is not None:
            return replayed(op.op, kept.result(op.op.name))(*args, **kwargs)
        if number == watched.last and op.op is watched.last_op and self._is_last():
            empty = tuple(ad.empty(s, dtype=t, device=d) for s, t, d in watched.last_results)
            replayed(op.op, empty if len(empty) > 1 else empty[0])(*args, **kwargs)
            self.run.finish()  # it saves what is wanted and ends the run, or less and raises
        return op(*args, **kwargs)

    def _is_last(self) -> bool:
        """Whether nothing but the arguments of this call is still wanted."""
        watched = self.watched
        return (
            self.early_stop
            and watched.complete
            and watched.last_results is not None
            and self.run.count == watched.before_last
            and self.run.wanted == watched.after_last
        )


class Kept:
    """A result that a policy keeps: its memory, not a copy of it."""

    __slots__ = ("name", "results", "several", "versions")

    def __init__(self, name: str, out: Any) -> None:
        self.name = name
        self.several = isinstance(out, tuple)
        token = set_state(State(grad=False))  # no mode is told of these detaches
        try:
            self.results = tuple(x.detach() for x in (out if self.several else (out,)))
        finally:
            reset_state(token)
        self.versions = tuple(x._version for x in self.results)

    def result(self, name: str) -> Any:
        """What the op named ``name`` returned in the first run."""
        if name != self.name:
            from .segment import CheckpointError

            raise CheckpointError(
                f"anadrome.utils.checkpoint: the recomputation calls {name} where the original "
                f"forward called {self.name}, whose result was kept. The function must do the same "
                "both times."
            )
        if tuple(x._version for x in self.results) != self.versions:
            raise RuntimeError(
                "Tensor cached during selective activation checkpoint has been mutated: a result "
                f"of {name} was changed in place. Use the out-of-place form, or a policy that does "
                "not keep it."
            )
        return self.results if self.several else self.results[0]


def _outlines(out: Any) -> tuple[Any, ...]:
    outs = out if isinstance(out, tuple) else (out,)
    return tuple((tuple(x.shape), x.dtype, x.device) for x in outs)


def _line(op: Any, args: tuple[Any, ...]) -> str:
    told = ", ".join(describe_argument(a) if isinstance(a, Tensor) else repr(a) for a in args)
    return f"{op.op.name}({told}) at {sites.describe(sites.caller(2))}"
