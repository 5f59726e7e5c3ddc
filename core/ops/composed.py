"""composed: the derivative of an op that is a whole loop, taken from its steps.

A function of a namespace and values, made of operators, slices and the functions below, is an op's
forward over arrays, and over Tensors the same mathematics on the graph. ``rule`` differentiates it
there, so nobody writes the second derivative of a recurrence by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from .. import modes
from ..tensor import Tensor, wrap
from .activation import relu, sigmoid, threshold_backward
from .elementwise import tanh
from .joining import cat_arrays


class over:
    """The functions over arrays of one library."""

    def __init__(self, xp: Any) -> None:
        self.xp = xp
        self.tanh = xp.tanh

    def sigmoid(self, x: Any) -> Any:
        return 1.0 / (self.xp.exp(-x) + 1.0)

    def relu(self, x: Any) -> Any:
        return self.xp.maximum(x, 0.0)

    def relu_backward(self, g: Any, y: Any) -> Any:
        return self.xp.where(y <= 0, 0.0, g)

    def cat(self, parts: list[Any], axis: int) -> Any:
        return self.xp.concat(parts, axis=axis)


#: The same over whatever public ops take.
PUBLIC = SimpleNamespace(
    tanh=tanh,
    sigmoid=sigmoid,
    relu=relu,
    relu_backward=threshold_backward,
    cat=lambda parts, axis: cat_arrays(*parts, dim=axis),
)


def rule(
    function: Callable[..., Any], g: Any, values: tuple[Any, ...], needs: Any, *rest: Any
) -> tuple[Any, ...]:
    """The gradients of ``values`` through ``function(PUBLIC, *values, *rest)``.

    ``g``: the gradient of its result, or a list of them. Over Tensors the graph that is made here
    stays joined to theirs, so the gradients can be differentiated again.
    """
    from ..autograd.entry import grad

    given = g if isinstance(g, list) else [g]
    recorded = any(isinstance(x, Tensor) for x in (*given, *values))
    with modes.set_grad_enabled(True):
        inputs = [_own(x, wanted) for x, wanted in zip(values, needs)]
        result = function(PUBLIC, *inputs, *rest)
        outputs = result if isinstance(result, tuple) else (result,)
        # A result that depends on nothing wanted has no gradient to give.
        ends = [(o, x) for o, x in zip(outputs, given) if x is not None and o.requires_grad]
        over_ = [x for x, wanted in zip(inputs, needs) if wanted]
        found = iter(
            grad(
                [o for o, _ in ends],
                over_,
                [x if isinstance(x, Tensor) else wrap(x) for _, x in ends],
                create_graph=True,  # over arrays too, so that half precision is rounded alike
                allow_unused=True,
            )
            if ends
            else [None] * len(over_)
        )
    out = [next(found) if wanted else None for wanted in needs]
    return tuple(out if recorded else [None if x is None else x._data for x in out])


def _own(x: Any, wanted: bool) -> Any:
    """``x`` as the beginning of a graph of its own, still joined to where it came from."""
    if x is None:
        return None
    if not isinstance(x, Tensor):
        return wrap(x).requires_grad_() if wanted else wrap(x)
    if not wanted:
        return x
    return x * 1.0 if x.requires_grad else x.detach().requires_grad_()
