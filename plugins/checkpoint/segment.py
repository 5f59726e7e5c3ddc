"""One checkpointed call: what it takes to run it again, and the values that backward will want.

While the segment first runs, it takes what each recorded call saves, and leaves a mark that it
owes them. When backward comes to one, the segment runs again, once for all of them, and the same
calls of the second run are taken as they pass by, in the same order; backward plays their rules.
The second run is under the settings of the first: its modes, its random keys, recording on, memory
as it was. What it records is thrown away; the graph of the first run remains.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from typing import Any

from anadrome import Tensor
from anadrome.graph import Owed, tick
from anadrome.modes import Mode, State, current, reset_state, saved_tensors_hooks, set_state
from anadrome.random import replayed_keys
from anadrome.rerun import Overwritten, settle, written

from .comparing import CheckpointError, Fact, advice, difference, may_be_cached, of_node, of_value
from .inputs import Inputs, changed
from .keeping import Keeping
from .watching import Replaying, Watching


class Stop(BaseException):
    """Ends the second run: all is there. Not an Exception, so that no segment catches it."""


class Segment(saved_tensors_hooks):
    """A call of ``function`` whose values are recomputed when backward asks for them.

    It is what packs the saved values of its first run. ``check``: whether the ops of the two runs
    are compared; ``look``: how closely, their values.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        again: AbstractContextManager[Any] | None,
        check: bool,
        look: int,
        early_stop: bool,
        keeping: Keeping | None,
        debug: bool,
    ) -> None:
        state = current()
        self.function = function
        self.modes = tuple(m for m in state.modes if not isinstance(m, (Watching, Replaying)))
        self.inputs = Inputs(args, kwargs, state)
        self.again = again
        self.check = check
        self.look = look
        self.early_stop = early_stop
        self.debug = debug
        #: Filled by the tape of random keys, if there is one.
        self.keys: list[Any] | None = None
        self.owed: list[weakref.ref[Owed]] = []
        #: See ``comparing.Fact``.
        self.facts: list[tuple[Any, ...]] = []
        self.overwritten = Overwritten()
        self.keeping = keeping
        self.watching = Watching(self, keeping, debug) if keeping or debug else None
        self.lock = threading.RLock()
        #: Recomputed calls and values that backward has not asked for yet.
        self.twins: dict[int, Any] = {}
        #: When the first run ended; until then it is without end.
        self.finished = sys.maxsize
        #: The last that is owed, if it is an op's: its declaration, and the outline of its result.
        self.last: Any = None
        self.last_outline: Any = None

    # -- the first run ----------------------------------------------------------------------------
    def take(self, node: Any, data: Any) -> bool:
        frees = node.frees
        if frees or not may_be_cached(node):
            self.facts.append(of_node(node, data, self.look))
        if frees:
            node.saved = Owed(self, len(self.owed))
            self.owed.append(weakref.ref(node.saved))
            self.last = getattr(node, "op", None)
            self.last_outline = node.shape, node.dtype
        return True

    def pack(self, value: Tensor) -> Owed:
        """A mark for one value, such as an argument of an inner segment."""
        self.facts.append(of_value(value, self.look))
        owed = Owed(self, len(self.owed))
        self.owed.append(weakref.ref(owed))
        self.last = None
        return owed

    def writing(self, tensor: Tensor) -> None:
        self.overwritten.note(tensor)

    def rebinding(self, owner: Any, name: str) -> None:
        self.overwritten.note_buffer(owner, name)

    def finish(self) -> None:
        """The first run is over."""
        self.overwritten.finish()
        if self.keeping is not None:
            self.keeping.finish(len(self.owed), self.last)
        self.finished = tick()

    # -- what backward asks for -------------------------------------------------------------------
    def twin(self, owed: Owed, node: Any) -> Any:
        """The node of the second run that corresponds to ``node`` of the first."""
        twin = self._recomputed(owed.index)
        if twin.kind is node.kind:
            for mine, other in zip(node.edges, twin.edges):
                if other is None and mine is not None:
                    break
            else:
                return twin
        raise CheckpointError(
            f"anadrome.utils.checkpoint: the recomputation recorded {twin.where()} where the "
            f"original forward recorded {node.where()}, or another of its inputs required a "
            "gradient then." + advice(self.keys is None, self.debug)
        )

    def unpack(self, owed: Owed) -> Tensor:  # type: ignore[override]
        """The value that a mark stands for."""
        value, when = self._recomputed(owed.index)
        site = written(value, when, sys.maxsize)
        if site is not None:
            raise changed(value, site, "after an op of the checkpointed function had saved it")
        return value

    def _recomputed(self, index: int) -> Any:
        """What is owed under a number; runs the segment again unless it is there already."""
        with self.lock:
            found = self.twins.pop(index, None)
            if found is None:
                try:
                    self.recompute()
                except BaseException:
                    self.twins.clear()  # the memory goes back, and no half of a run is used
                    raise
                found = self.twins.pop(index)
        return found

    def recompute(self) -> None:
        """Run the function again, under the settings of its first run.

        In a context of its own: whatever interrupts it, no setting of it is left on.
        """
        copy_context().run(self._run_again)

    def _run_again(self) -> None:
        run = Run(self)
        args, kwargs = self.inputs.again(self.overwritten, self.finished, run.started)
        here = tuple(
            m
            for m in current().modes
            if not (m.forward_only or m in self.modes or isinstance(m, (Watching, Replaying)))
        )
        replaying = Replaying(run, self.keeping, self.debug)
        state = State(grad=True, modes=(*here, *self.modes, replaying), saved_hooks=(run,))
        keys = replayed_keys(self.keys) if self.keys is not None else nullcontext()
        with self.overwritten.undone() if self.overwritten else nullcontext():
            token = set_state(state)
            try:
                with keys, self.again or nullcontext():
                    self.function(*args, **kwargs)
            except Stop:
                pass
            finally:
                reset_state(token)
        try:
            run.finish()
        except CheckpointError as error:
            raise self.explained(error, replaying) from error

    def explained(self, error: CheckpointError, replaying: Mode) -> CheckpointError:
        """With ``debug``, the error says which ops ran the first time, and which the second."""
        if self.watching is None or not self.debug:
            return error
        first = "\n".join(self.watching.log)
        second = "\n".join(replaying.log)  # type: ignore[attr-defined]
        return CheckpointError(
            f"{error}\nOperations executed during the original forward:\n{first}\n"
            f"Operations executed during recomputation:\n{second}"
        )


class Run(saved_tensors_hooks):
    """A second run: takes the recorded calls as they come."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.started = tick()
        self.finished = segment.finished
        self.wanted = len(segment.owed)
        self.count = 0
        self.position = 0
        #: Whether the call at hand is made without computing its result.
        self.hollow = False
        self.error: Exception | None = None

    # -- as hooks ---------------------------------------------------------------------------------
    def take(self, node: Any, data: Any) -> bool:
        """Take the next call; its values stay in place, since the function may run backward."""
        segment = self.segment
        frees = node.frees
        if segment.check and (frees or not may_be_cached(node)):
            self._compare(of_node(node, data, segment.look if self._has_values() else 0))
        if not frees:
            return True
        if self._is_wanted():
            if segment.overwritten:
                node.saved = settle(node.saved, segment.overwritten)
            segment.twins[self.count - 1] = node
        self._stop_if_complete()
        return True

    def pack(self, value: Tensor) -> Tensor:
        """Take the next value."""
        if self.segment.check:
            self._compare(of_value(value, self.segment.look))
        if self._is_wanted():
            value = settle(value, self.segment.overwritten)
            self.segment.twins[self.count - 1] = value, tick()
        self._stop_if_complete()
        return value

    def unpack(self, value: Tensor) -> Tensor:  # type: ignore[override]
        return value

    # -- the comparison ---------------------------------------------------------------------------
    def fail(self, error: Exception) -> None:
        """End the run with an error, which the function cannot catch."""
        self.error = error
        raise Stop

    def _compare(self, now: Any) -> None:
        segment = self.segment
        position = self.position
        self.position += 1
        if position < len(segment.facts):
            then = segment.facts[position]
            if then[:4] != now[:4] or segment.look:
                different = difference(Fact(*then), Fact(*now), position, self._has_values())
                if different is not None:
                    why = advice(segment.keys is None, segment.debug)
                    self.fail(CheckpointError(different + why))

    def _has_values(self) -> bool:
        """Whether the call at hand has the values of the first run, to be compared with these."""
        keeping = self.segment.keeping
        return not self.hollow and (keeping is None or not keeping.mutated)

    def _is_wanted(self) -> bool:
        """Count one that is owed; whether anybody still waits for it."""
        segment = self.segment
        index = self.count
        self.count += 1
        if index < self.wanted:
            return segment.owed[index]() is not None
        if segment.finished < sys.maxsize:
            self.fail(
                CheckpointError(
                    "anadrome.utils.checkpoint: trying to save more tensors during recomputation "
                    "than during the original forward pass."
                    + advice(segment.keys is None, segment.debug)
                )
            )
        return False

    def _stop_if_complete(self) -> None:
        if self.count == self.wanted and self.segment.early_stop:
            raise Stop

    def check_unchanged(self, args: tuple[Any, ...], op: str) -> None:
        """End the run if somebody wrote to what an op reads, after the first run had read it."""
        segment = self.segment
        for x in args:
            if not isinstance(x, Tensor) or x in segment.overwritten:
                continue
            site = written(x, segment.finished, self.started)
            if site is not None:
                when = "between the checkpointed function's first run and its second, where "
                self.fail(changed(x, site, f"{when}{op} reads it"))

    def finish(self) -> None:
        """Raise what ended the run, or if there was less than is owed."""
        if self.error is not None:
            raise self.error
        if self.count < self.wanted:
            segment = self.segment
            raise CheckpointError(
                "anadrome.utils.checkpoint: A different number of tensors was saved during the "
                "original forward and recomputation.\n"
                f"Number of ops that saved tensors during forward: {self.wanted}\n"
                f"Number of ops that saved tensors during recomputation: {self.count}."
                + advice(segment.keys is None, segment.debug)
            )
