"""state: what is active around a piece of code, and the scopes that change it.

All of it is one immutable ``State`` in one context variable, so an op pays one read for it when
nothing is active, and threads and asyncio tasks never see each other's modes.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .modes import Mode, saved_tensors_hooks


class State:
    """What is active here. Never changed: a mode puts a new one in its place."""

    __slots__ = ("_below", "functions", "grad", "inference", "modes", "partial", "saved_hooks")

    def __init__(
        self,
        grad: bool = True,
        inference: bool = False,
        modes: tuple[Mode, ...] = (),
        saved_hooks: tuple[saved_tensors_hooks, ...] = (),
        partial: bool = False,
        functions: tuple[bool, tuple[Any, ...]] = (True, ()),
    ) -> None:
        self.grad = grad
        self.inference = inference
        self.modes = modes
        self.saved_hooks = saved_hooks
        #: A backward is under way that delivers to chosen tensors only, not to every leaf.
        self.partial = partial
        #: Whether classes override public functions here, and the modes that see them
        #: (``core/overriding.py``).
        self.functions = functions
        self._below: State | None = None

    def but(self, **changes: Any) -> State:
        """The same state with some fields replaced."""
        out = State(
            self.grad, self.inference, self.modes, self.saved_hooks, self.partial, self.functions
        )
        for name, value in changes.items():
            setattr(out, name, value)
        return out

    def below(self) -> State:
        """The same state with the innermost mode off; each op call under a mode asks for it."""
        if self._below is None:
            self._below = self.but(modes=self.modes[:-1])
        return self._below


EAGER = State()
#: ``State.functions`` where public functions do what they do, whatever they are given.
NOTHING_OVERRIDES: tuple[bool, tuple[Any, ...]] = (False, ())
_state: contextvars.ContextVar[State] = contextvars.ContextVar("anadrome", default=EAGER)

#: What is active here. The C method itself, since every op asks.
current: Callable[[], State] = _state.get
#: Put a state in place, and take it back: for the engine and for mechanisms like checkpointing.
set_state = _state.set
reset_state = _state.reset


class Scope:
    """A context manager, and decorator, that changes the state while it is open.

    A Ctrl-C (or any exception of a signal) may come between two of its lines, so each puts back the
    state that it found itself: also what a scope inside, interrupted in its ``__exit__``, left on.
    """

    def change(self, state: State) -> State:
        """The state inside, from the state outside."""
        raise NotImplementedError

    def __enter__(self) -> Any:
        before = current()
        self.__dict__.setdefault("_before", []).append(before)
        try:
            set_state(self.change(before))
            return self
        except BaseException:
            set_state(before)
            raise

    def __exit__(self, *exc: object) -> None:
        set_state(self.__dict__["_before"][-1])
        self.__dict__["_before"].pop()

    def clone(self) -> Scope:
        """A fresh one with the same settings; a decorated function opens one a call."""
        fresh = object.__new__(type(self))
        fresh.__dict__.update({k: v for k, v in self.__dict__.items() if k != "_before"})
        return fresh

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(function):
            return self._around_generator(function)

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            before = current()
            try:
                with self.clone():
                    return function(*args, **kwargs)
            finally:
                set_state(before)

        return inside

    def _around_generator(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The mode is active while the generator runs, never while it is suspended."""

        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            generator = function(*args, **kwargs)
            step, sent = generator.send, None
            while True:
                with self.clone():
                    try:
                        value = step(sent)
                    except StopIteration as stop:
                        return stop.value
                try:
                    step, sent = generator.send, (yield value)
                except GeneratorExit:
                    with self.clone():
                        generator.close()
                    raise
                except BaseException as error:  # for the generator to handle
                    step, sent = generator.throw, error

        return inside
