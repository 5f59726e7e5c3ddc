"""stepping: what is called around an optimizer's ``step``: its own hooks, then the plugins'."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..unfinished import naming


def with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """A subclass's ``step`` with everything that is called around it."""

    @functools.wraps(step)
    def around(self: Any, *args: Any, **keywords: Any) -> Any:
        if self.__dict__.get("_stepping"):  # `super().step()` inside a step
            return step(self, *args, **keywords)
        self._opt_called = True
        if self._step_pre_hooks:
            args, keywords = _prepared(self, args, keywords)
        manager = _manager()
        if manager.before_step is not None:
            try:
                args, keywords = _announced(self, manager.before_step, args, keywords)
            except Exception as error:
                manager.blame(error, "before_step")
                raise
        try:
            self._stepping = True
            out = step(self, *args, **keywords)
        finally:
            self._stepping = False
        if manager.after_step is not None:
            try:
                manager.after_step(self)
            except Exception as error:
                manager.blame(error, "after_step")
                raise
        if self._step_post_hooks:
            for hook in list(self._step_post_hooks.values()):
                with naming("step post-hook", self):
                    hook(self, args, keywords)
        return out

    return around


def announce_update(gradients: list[Any]) -> None:
    """Fire ``before_update``: everything is gathered, nothing is written."""
    manager = _manager()
    if manager.before_update is None:
        return
    try:
        manager.before_update(gradients)
    except Exception as error:
        manager.blame(error, "before_update")
        raise


def was_skipped(result: Any) -> bool:
    """Whether ``result`` tells of a step that was left out, as that of ``amp.GradScaler`` may.

    None, and what a closure returned, do not.
    """
    return bool(getattr(result, "skipped", False))


def _prepared(optimizer: Any, args: Any, keywords: Any) -> Any:
    """The arguments of the step, after the optimizer's own hooks have seen them."""
    for hook in list(optimizer._step_pre_hooks.values()):
        with naming("step pre-hook", optimizer):
            changed = hook(optimizer, args, keywords)
        if changed is None:
            continue
        if not (isinstance(changed, tuple) and len(changed) == 2):
            raise RuntimeError(
                f"a step pre-hook of {type(optimizer).__name__} must return None or a tuple of "
                f"(new_args, new_kwargs), but got {changed!r}"
            )
        args, keywords = changed
    return args, keywords


@functools.cache
def _manager() -> Any:
    from .. import manager  # which imports plugins, which import us

    return manager


def _announced(optimizer: Any, before: Any, args: Any, keywords: Any) -> Any:
    """Fire ``before_step`` now or, if there is a closure, when it has first run."""
    closure = args[0] if args else keywords.get("closure")
    if not callable(closure):
        before(optimizer)
        return args, keywords
    fired = False

    def announcing() -> Any:
        nonlocal fired
        loss = closure()
        if not fired:
            fired = True
            try:
                before(optimizer)
            except Exception as error:
                _manager().blame(error, "before_step")
                raise
        return loss

    if args:
        return (announcing, *args[1:]), keywords
    return args, {**keywords, "closure": announcing}
