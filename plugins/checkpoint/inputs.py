"""The arguments of a segment, kept for its second run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anadrome import Tensor, sites
from anadrome.border import bordered
from anadrome.errors import ModifiedInPlaceError
from anadrome.modes import State, reset_state, saved_tensors_hooks, set_state
from anadrome.rerun import Overwritten, alias, stand_in, written


class Inputs:
    """The arguments of a segment, for its second run.

    Within ``saved_tensors_hooks`` (those of an outer checkpoint, say) the Tensors among them are
    given to these, as any saved value is: so an inner segment keeps nothing that an outer one will
    recompute.
    """

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], state: State) -> None:
        hooks = state.saved_hooks[-1] if state.saved_hooks else None
        self.args = [Kept(a, hooks) if isinstance(a, Tensor) else a for a in args]
        self.kwargs = {k: Kept(a, hooks) if isinstance(a, Tensor) else a for k, a in kwargs.items()}

    def again(
        self, before: Overwritten, finished: int, now: int
    ) -> tuple[list[Any], dict[str, Any]]:
        """The same arguments, with the Tensors cut off from the graph of the first run.

        ``finished``, ``now``: ticks of the end of the first run and the beginning of the second.
        """

        def fresh(a: Any) -> Any:
            return a.again(before, finished, now) if isinstance(a, Kept) else a

        return [fresh(a) for a in self.args], {k: fresh(a) for k, a in self.kwargs.items()}


class Kept:
    """A Tensor argument: its memory (not a copy of it), or what hooks made of it."""

    __slots__ = ("handle", "is_leaf", "requires_grad", "unpack")

    def __init__(self, x: Tensor, hooks: saved_tensors_hooks | None) -> None:
        self.requires_grad = x.requires_grad
        self.is_leaf = x.is_leaf
        self.handle: Any
        self.unpack = None
        if hooks is None:
            self.handle = alias(x)
        else:
            token = set_state(State(grad=False))  # no mode is told of what a hook does
            try:
                self.handle = hooks.pack(alias(x))
            finally:
                reset_state(token)
            self.unpack = hooks.unpack

    def again(self, before: Overwritten, finished: int, now: int) -> Tensor:
        if self.unpack is None:
            x = self.handle
            if x not in before:
                site = written(x, finished, now)
                if site is not None:
                    raise changed(x, site, "after it had been passed to the checkpointed function")
        else:
            token = set_state(State(grad=False))
            try:
                x = self.unpack(self.handle)
            finally:
                reset_state(token)
        return stand_in(x, self.requires_grad, self.is_leaf, self.unpack is None)


def changed(x: Tensor, site: sites.Site, when: str) -> ModifiedInPlaceError:
    """The error for memory that somebody wrote to before the second run had read it."""
    return ModifiedInPlaceError(
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: a Tensor of shape {tuple(x.shape)} was changed in place at "
        f"{sites.describe(site)}, {when}. Use the out-of-place form there, or change it after "
        "backward."
    )


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same arguments, with Tensors that are leaves (PyTorch's name)."""
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            "Only tuple of tensors is supported. Got Unsupported input type: "
            f"{type(inputs).__name__}"
        )
    return tuple(
        x.detach().requires_grad_(x.requires_grad) if isinstance(x, Tensor) else x for x in inputs
    )


@bordered
def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn if none of the arguments requires a gradient (PyTorch's name)."""
    if not any(x.requires_grad for x in inputs if isinstance(x, Tensor)):
        sites.warn("None of the inputs have requires_grad=True. Gradients will be None")
