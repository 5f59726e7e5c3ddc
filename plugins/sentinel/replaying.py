"""replaying: the step once more, up to the backward that was hit, with everything noted down."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from anadrome import Tensor
from anadrome.modes import aside, reset_state, set_state
from anadrome.modes import current as state_now
from anadrome.random import replayed_keys
from anadrome.tensor import unwrap

from .diagnosing import Finding, Seen, diagnose
from .naming import Names
from .ops import is_scaled
from .ranges import ranged
from .recording import Recorder
from .registry import current
from .structure import leaves_of
from .watching import Hit, NonFiniteError


class Enough(BaseException):
    """Leaves the replay: the backward that was hit is over. Not an Exception, as `Hit` is none."""


class Replay:
    """In the place of a `Watch` while its step is run again."""

    def __init__(self, recorder: Recorder, hit: Hit) -> None:
        self.recorder = recorder
        self.hit = hit
        self.backwards = 0
        self.updates = 0
        #: Leaves, with the gradients that they had before the replay.
        self.grads: dict[int, tuple[Tensor, Tensor | None]] = {}

    @contextlib.contextmanager
    def backward(self, tensors: tuple[Tensor, ...]) -> Iterator[None]:
        """Around a backward: nothing more is run once something is bad."""
        trace = self.recorder.trace
        self.backwards += 1
        leaves = leaves_of(tensors)
        for leaf in leaves:
            if id(leaf) not in self.grads and id(leaf) not in self.recorder.reset:
                # What it has is this very gradient, or one that was looked at before.
                self.grads[id(leaf)] = (leaf, leaf.grad)
                with aside():
                    leaf.grad = None
        trace.roots = [self.recorder.number(t) for t in tensors]
        with self.recorder.backward():
            yield
        self._note(leaves)
        if is_scaled(tensors[0]):
            trace.leaves = []
        seen = self.recorder.ranges
        bad = any(seen[n].bad for n in (*trace.roots, *(n for _, n in trace.leaves)))
        last = self.backwards == self.hit.backwards and self.updates == self.hit.updates
        if bad or last:
            raise Enough
        for leaf in leaves:  # they may share what the rules gave them
            if leaf.grad is not None:
                leaf.grad = leaf.grad.detach().clone()

    def _note(self, leaves: Iterable[Tensor]) -> None:
        recorder = self.recorder
        recorder.trace.leaves = [
            (recorder.names.of(leaf), recorder.number(leaf.grad))
            for leaf in leaves
            if leaf.grad is not None
        ]

    def stepping(self, optimizer: Any) -> None:
        """Nothing is written. Where the hit was further on, the parameters have been changed
        already, and without gradients an optimizer has nothing to do."""
        self.updates += 1
        params = [p for group in optimizer.param_groups for p in group["params"]]
        if self.updates == self.hit.updates:
            self._note(params)
            raise Enough
        hidden = [(p, p.grad) for p in params]
        with aside():
            for p in params:
                p.grad = None

        def shown(*_: Any) -> None:
            handle.remove()
            with aside():
                for p, grad in hidden:
                    p.grad = grad

        handle = optimizer.register_step_post_hook(shown)

    def updating(self, gradients: list[Any]) -> None:
        """No gradient was left to gather."""

    def added_to(self) -> bool:
        """Whether the step adds to gradients that are bad now, and may have been so before it."""
        return any(grad is not None and ranged(unwrap(grad)).bad for _, grad in self.grads.values())


def explained(
    step: Callable[..., Any], args: Any, kwargs: Any, keys: list[Any], hit: Hit
) -> NonFiniteError:
    """The error for a step that was hit, with what its replay shows."""
    try:
        return _explained(step, args, kwargs, keys, hit)
    except Exception as error:  # the user is to learn of the hit, whatever we stumble over
        return NonFiniteError(
            f"NaN or an infinity, {hit.where}. Where it came from could not be found: {error!r}"
        )


def _explained(
    step: Callable[..., Any], args: Any, kwargs: Any, keys: list[Any], hit: Hit
) -> NonFiniteError:
    recorder = Recorder(Names(step, args, kwargs))
    trace = recorder.trace
    trace.where = hit.where
    if hit.updates > 1:
        trace.notes.append(
            "An optimizer had stepped earlier in this step, so the replay began with changed "
            "parameters: watch each update as a step of its own"
        )
    replay = Replay(recorder, hit)
    failed = _run_again(step, args, kwargs, keys, replay)
    if failed is not None:
        trace.notes.append(f"The replay broke off with {type(failed).__name__}: {failed}")
    finding = diagnose(Seen(trace, recorder.ranges, recorder.masked))
    if finding is None:
        return NonFiniteError(_unseen(trace.where, failed, replay.added_to()))
    return _saved(finding, recorder, hit.watch.guard.file)


def _run_again(step: Any, args: Any, kwargs: Any, keys: Any, replay: Replay) -> Exception | None:
    """Run the step, and leave everything as it was found; the exception that it ended with."""
    recorder = replay.recorder
    state = state_now()
    # Outermost: what autocast and its like make of an op is what is recorded.
    scope = set_state(state.but(modes=(recorder, *state.modes)))
    token = current.set(replay)
    try:
        with replayed_keys(keys), recorder.looking():
            step(*args, **kwargs)
    except Enough:
        pass
    except Exception as error:
        return error
    finally:
        current.reset(token)
        reset_state(scope)
        recorder.undo()
        for leaf, grad in (*replay.grads.values(), *recorder.reset.values()):
            leaf.grad = grad
    return None


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


def _unseen(where: str, failed: Exception | None, added_to: bool) -> str:
    text = f"NaN or an infinity, {where}"
    if failed is not None:
        return f"{text}. The step could not be run again: {failed!r}"
    text += ", but the step run again gave finite values only: "
    if added_to:
        text += (
            "either the gradients that were there before, to which it adds, were not finite (write "
            "`optimizer.zero_grad()` first), or "
        )
    return (
        f"{text}it depends on something that changes from run to run (numbers of Python's `random` "
        "or of NumPy, a counter, state written in place). Draw random numbers with anadrome, and "
        "pass what changes as an argument"
    )
