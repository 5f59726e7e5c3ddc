"""stepping: what is called around an optimizer's ``step``: its own hooks, then the plugins'."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from itertools import chain
from typing import Any

from ..graph import RemovableHandle
from ..unfinished import naming

#: What is called around the steps of all optimizers: before an optimizer's own pre-hooks, and after
#: its post-hooks.
before_every: OrderedDict[int, Any] = OrderedDict()
after_every: OrderedDict[int, Any] = OrderedDict()


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` before each step of every optimizer.

    As the hooks of one optimizer (``Optimizer.register_step_pre_hook``), it may return new
    arguments. PyTorch: ``torch.optim.optimizer.register_optimizer_step_pre_hook``.

    >>> import anadrome as ad
    >>> from anadrome.optim.optimizer import register_optimizer_step_pre_hook
    >>> handle = register_optimizer_step_pre_hook(lambda o, *_: print(o.param_groups[0]["lr"]))
    >>> ad.optim.SGD([ad.ones(1, requires_grad=True)], lr=0.5).step()
    0.5
    >>> handle.remove()
    """
    return RemovableHandle(before_every, hook)


def register_optimizer_step_post_hook(hook: Callable[..., None]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` after each step of every optimizer."""
    return RemovableHandle(after_every, hook)


def with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """A subclass's ``step`` with everything that is called around it."""

    @functools.wraps(step)
    def around(self: Any, *args: Any, **keywords: Any) -> Any:
        if self.__dict__.get("_stepping"):  # `super().step()` inside a step
            return step(self, *args, **keywords)
        self._opt_called = True
        if self._step_pre_hooks or before_every:
            args, keywords = _prepared(self, args, keywords)
        manager = _manager()
        before = manager.before_step  # read once: another thread may put an end to it
        if before is not None:
            try:
                args, keywords = _announced(self, before, args, keywords)
            except Exception as error:
                manager.blame(error, "before_step")
                raise
        try:
            self._stepping = True
            out = step(self, *args, **keywords)
        finally:
            self._stepping = False
        after = manager.after_step
        if after is not None:
            try:
                after(self)
            except Exception as error:
                manager.blame(error, "after_step")
                raise
        if self._step_post_hooks or after_every:
            for hook in list(chain(self._step_post_hooks.values(), after_every.values())):
                with naming("step post-hook", self):
                    hook(self, (self, *args), keywords)
        return out

    return around


def update_is_heard() -> bool:
    """Whether anybody looks at the gradients when ``before_update`` fires."""
    return _manager().before_update is not None


def announce_update(gradients: list[Any]) -> None:
    """Fire ``before_update``: everything is gathered, nothing is written."""
    manager = _manager()
    before = manager.before_update
    if before is None:
        return
    try:
        before(gradients)
    except Exception as error:
        manager.blame(error, "before_update")
        raise


def was_skipped(result: Any) -> bool:
    """Whether ``result`` tells of a step that was left out, as that of ``amp.GradScaler`` may.

    None, and what a closure returned, do not.
    """
    return bool(getattr(result, "skipped", False))


def _prepared(optimizer: Any, args: Any, keywords: Any) -> Any:
    """The arguments of the step, after the hooks have seen them: first of all the optimizer."""
    args = (optimizer, *args)
    for hook in list(chain(before_every.values(), optimizer._step_pre_hooks.values())):
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
    return args[1:], keywords


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
