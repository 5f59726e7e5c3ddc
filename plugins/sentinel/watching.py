"""`sentinel`: one look after each backward, and what to do when it sees something."""

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

from .ops import has_nan, is_finite
from .registry import current

FILE = "anadrome-replay.safetensors"


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

    Once a backward it looks whether what the backward started from and the gradients that it gave
    are all finite: one flag, read once. If they are not, it raises ``NonFiniteError`` before the
    optimizer has written anything. ``file``: where the replay is saved; None for nowhere.

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
        #: How many backwards it has looked at.
        self.looks = 0
        self._tokens: list[Any] = []

    def __call__(self, step: Callable[..., Any]) -> Watched:
        return Watched(step, self)

    def __enter__(self) -> sentinel:
        self._tokens.append(current.set(Run(self)))
        return self

    def __exit__(self, *exc: object) -> None:
        current.reset(self._tokens.pop())


class Watched:
    """A step under watch; called as the step is."""

    def __init__(self, step: Callable[..., Any], guard: sentinel) -> None:
        functools.update_wrapper(self, step)
        self.guard = guard
        self._step = step
        self._silent = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        run = Run(self.guard, self)
        token = current.set(run)
        try:
            with recorded_keys() as keys:
                out = self._step(*args, **kwargs)
            if not run.backwards and not self._silent:
                self._tell()
            return out
        except Hit as hit:
            if hit.run is not run:
                raise
            found = hit
        finally:
            current.reset(token)
        from .replaying import explained

        raise explained(self._step, args, kwargs, keys, found)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def _tell(self) -> None:
        self._silent = True
        warnings.warn(
            "ad.sentinel() has seen no backward in this step, so nothing was looked at. A step that "
            "`ad.capture` replays has none: watch the step without capture, or look at the loss",
            stacklevel=3,
        )


class Hit(BaseException):
    """Leaves the step. Not an Exception, so that no step catches it."""

    def __init__(self, run: Run, backward: Backward, site: sites.Site) -> None:
        self.run = run
        self.backward = backward
        self.site = site


class Run:
    """One call of a step, or a whole loop (then `step` is None)."""

    __slots__ = ("backward_now", "backwards", "guard", "leaves", "step", "steps")

    def __init__(self, guard: sentinel, step: Watched | None = None) -> None:
        self.guard = guard
        self.step = step
        self.backwards = 0
        #: Optimizer steps taken.
        self.steps = 0
        self.backward_now: Backward | None = None
        #: The leaves of a step's earlier backwards.
        self.leaves: list[Tensor] = []

    def backward(self, tensors: tuple[Tensor, ...]) -> Backward:
        """Around a backward."""
        return Backward(self, tensors)

    def reached(self, leaf: Tensor) -> None:
        """A leaf has taken a gradient."""
        now = self.backward_now
        if now is not None:
            now.leaves.append(leaf)

    def stepping(self, optimizer: Any) -> None:
        """Nothing to do: what it is about to write with has been looked at."""

    def stepped(self, optimizer: Any) -> None:
        """Count it."""
        self.steps += 1


class Backward:
    """One backward: the leaves that it reaches, and the look at its end."""

    __slots__ = ("leaves", "outer", "roots", "run")

    def __init__(self, run: Run, roots: tuple[Tensor, ...]) -> None:
        self.run = run
        self.roots = roots
        self.leaves: list[Tensor] = []

    def __enter__(self) -> None:
        run = self.run
        self.outer = run.backward_now
        run.backward_now = self

    def __exit__(self, failed: Any, *exc: object) -> None:
        run = self.run
        run.backward_now = self.outer
        if failed is not None:
            return
        run.backwards += 1
        run.guard.looks += 1
        if run.step is not None:
            run.leaves += self.leaves
        if tape.get() is None and not self.is_fine():
            self.hit()

    def is_fine(self) -> bool:
        """Whether what the step is going to use is finite."""
        if any(t.grad_fn is not None and is_scaled(t.grad_fn) for t in self.roots):
            return not has_nan(self.roots)
        looked_at = list(self.roots)
        for leaf in self.leaves:
            grad = leaf.grad
            if grad is not None:
                looked_at.append(grad)
        return is_finite(looked_at)

    def hit(self) -> None:
        """Stop the step."""
        site = sites.caller(2)
        if self.run.step is not None:
            raise Hit(self.run, self, site)
        from .structure import told

        raise NonFiniteError(told(self.roots, self.leaves, site))


def is_scaled(node: Any) -> bool:
    """Whether a `GradScaler` made this of a loss: it notes that on the node."""
    hooks = node.hooks
    return hooks is not None and "amp_scale" in hooks.notes
