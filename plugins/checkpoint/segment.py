"""One checkpointed call: what it takes to run it again, and the values that backward will want.

While the segment first runs, `saved_tensors_hooks` give each value that an op saves a placeholder.
When backward asks for one, the segment runs again, once for all of them, and the values are taken
as they pass by in the same order. The second run is under the settings of the first: its modes, its
random keys, recording on. What it records is thrown away; the graph of the first run remains.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from anadrome import Tensor
from anadrome.modes import Mode, State, current, reset_state, saved_tensors_hooks, set_state
from anadrome.random import replayed_keys

from .watching import Replaying, Watching


class CheckpointError(RuntimeError):
    """The second run of a checkpointed segment was not like the first."""


class Stop(BaseException):
    """Ends the second run: all is there. Not an Exception, so that no segment catches it."""


class Facts(NamedTuple):
    """What is known of a value of the first run, to recognise it in the second."""

    shape: tuple[int, ...]
    dtype: Any
    device: Any
    version: int

    def __str__(self) -> str:
        return f"{{'shape': {self.shape}, 'dtype': {self.dtype!r}, 'device': {self.device!r}}}"


class Holder:
    """A placeholder: stands in the graph for a value that the segment owes."""

    __slots__ = ("__weakref__", "index", "segment")

    def __init__(self, segment: Segment, index: int) -> None:
        self.segment = segment
        self.index = index


class Segment:
    """A call of ``function`` whose values are recomputed when backward asks for them."""

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        again: AbstractContextManager[Any] | None,
        check: bool,
        early_stop: bool,
        policy: Callable[[Any, tuple[Any, ...]], bool] | None,
        debug: bool,
    ) -> None:
        state = current()
        self.function = function
        self.modes = tuple(m for m in state.modes if not isinstance(m, (Watching, Replaying)))
        self.inputs = Inputs(args, kwargs, state)
        self.again = again
        self.check = check
        self.early_stop = early_stop
        self.debug = debug
        #: Filled by the tape of random keys, if there is one.
        self.keys: list[Any] | None = None
        self.holders: list[weakref.ref[Holder]] = []
        self.facts: list[Facts] = []
        self.watching = Watching(self.holders, policy, debug)
        self.lock = threading.RLock()
        #: Recomputed values that backward has not asked for yet, with their versions.
        self.values: dict[int, tuple[Tensor, int]] = {}

    def hooks(self) -> saved_tensors_hooks:
        """Placeholders for what is saved in the first run."""
        return saved_tensors_hooks(self.pack, unpack)

    def pack(self, value: Tensor) -> Holder:
        """A placeholder for one value."""
        holder = Holder(self, len(self.holders))
        self.holders.append(weakref.ref(holder))
        self.facts.append(_facts(value))
        return holder

    def value(self, index: int) -> Tensor:
        """The value of a placeholder; runs the segment again unless it is there already."""
        with self.lock:
            found = self.values.pop(index, None)
            if found is None:
                self.recompute()
                found = self.values.pop(index)
        value, version = found
        if value._version != version:
            raise _written(value, "after an op of the checkpointed function had saved it")
        return value

    def recompute(self) -> None:
        """Run the function again, under the settings of its first run."""
        run = Run(self)
        args, kwargs = self.inputs.again()
        here = tuple(
            m
            for m in current().modes
            if not (m.forward_only or m in self.modes or isinstance(m, (Watching, Replaying)))
        )
        replaying = Replaying(self.watching, run, self.early_stop)
        hooks = saved_tensors_hooks(run.pack, _as_it_is)
        token = set_state(
            State(grad=True, modes=(*here, *self.modes, replaying), saved_hooks=(hooks,))
        )
        try:
            keys = replayed_keys(self.keys) if self.keys is not None else nullcontext()
            with keys, self.again or nullcontext():
                self.function(*args, **kwargs)
        except Stop:
            pass
        except CheckpointError as error:
            raise self.explained(error, replaying) from error
        finally:
            reset_state(token)
        try:
            run.finish()
        except CheckpointError as error:
            raise self.explained(error, replaying) from error

    def explained(self, error: CheckpointError, replaying: Mode) -> CheckpointError:
        """With ``debug``, the error says which ops ran the first time, and which the second."""
        if not self.debug:
            return error
        first = "\n".join(self.watching.log)
        second = "\n".join(replaying.log)  # type: ignore[attr-defined]
        return CheckpointError(
            f"{error}\nOperations executed during the original forward:\n{first}\n"
            f"Operations executed during recomputation:\n{second}"
        )


class Run:
    """A second run: takes the values as they come."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.wanted = len(segment.holders)
        self.count = 0
        self.different: list[str] = []

    def pack(self, value: Tensor) -> Tensor:
        """Take the next value; also left in place, since the function may itself run backward."""
        segment = self.segment
        index = self.count
        self.count += 1
        if index >= self.wanted:
            if segment.watching.complete:
                raise CheckpointError(
                    "anadrome.utils.checkpoint: trying to save more tensors during recomputation "
                    "than during the original forward pass." + _advice(segment)
                )
            return value
        then, now = segment.facts[index], _facts(value)
        if now.version > then.version:
            raise _written(value, "between the checkpointed function's first run and its second")
        if segment.check and now[:3] != then[:3]:
            self.different.append(
                f"tensor at position {index}:\nsaved metadata: {then}\nrecomputed metadata: {now}"
            )
        if segment.holders[index]() is not None:
            segment.values[index] = (value, now.version)
        if segment.early_stop and self.count == self.wanted:
            raise Stop
        return value

    def finish(self) -> None:
        """Compare the two runs."""
        if self.count < self.wanted or (
            self.count > self.wanted and self.segment.watching.complete
        ):
            raise CheckpointError(
                "anadrome.utils.checkpoint: A different number of tensors was saved during the "
                "original forward and recomputation.\n"
                f"Number of tensors saved during forward: {self.wanted}\n"
                f"Number of tensors saved during recomputation: {self.count}."
                + _advice(self.segment)
            )
        if self.different:
            raise CheckpointError(
                "anadrome.utils.checkpoint: Recomputed values for the following tensors have "
                "different metadata than during the forward pass.\n"
                + "\n".join(self.different)
                + _advice(self.segment)
            )


class Inputs:
    """The arguments of a segment, for its second run.

    Within ``saved_tensors_hooks`` (those of an outer checkpoint, say) the Tensors among them are
    given to these, as any saved value is: so an inner segment keeps nothing that an outer one will
    recompute.
    """

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], state: State) -> None:
        hooks = state.saved_hooks[-1] if state.saved_hooks else None
        token = set_state(State(grad=False))  # no mode is told of these detaches
        try:
            self.args = [_Kept(a, hooks) if isinstance(a, Tensor) else a for a in args]
            self.kwargs = {
                k: _Kept(a, hooks) if isinstance(a, Tensor) else a for k, a in kwargs.items()
            }
        finally:
            reset_state(token)

    def again(self) -> tuple[list[Any], dict[str, Any]]:
        """The same arguments, with the Tensors cut off from the graph of the first run."""
        token = set_state(State(grad=False))
        try:
            return (
                [a.again() if isinstance(a, _Kept) else a for a in self.args],
                {k: a.again() if isinstance(a, _Kept) else a for k, a in self.kwargs.items()},
            )
        finally:
            reset_state(token)


class _Kept:
    """A Tensor argument: its memory (not a copy of it), or what hooks made of it."""

    __slots__ = ("handle", "requires_grad", "unpack", "version")

    def __init__(self, x: Tensor, hooks: saved_tensors_hooks | None) -> None:
        alias = x.detach()
        self.requires_grad = x.requires_grad
        self.version = alias._version
        self.unpack = None if hooks is None else hooks.unpack
        self.handle = alias if hooks is None else hooks.pack(alias)

    def again(self) -> Tensor:
        if self.unpack is not None:
            alias = self.unpack(self.handle).detach()
        else:
            alias = self.handle.detach()
            if alias._version != self.version:
                raise _written(alias, "after it had been passed to the checkpointed function")
        return alias.requires_grad_(self.requires_grad)


def unpack(holder: Holder) -> Tensor:
    """The value that a placeholder stands for."""
    return holder.segment.value(holder.index)


def _as_it_is(value: Tensor) -> Tensor:
    return value


def _facts(value: Tensor) -> Facts:
    return Facts(tuple(value.shape), value.dtype, value.device, value._version)


def _written(value: Tensor, when: str) -> RuntimeError:
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: a Tensor of shape {tuple(value.shape)} was changed {when}. Use the "
        "out-of-place form there, or change it after backward."
    )


def _advice(segment: Segment) -> str:
    if segment.debug:
        return ""
    return (
        "\nThe function must do the same both times: it may not depend on what changes in between "
        "(a global, a counter, a cache, the training mode). Pass `debug=True` to checkpoint to see "
        "the ops of both runs."
    )
