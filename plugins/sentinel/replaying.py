"""replaying: the step once more, up to the backward that was hit, with everything noted down."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

from anadrome import Tensor, sites
from anadrome.backend import by_type
from anadrome.modes import current as state_now
from anadrome.modes import reset_state, set_state
from anadrome.random import replayed_keys
from anadrome.tensor import unwrap

from .diagnosing import Finding, Seen, diagnose
from .naming import Names
from .recording import Recorder
from .registry import current
from .watching import Hit, NonFiniteError


class Enough(BaseException):
    """Leaves the replay: the backward that was hit is over. Not an Exception, as `Hit` is none."""


class Replay:
    """In the place of a `Run` while its step is run again."""

    def __init__(self, recorder: Recorder, last: int) -> None:
        self.recorder = recorder
        self.last = last
        self.count = 0
        self.leaves: list[Tensor] = []
        self._hidden: list[tuple[Tensor, Tensor | None]] = []

    @contextlib.contextmanager
    def backward(self, tensors: tuple[Tensor, ...]) -> Iterator[None]:
        """Around a backward; after the last one nothing more is run."""
        self.leaves = []
        trace = self.recorder.trace
        trace.roots = [self.recorder.number(t) for t in tensors]
        with self.recorder.backward():
            yield
        self.count += 1
        if self.count == self.last:
            raise Enough
        for leaf in self.leaves:  # leaves may share what the rules gave them
            if leaf.grad is not None:
                leaf.grad = leaf.grad.detach().clone()

    def reached(self, leaf: Tensor) -> None:
        """A leaf has taken a gradient."""
        self.leaves.append(leaf)

    def stepping(self, optimizer: Any) -> None:
        """An earlier optimizer of the step has changed its parameters already: without gradients
        it has nothing to do."""
        self._hidden = [(p, p.grad) for g in optimizer.param_groups for p in g["params"]]
        for p, _ in self._hidden:
            p.grad = None

    def stepped(self, optimizer: Any) -> None:
        """The gradients are seen again."""
        for p, grad in self._hidden:
            p.grad = grad


def explained(
    step: Callable[..., Any], args: Any, kwargs: Any, keys: list[Any], hit: Hit
) -> NonFiniteError:
    """The error for a step that was hit, with what its replay shows."""
    run = hit.run
    backend = by_type[unwrap(hit.backward.roots[0]).__class__].name
    recorder = Recorder(Names(step, args, kwargs), backend)
    trace = recorder.trace
    trace.where = f"the backward at {sites.describe(hit.site)}"
    if run.steps:
        trace.notes.append(
            "An optimizer had stepped earlier in this step, so the replay began with changed "
            "parameters: watch each update as a step of its own"
        )
    replay = Replay(recorder, run.backwards)
    failed = _run_again(step, args, kwargs, keys, run.leaves, replay)
    if failed is not None:
        trace.notes.append(f"The replay broke off with {type(failed).__name__}: {failed}")
    finding = diagnose(Seen(trace, recorder.ranges, recorder.masked))
    if finding is None:
        return NonFiniteError(_unseen(trace.where, failed))
    return _saved(finding, recorder, run.guard.file)


def _run_again(
    step: Any, args: Any, kwargs: Any, keys: Any, leaves: list[Tensor], replay: Replay
) -> Exception | None:
    """Run the step, and leave everything as it was found; the exception that it ended with."""
    recorder = replay.recorder
    grads = {id(leaf): (leaf, leaf.grad) for leaf in leaves}
    for leaf, _ in grads.values():
        leaf.grad = None
    state = state_now()
    # Outermost: what autocast and its like make of an op is what is recorded.
    scope = set_state(state.but(modes=(recorder, *state.modes)))
    token = current.set(replay)
    failed: Exception | None = None
    try:
        with replayed_keys(keys), recorder.modules():
            step(*args, **kwargs)
    except Enough:
        for leaf in {id(x): x for x in replay.leaves}.values():
            if leaf.grad is not None:
                recorder.trace.leaves.append(
                    (recorder.names.of(leaf), recorder.number(leaf.grad))
                )
    except Exception as error:
        failed = error
    finally:
        current.reset(token)
        reset_state(scope)
        recorder.undo()
        for leaf, grad in grads.values():
            leaf.grad = grad
    return failed


def _saved(finding: Finding, recorder: Recorder, file: str | None) -> NonFiniteError:
    """The error, and the file beside it."""
    text = str(finding)
    recorder.trace.text = text
    if file is None:
        return NonFiniteError(text, finding)
    from .files import save

    try:
        save(file, recorder.trace, recorder.arrays)
    except Exception as error:  # of no use to the user in the place of the finding
        return NonFiniteError(f"{text}\n  The replay could not be saved: {error}", finding)
    path = os.fspath(file)
    return NonFiniteError(f"{text}\n  The step is saved: `anadrome replay {path}`", finding, path)


def _unseen(where: str, failed: Exception | None) -> str:
    text = f"NaN or an infinity after {where}, but the step run again gave finite values only"
    if failed is not None:
        return f"{text[: text.index(', but')]}. The step could not be run again: {failed!r}"
    return (
        f"{text}: it depends on something that changes from run to run (numbers of Python's "
        "`random` or of NumPy, a counter, state written in place). Draw random numbers with "
        "anadrome, and pass what changes as an argument"
    )
