"""listening: hooks that are called only while somebody wants them.

Most of what fires at work (around a backward, at a leaf, at a step) serves something that a user
switches on for a while. A plugin marks such hooks with a ``Listening`` of its own. Until it is on,
engine and optimizers do not know of them, and pay nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .forking import forkable_lock

F = TypeVar("F", bound=Callable[..., Any])

_counting = forkable_lock()


class Listening:
    """Marks hooks of a plugin as asleep, and wakes them: ``start`` and ``stop``, or a ``with``.

    They are called, in every thread, from the first ``start`` until each has had its ``stop``. For
    the hooks that fire at work only; those that register are called once anyhow.

    >>> import anadrome as ad
    >>> from anadrome import manager
    >>> listening = ad.Listening()
    >>> class Steps:
    ...     @ad.hookimpl
    ...     @listening
    ...     def after_step(self, optimizer):
    ...         print("stepped")
    >>> plugin = manager.register(Steps(), name="steps")
    >>> optimizer = ad.optim.SGD([ad.ones(1, requires_grad=True)], lr=0.1)
    >>> optimizer.step()
    >>> with listening:
    ...     optimizer.step()
    stepped
    >>> manager.unregister("steps")
    """

    __slots__ = ("__weakref__", "_count")

    #: Called when hooks fell asleep or woke; set by the plugin manager.
    changed: Callable[[], None] | None = None

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, hook: F) -> F:
        hook.listening = self  # type: ignore[attr-defined]
        return hook

    @property
    def on(self) -> bool:
        """Whether the hooks are called now."""
        return self._count > 0

    def start(self) -> None:
        """Have the hooks called, from now on."""
        self._count_by(1)

    def stop(self) -> None:
        """Undo one ``start``."""
        self._count_by(-1)

    def _count_by(self, change: int) -> None:
        with _counting:
            before = self.on
            self._count += change
            if self.on is not before and Listening.changed is not None:
                Listening.changed()

    def __enter__(self) -> Listening:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def awake(hook: Any) -> bool:
    """Whether a hook is to be called now."""
    listening = getattr(hook, "listening", None)
    return listening is None or listening.on
