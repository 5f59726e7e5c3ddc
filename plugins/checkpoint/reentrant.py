"""PyTorch's older form of checkpointing: a Function whose backward runs a backward."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from anadrome import Tensor
from anadrome.autograd import Function, backward, once_differentiable
from anadrome.modes import State, current, reset_state, set_state
from anadrome.random import recorded_keys, replayed_keys


def reentrant(function: Callable[..., Any], args: tuple[Any, ...], preserve: bool) -> Any:
    """``function(*args)``, recomputed in a backward of its own."""
    if not any(a.requires_grad for a in args if isinstance(a, Tensor)):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None; "
            "use_reentrant=False differentiates through the weights alone",
            stacklevel=3,
        )
    return CheckpointFunction.apply(function, preserve, *args)


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
        with recorded_keys() if preserve else nullcontext() as ctx.keys:
            return function(*args)

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
        token = set_state(State(grad=True, modes=(*here, *ctx.modes)))
        try:
            with replayed_keys(ctx.keys) if ctx.keys is not None else nullcontext():
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
