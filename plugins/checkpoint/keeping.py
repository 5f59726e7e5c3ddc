"""The results that a policy keeps, so that the second run need not compute them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from anadrome import Tensor
from anadrome.errors import ModifiedInPlaceError
from anadrome.graph import tick
from anadrome.modes import current
from anadrome.rerun import alias, is_argument, written

#: ``policy(op, args)``: whether to keep what an op, by its declaration, makes of its arguments.
Policy = Callable[[Any, tuple[Any, ...]], bool]

#: Which call it is: the how manieth recorded one, or the how manieth of an op that is not recorded
#: (a mask, say, that the first run computes and caches).
Key = tuple[Any, int]


class Keeping:
    """The kept results of one call of a segment."""

    #: Whether a kept result that was changed in place is taken as it is.
    allow_mutation = False

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.kept: dict[Key, Kept] = {}
        self.counts: dict[Any, int] = {}
        #: Whether one was changed in place and taken: then no later value need be the first run's.
        self.mutated = False

    def concerns(self, op: Any) -> bool:
        """Whether results of this op may be kept; others are not even counted."""
        return True

    def key(self, counts: dict[Any, int], op: Any, args: tuple[Any, ...]) -> Key:
        """The key of the call at hand, in a run that has come as far as ``counts``."""
        group = None if is_recorded(args) else op.name
        number = counts[group] = counts.get(group, 0) + 1
        return group, number

    def call(self, op: Any, args: Any, kwargs: Any) -> Any:
        """Make the call."""
        return op(*args, **kwargs)

    def watch(self, op: Any, args: Any, kwargs: Any, owed: list[Any]) -> Any:
        """Make a call of the first run and keep what it returns, if that is wanted."""
        declared = op.op
        key = self.key(self.counts, declared, args)
        before = len(owed)
        out = self.call(op, args, kwargs)
        if not declared.mutates:
            kept = self.kept_of(declared, args, kwargs, out)
            if kept is not None and not is_argument(out, args):
                kept.owed = before, len(owed)
                self.kept[key] = kept
        return out

    def kept_of(self, op: Any, args: Any, kwargs: Any, out: Any) -> Kept | None:
        """What is kept of a call."""
        return Kept(op.name, out) if self.policy(op, args) else None

    def finish(self, owed: int, last: Any) -> None:
        """Forget the results that the second run will not come to.

        It ends with the last call that is owed, and computes it only if that saves its ``outputs``.
        ``last``: that call's op, or None if it is none of an op.
        """
        if last is None:
            return
        end = (owed - 1, owed)
        self.kept = {
            key: kept
            for key, kept in self.kept.items()
            if kept.owed[0] < owed and (kept.owed != end or last.saves_outputs)
        }

    def result(self, key: Key) -> Any:
        """What the call returned in the first run; None if it is to be computed again."""
        kept = self.kept.get(key)
        if kept is None:
            return None
        if not kept.is_whole():
            if not self.allow_mutation:
                return self.spoiled(kept)
            self.mutated = True
        return kept.result()

    def spoiled(self, kept: Kept) -> Any:
        """The answer for a result that was changed in place since."""
        raise ModifiedInPlaceError(
            "Tensor cached during selective activation checkpoint has been mutated: a result of "
            f"{kept.name} was changed in place. Use the out-of-place form, or a policy that does "
            "not keep it."
        )


class Kept:
    """A result that a policy keeps: its memory, not a copy of it; or a copy on the host."""

    __slots__ = ("devices", "name", "owed", "results", "several", "when", "work")

    def __init__(self, name: str, out: Any, on_host: bool = False) -> None:
        self.name = name
        self.work = 0.0
        #: How much the segment owed before the call, and after it.
        self.owed = (0, 0)
        self.several = isinstance(out, tuple)
        self.results = tuple(alias(x) for x in (out if self.several else (out,)))
        self.devices = tuple(x.device for x in self.results) if on_host else None
        if on_host:
            self.results = tuple(x.to("cpu") for x in self.results)
        self.when = tick()

    def size(self) -> int:
        """Bytes."""
        return sum(x.numel() * x.element_size() for x in self.results)

    def is_whole(self) -> bool:
        """Whether nobody wrote to it since."""
        return all(written(x, self.when, sys.maxsize) is None for x in self.results)

    def result(self) -> Any:
        """What the op returned in the first run."""
        results = self.results
        if self.devices is not None:
            results = tuple(x.to(device) for x, device in zip(results, self.devices))
        return results if self.several else results[0]


def is_recorded(args: tuple[Any, ...]) -> bool:
    """Whether a call of an op with a rule is recorded here."""
    return current().grad and any(isinstance(a, Tensor) and a.requires_grad for a in args)
