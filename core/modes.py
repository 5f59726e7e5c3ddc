"""modes: what is switched on around a piece of code: grad mode, interceptors, saved-value hooks.

All of it is in the one ``State`` that is active there (``state.py``).
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Callable, Iterator
from typing import Any

from .state import EAGER as EAGER
from .state import NOTHING_OVERRIDES as NOTHING_OVERRIDES
from .state import Scope, State, current, set_state
from .state import reset_state as reset_state
from .switches import switch


class set_grad_enabled(Scope):
    """Switch recording on or off (PyTorch: ``torch.set_grad_enabled``).

    Takes effect when called, as in PyTorch, and is undone when used in a ``with``.

    >>> import anadrome as ad
    >>> with ad.set_grad_enabled(False):
    ...     ad.is_grad_enabled()
    False
    """

    def __init__(self, mode: bool) -> None:
        self.mode = mode if mode.__class__ is bool else switch(mode, "set_grad_enabled", "mode")
        self._first: Any = set_state(current().but(grad=self.mode))

    def change(self, state: State) -> State:
        return state.but(grad=self.mode)

    def __enter__(self) -> Any:
        self._undo_first()
        return super().__enter__()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        self._undo_first()
        return super().__call__(function)

    def clone(self) -> Scope:
        fresh = super().clone()
        fresh.__dict__["_first"] = None
        return fresh

    def _undo_first(self) -> None:
        first = self.__dict__.get("_first")
        if first is not None:
            reset_state(first)
            self._first = None


class _GradMode(Scope):
    """A grad mode that may be used with or without parentheses as a decorator."""

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        self = object.__new__(cls)
        if function is None:
            return self
        if not callable(function):
            raise TypeError(
                f"{cls.__name__}() takes nothing, or as a decorator a function, not "
                f"{type(function).__name__}"
            )
        return self(function)

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        pass


class no_grad(_GradMode):
    """Nothing inside is recorded (PyTorch: ``torch.no_grad``); context manager or decorator.

    >>> import anadrome as ad
    >>> x = ad.ones(2, requires_grad=True)
    >>> with ad.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    def change(self, state: State) -> State:
        return state.but(grad=False)


class enable_grad(_GradMode):
    """Recording is on inside, also within ``no_grad`` (PyTorch: ``torch.enable_grad``)."""

    def change(self, state: State) -> State:
        return state.but(grad=True)


#: Whether inference mode was ever on: until then nobody asks whether a value was made in it.
inference_met = False


class inference_mode(Scope):
    """As ``no_grad``, and what is made inside may never enter a graph (PyTorch's name).

    ``inference_mode(False)`` is a place inside where both are as if there were no such mode.

    >>> import anadrome as ad
    >>> with ad.inference_mode():
    ...     y = ad.ones(2) * 2
    >>> y.requires_grad, y.is_inference()
    (False, True)
    """

    def __init__(self, mode: bool = True) -> None:
        self.mode = switch(mode, "inference_mode", "mode")

    def __new__(cls, mode: Any = True) -> Any:
        self = object.__new__(cls)
        if callable(mode):
            self.mode = True
            return self(mode)
        return self

    def change(self, state: State) -> State:
        global inference_met
        inference_met = inference_met or self.mode
        return state.but(grad=not self.mode, inference=self.mode)


def is_grad_enabled() -> bool:
    """Whether ops are being recorded here."""
    return current().grad


def is_inference_mode_enabled() -> bool:
    """Whether ``inference_mode`` is active here."""
    return current().inference


class Mode(Scope):
    """Sees each op call while it is active: autocast, profiling, tracing (an interceptor).

    Override ``intercept``; it runs with this mode off, so it may call ops freely. The counterpart
    in PyTorch is ``TorchFunctionMode``.

    >>> import anadrome as ad
    >>> class Count(ad.Mode):
    ...     calls = 0
    ...     def intercept(self, op, args, kwargs):
    ...         self.calls += 1
    ...         return op(*args, **kwargs)
    >>> with Count() as count:
    ...     y = ad.ones(2) + 1
    >>> count.calls
    1
    """

    #: Whether this is a setting of the forward, such as autocast. It is then off while a backward
    #: runs (a rule works in the precision that its op had), and a checkpointed segment is
    #: recomputed under it.
    forward_only = False

    #: Whether a backward plays its rules over Tensors, so that this mode sees the ops of the rules.
    #: It is slower, and records no graph by that.
    sees_rules = False

    def intercept(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer for one op call; ``op(*args, **kwargs)`` proceeds."""
        return op(*args, **kwargs)

    def takes(self, composite: Any) -> bool:
        """Whether a function that is announced as one (``core/composite.py``) comes to ``taken``.

        Else this mode sees the ops that it is made of.
        """
        return False

    def taken(self, composite: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer for a call of one; ``composite(*args, **kwargs)`` proceeds, with this mode off."""
        return composite(*args, **kwargs)

    def detached(self, source: Any, result: Any) -> None:
        """Told of each ``source.detach()`` that cuts a graph while the mode is active."""

    def touched(self, tensor: Any, new_grad: bool) -> None:
        """Told before code outside an op touches a Tensor's array, or replaces its ``.grad``."""

    def serve(self, backend: Any) -> Any:
        """What makes new arrays here, in place of ``backend``."""
        return backend

    def live(self, fresh: Callable[[], Any]) -> Any:
        """Answer for ``anadrome.modes.live``."""
        return fresh()

    def change(self, state: State) -> State:
        return state.but(modes=(*state.modes, self))


def intercepted(state: State, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Hand the call to the innermost mode, with that mode off."""
    try:
        set_state(state.below())
        return state.modes[-1].intercept(op, args, kwargs)
    finally:
        set_state(state)


def as_given(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call it without those modes that are settings of the forward.

    For what is written into a given Tensor, in place or by ``out=``: as in PyTorch it is computed
    in the types that it is given.
    """
    state = current()
    if not any(m.forward_only for m in state.modes):
        return function(*args, **kwargs)
    try:
        set_state(state.but(modes=tuple([m for m in state.modes if not m.forward_only])))
        return function(*args, **kwargs)
    finally:
        set_state(state)


class saved_tensors_hooks(Scope):
    """Pack what ops save for backward, unpack it when backward asks (PyTorch's name).

    ``pack(tensor)`` returns anything; ``unpack(that)`` must return a Tensor of the same shape,
    dtype and values. Checkpointing and offloading are made of this.

    A subclass may override ``take``, to have what a node saves as a whole, and is told of writes.
    """

    def take(self, node: Any, data: Any) -> bool:
        """Take over all that a node saves; False leaves it to ``pack``, value by value.

        ``data``: what the call computed, an array, or a tuple of them where there are several. Put
        an ``anadrome.graph.Owed`` in the place of ``node.saved``.
        """
        return False

    def writing(self, tensor: Any) -> None:
        """Told before the memory of a Tensor is written in place while the hooks are active."""

    def rebinding(self, owner: Any, name: str) -> None:
        """Told before a module's buffer ``name`` becomes another Tensor."""

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack = pack_hook
        self.unpack = unpack_hook

    def change(self, state: State) -> State:
        refused = hooks_refused.get()
        if refused is not None:
            raise RuntimeError(refused)
        return state.but(saved_hooks=(*state.saved_hooks, self))


#: Why no ``saved_tensors_hooks`` may be entered here, if so.
hooks_refused: contextvars.ContextVar[str | None] = contextvars.ContextVar(
    "hooks_refused", default=None
)


#: The tape of the step that is being captured here, if one is; see ``tracing``.
tape: contextvars.ContextVar[Any] = contextvars.ContextVar("tape", default=None)


@contextlib.contextmanager
def aside() -> Iterator[None]:
    """No mode sees what is done inside: it is no part of the step, but made once to last.

    For what a first step sets up, such as an optimizer's state; a captured step does not repeat it.
    """
    recording = tape.get()
    state = current()
    try:
        tape.set(None)
        set_state(state.but(modes=()))
        yield
    finally:
        set_state(state)
        tape.set(recording)


def live(fresh: Callable[[], Any]) -> Any:
    """A value from outside the arrays: a learning rate, a step count, random numbers.

    Eagerly that is ``fresh()``. While a step is captured, the call is recorded, so that a replay
    asks again instead of repeating the value of the first run.
    """
    state = current()
    for mode in reversed(state.modes):
        if type(mode).live is not Mode.live:
            return mode.live(fresh)
    return fresh()


def touch(*tensors: Any, new_grad: bool = False) -> None:
    """Tell the active modes that the arrays of ``tensors`` are about to be read or written.

    For code that does so outside an op. ``new_grad``: it is their ``.grad`` that is replaced.
    """
    for mode in current().modes:
        for tensor in tensors:
            mode.touched(tensor, new_grad)
