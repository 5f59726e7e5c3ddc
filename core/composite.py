"""composite: functions made of several ops that a mode may take as one.

A mode sees the ops that a function is made of. What is an operator in PyTorch, and of several ops
here, is announced as one, so that a mode may see the function itself:

    @refusing
    @one(amp=FULL)
    def kl_div(input, target, ...): ...

The border around it (``core/refusals.py``, ``core/out.py``) then asks the modes that are active,
and nobody where none is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .modes import current, set_state

F = TypeVar("F", bound=Callable[..., Any])


class Composite:
    """A function that is announced as one; calling it asks the active modes, then runs it.

    ``amp``: its autocast class, as an op has one.
    """

    __slots__ = ("amp", "function", "name")

    def __init__(self, function: Callable[..., Any], name: str, amp: Any) -> None:
        self.function = function
        self.name = name
        self.amp = amp

    def __repr__(self) -> str:
        return f"<composite {self.name}>"

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """Hand the call to the innermost mode that takes it, with that mode off."""
        state = current()
        modes = state.modes
        for mode in reversed(modes):
            if mode.takes(self):
                if mode is modes[-1]:
                    inside = state.below()
                else:
                    inside = state.but(modes=tuple([m for m in modes if m is not mode]))
                try:
                    set_state(inside)
                    return mode.taken(self, args, keywords)
                finally:
                    set_state(state)
        return self.function(*args, **keywords)


def one(name: str | None = None, *, amp: Any = None) -> Callable[[F], F]:
    """Announce a function as one. It is decorated first, by ``refusing`` or ``takes_out`` then.

    ``name``: PyTorch's of the operator, where it is not the function's own. ``amp``: HALF, FULL,
    WIDEST or None, as in ``op``.
    """

    def announce(function: F) -> F:
        made = Composite(function, name or function.__name__, amp)
        if made.name in composites:
            raise ValueError(f"two functions are announced as {made.name!r}")
        composites[made.name] = made
        _of[function] = made
        return function

    return announce


#: All of them, by name.
composites: dict[str, Composite] = {}
_of: dict[Any, Composite] = {}


def announced(function: Callable[..., Any]) -> Composite | None:
    """The composite that a function is announced as, if it is."""
    return _of.get(function)
