"""PyTorch's older form of checkpointing: a Function whose backward runs a backward."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from anadrome import Tensor, sites
from anadrome.autograd import Function, backward, once_differentiable
from anadrome.modes import State, current, reset_state, saved_tensors_hooks, set_state
from anadrome.random import recorded_keys, replayed_keys
from anadrome.rerun import Overwritten, settle


def reentrant(function: Callable[..., Any], args: tuple[Any, ...], preserve: bool) -> Any:
    """``function(*args)``, recomputed in a backward of its own."""
    if not any(a.requires_grad for a in args if isinstance(a, Tensor)):
        sites.warn(
            "None of the inputs have requires_grad=True. Gradients will be None; "
            "use_reentrant=False differentiates through the weights alone",
        )
    return CheckpointFunction.apply(function, preserve, *args)


class _Noting(saved_tensors_hooks):
    """Notes what the first run writes in place."""

    def __init__(self, overwritten: Overwritten) -> None:
        super().__init__(_as_it_is, _as_it_is)
        self.overwritten = overwritten

    def writing(self, tensor: Tensor) -> None:
        self.overwritten.note(tensor)

    def rebinding(self, owner: Any, name: str) -> None:
        self.overwritten.note_buffer(owner, name)


class _Settling(saved_tensors_hooks):
    """Keeps copies of what the second run saves of memory that will be put back."""

    def __init__(self, overwritten: Overwritten) -> None:
        super().__init__(_as_it_is, _as_it_is)
        self.overwritten = overwritten

    def take(self, node: Any, data: Any) -> bool:
        node.saved = settle(node.saved, self.overwritten)
        return True


def _as_it_is(value: Any) -> Any:
    return value


class CheckpointFunction(Function):
    """The first run is not recorded; backward records a second and goes through it at once."""

    @staticmethod
    def forward(ctx: Any, function: Any, preserve: bool, *args: Any) -> Any:
        ctx.run = function
        ctx.modes = current().modes
        ctx.arguments = [None if isinstance(a, Tensor) else a for a in args]
        ctx.places = [i for i, a in enumerate(args) if isinstance(a, Tensor)]
        ctx.wanted = [args[i].requires_grad for i in ctx.places]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        ctx.overwritten = Overwritten()
        keys = recorded_keys() if preserve else nullcontext()
        with keys as ctx.keys, _Noting(ctx.overwritten):
            out = function(*args)
        ctx.overwritten.finish()
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> Any:
        if current().partial:
            raise RuntimeError(
                "When use_reentrant=True, anadrome.utils.checkpoint is incompatible with .grad() "
                "or passing an `inputs` parameter to .backward(). To resolve this error, you can "
                "either set use_reentrant=False, or call .backward() without passing the `inputs` "
                "argument."
            )
        args = list(ctx.arguments)
        for place, saved, wanted in zip(ctx.places, ctx.saved_tensors, ctx.wanted):
            args[place] = saved.detach().requires_grad_(wanted)
        here = tuple(m for m in current().modes if not (m.forward_only or m in ctx.modes))
        hooks = (_Settling(ctx.overwritten),) if ctx.overwritten else ()
        keys = replayed_keys(ctx.keys) if ctx.keys is not None else nullcontext()
        with ctx.overwritten.undone():
            token = set_state(State(grad=True, modes=(*here, *ctx.modes), saved_hooks=hooks))
            try:
                with keys:
                    outputs = ctx.run(*args)
            finally:
                reset_state(token)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [
            (o, g) for o, g in zip(outputs, grads) if isinstance(o, Tensor) and o.requires_grad
        ]
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        backward([o for o, _ in pairs], [g for _, g in pairs])
        return None, None, *(a.grad if isinstance(a, Tensor) else None for a in args)
