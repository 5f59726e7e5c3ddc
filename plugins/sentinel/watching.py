"""`sentinel`: one look a step, before the optimizer writes, and what it leads to."""

from __future__ import annotations

import functools
import types
import warnings
from collections.abc import Callable
from typing import Any

from anadrome import Tensor, sites
from anadrome.errors import AnadromeError
from anadrome.modes import tape
from anadrome.random import recorded_keys
from anadrome.tensor import unwrap

from .ops import has_nan, is_finite, is_scaled, runs_ahead
from .registry import current, listening
from .structure import after, before, leaves_of

FILE = "anadrome-replay.safetensors"

# When it was seen.
_BEFORE = "seen before the backward"
_AFTER = "seen after the backward"
_STEPPING = "seen before the optimizer's step"
_OVER = "seen after the step that was called"


class NonFiniteError(AnadromeError, FloatingPointError):
    """A step under `sentinel` gave NaN or an infinity; the text says where it came from.

    `finding`: the same in parts (see `anadrome.plugins.sentinel.diagnosing.Finding`), None where
    there was no step to run again. `file`: where the replay was saved, or None.
    """

    def __init__(self, text: str, finding: Any = None, file: str | None = None) -> None:
        super().__init__(text)
        self.finding = finding
        self.file = file


class sentinel:
    """Stop a training step that gives NaN or infinity, and say where that came from.

    Before an optimizer writes, it looks whether the loss and the gradients are all finite: one
    flag, read once. If they are not, it raises ``NonFiniteError``, and nothing is written. (Where
    no optimizer takes the gradients it looks at the end of the backward.) ``file``: where the
    replay is saved, a name that ends in ``.safetensors``; None for nowhere.

    Around a step, given as a function, it runs that step again before it raises (same arguments,
    same random keys) and watches every op. The error names the first to blame, the user's line, the
    ranges of its inputs, and the rewrite where the pattern is a known one::

        @ad.sentinel()
        def step(x, y):
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()

    As a ``with`` around a loop it can look at the graph only, and names what that tells.

    What may be infinite under an enabled ``GradScaler`` is let pass: the scaler skips such a step.

    >>> import anadrome as ad
    >>> w = ad.tensor([0.0, 4.0], requires_grad=True)
    >>> @ad.sentinel(file=None)
    ... def step():
    ...     ad.where(w > 0, w.sqrt(), 0.0).sum().backward()
    >>> step()
    Traceback (most recent call last):
    ...
    anadrome.plugins.sentinel.watching.NonFiniteError: the gradient of w has 1 NaN of 2 values...
    """

    def __init__(self, file: str | None = FILE) -> None:
        if callable(file):
            raise TypeError("sentinel() takes the file for the replay: write `@ad.sentinel()`")
        self.file = file
        #: How often it has looked.
        self.looks = 0
        self._tokens: list[Any] = []
        self._told = False

    def __call__(self, step: Callable[..., Any]) -> Watched:
        return Watched(step, self)

    def __enter__(self) -> sentinel:
        listening.start()
        self._tokens.append(current.set(Watch(self)))
        return self

    def __exit__(self, *exc: object) -> None:
        current.reset(self._tokens.pop())
        listening.stop()

    def tell(self) -> None:
        """Warn, once, that nothing is looked at."""
        if self._told:
            return
        self._told = True
        code, _ = site = sites.caller()
        warnings.warn_explicit(
            "ad.sentinel() has seen no backward in this step, so nothing was looked at. A step "
            "that `ad.capture` replays has none: watch the step without capture",
            UserWarning,
            *sites.line_of(site),
            module=code.co_name,
        )


class Watched:
    """A step under watch; called as the step is."""

    def __init__(self, step: Callable[..., Any], guard: sentinel) -> None:
        functools.update_wrapper(self, step)
        if not listening.on:
            listening.start()  # for good: a call has no time for it
        self.guard = guard
        self._step = step
        #: Watches of calls that are over. Calls may overlap: threads, recursion.
        self._idle: list[Watch] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        idle = self._idle
        watch = idle.pop() if idle else Watch(self.guard, self)
        token = current.set(watch)
        try:
            with recorded_keys() as keys:
                out = self._step(*args, **kwargs)
            if watch.roots:
                watch.end()
            if not watch.backwards:
                self.guard.tell()
            watch.backwards = watch.updates = 0
            idle.append(watch)
            return out
        except Hit as hit:
            if hit.watch is not watch:
                raise
            found = hit
        finally:
            current.reset(token)
        from .replaying import explained

        raise explained(self._step, args, kwargs, keys, found)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)


class Hit(BaseException):
    """Leaves the step. Not an Exception, so that no step catches it.

    `where`: at which line. `backwards`, `updates`: how many there were, this one included.
    """

    def __init__(self, watch: Watch, where: str) -> None:
        self.watch = watch
        self.where = where
        self.backwards = watch.backwards
        self.updates = watch.updates


class Watch:
    """One call of a step, or a whole loop (then `step` is None)."""

    __slots__ = (
        "backwards", "careful", "due", "graph", "guard", "leaves", "roots", "step", "updates",
    )  # fmt: skip

    def __init__(self, guard: sentinel, step: Watched | None = None) -> None:
        self.guard = guard
        self.step = step
        self.backwards = 0
        #: How often an optimizer was about to step.
        self.updates = 0
        #: What a backward started from, until it has been looked at; in a loop, until a step.
        self.roots: tuple[Tensor, ...] = ()
        self.graph: tuple[Tensor, ...] = ()
        #: The roots to be looked at with the gradients that an optimizer is gathering; else None.
        self.due: tuple[Tensor, ...] | None = None
        #: Whether to look at the end of a backward, since no optimizer is known to take what it
        #: gives. `leaves`: those it gave something, by id.
        self.careful = True
        self.leaves: set[int] = set()

    def backward(self, tensors: tuple[Tensor, ...]) -> Backward | None:
        """A backward begins."""
        if tape.get() is not None:  # of a step that is captured: its replays will not come by
            self.guard.tell()
            return None
        if self.roots:
            self.look_at_roots(_BEFORE)
        self.backwards += 1
        self.roots = tensors
        if self.step is None:
            self.graph = tensors
            if not runs_ahead(tensors[0]):
                self.look_at_roots(_BEFORE)
        return Backward(self, tensors) if self.careful else None

    def stepping(self, optimizer: Any) -> None:
        """An optimizer is about to step; look now, if it will not say what it has gathered."""
        if tape.get() is not None:
            return
        self.updates += 1
        roots = self.roots
        if roots and is_scaled(roots[0]):
            self.look_at_roots(_STEPPING)
            roots = ()
        self.roots = ()
        self.due = roots
        if not optimizer.announces_update:
            grads = [p.grad for group in optimizer.param_groups for p in group["params"]]
            self.updating([unwrap(grad) for grad in grads if grad is not None])
        if self.careful and self.leaves:
            self.leaves -= {id(p) for group in optimizer.param_groups for p in group["params"]}
            self.careful = bool(self.leaves)

    def updating(self, gradients: list[Any]) -> None:
        """An optimizer has its gradients together, and has not begun to write: the one look of an
        ordinary step."""
        roots = self.due
        if roots is None:
            return
        self.due = None
        arrays = [*gradients, *map(unwrap, roots)] if roots else gradients
        if arrays:
            self.look(arrays, _STEPPING)
        self.graph = ()

    def look(self, arrays: list[Any], when: str) -> None:
        """Stop if the arrays are not finite."""
        self.guard.looks += 1
        if not is_finite(arrays):
            self.hit(when)

    def look_at_roots(self, when: str) -> None:
        """Stop if what the last backward started from is not finite. A scaled loss may be infinite:
        then the scaler leaves the step out."""
        roots = self.roots
        self.roots = ()
        if not roots:
            return
        if not is_scaled(roots[0]):
            self.look([unwrap(root) for root in roots], when)
            return
        self.guard.looks += 1
        if has_nan(roots):
            self.hit(when)

    def end(self) -> None:
        """The step is over, and no optimizer has taken what its last backward gave."""
        scaled = is_scaled(self.roots[0])
        leaves = [] if scaled else leaves_of(self.roots)
        self.look_at_roots(_OVER)
        grads = [unwrap(leaf.grad) for leaf in leaves if leaf.grad is not None]
        if grads:
            self.careful = True
            self.look(grads, _OVER)

    def hit(self, when: str) -> None:
        """Stop the step, or the loop."""
        where = f"{when} at {sites.describe(sites.caller(2))}"
        if self.step is not None:
            raise Hit(self, where)
        self.roots = ()
        explain = before if when is _BEFORE else after
        raise NonFiniteError(explain(self.graph, where))


class Backward:
    """Around a backward of whose gradients nobody else takes care."""

    __slots__ = ("roots", "watch")

    def __init__(self, watch: Watch, roots: tuple[Tensor, ...]) -> None:
        self.watch = watch
        self.roots = roots

    def __enter__(self) -> None:
        pass

    def __exit__(self, failed: Any, *exc: object) -> None:
        if failed is not None:
            return
        watch = self.watch
        leaves = leaves_of(self.roots)
        watch.leaves = {id(leaf) for leaf in leaves}
        scaled = is_scaled(self.roots[0])
        watch.look_at_roots(_AFTER)
        grads = [unwrap(leaf.grad) for leaf in leaves if leaf.grad is not None]
        if grads and not scaled:
            watch.look(grads, _AFTER)
