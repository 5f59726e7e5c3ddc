"""function: ops that a user writes, with PyTorch's ``autograd.Function``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import graph, modes, sites
from ..errors import GraphError
from ..inplace import check_writable, rebase
from ..tensor import LEAF, Tensor, wrap
from .context import NAMES_OF_BOTH, FunctionCtx, keep, not_written
from .passing import alias, unrecorded


class _FunctionMeta(type):
    """Makes the node type of each Function, named as in PyTorch (``MyFunctionBackward``)."""

    def __init__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> None:
        super().__init__(name, bases, space)
        cls._node_type = type(f"{name}Backward", (FunctionCtx,), {"function": cls})


class Function(metaclass=_FunctionMeta):
    """A differentiable function of one's own (PyTorch: ``torch.autograd.Function``).

    >>> import anadrome as ad
    >>> class Cube(ad.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         x, = ctx.saved_tensors
    ...         return grad * 3 * x * x
    >>> x = ad.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    _node_type: type[FunctionCtx]

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The result; takes ``ctx`` first, unless ``setup_context`` is defined."""
        raise NotImplementedError("You must implement the forward function for a custom Function.")

    #: ``backward(ctx, *grads)``: the gradients of forward's arguments, None where there is none.
    backward = staticmethod(not_written)

    setup_context: Any = None

    #: ``jvp(ctx, *tangents)``, the tangents of the outputs. It serves forward mode and, as it is
    #: linear in the tangents, also ``backward`` where there is none.
    jvp: Any = None

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Call the function and record it."""
        node: Any = object.__new__(cls._node_type)
        node.saved = ()
        node.hooks = node.writes = None
        node.code, node.instruction = sites.caller(2)
        state = modes.current()
        tensors = [a for a in args if isinstance(a, Tensor)]
        recording = state.grad and any(t._edge is not None for t in tensors)
        node.__dict__["needs_input_grad"] = tuple(
            isinstance(a, Tensor) and a._edge is not None for a in args
        )
        edges = tuple(a._gradient_edge() if isinstance(a, Tensor) else None for a in args)
        with modes.no_grad():
            if cls.setup_context is None:
                result = cls.forward(node, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(node, args, result)
        outputs = result if isinstance(result, tuple) else (result,)
        own = {name: getattr(node, name) for name in NAMES_OF_BOTH if hasattr(node, name)}
        if own:
            node.__dict__["_own"] = own
        node.edges = edges
        node.sequence = graph.tick()
        if not recording:
            return unrecorded(result, args, node._dirty)
        finished = cls._attach(node, outputs, args)
        keep(node, finished, state)
        return finished if isinstance(result, tuple) else finished[0]

    @staticmethod
    def _attach(node: Any, outputs: tuple[Any, ...], args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Hang the outputs on the node; inputs returned as they are become new Tensors."""
        finished = []
        likes = []
        for nr, out in enumerate(outputs):
            if not isinstance(out, Tensor):
                likes.append(((), None, None))
                finished.append(out)
                continue
            data = out._data
            likes.append((data.shape, data.dtype, data.__class__))
            plain = any(out is t for t in node._non_differentiable)
            if any(out is t for t in node._dirty):
                if out._edge is LEAF:
                    raise GraphError(
                        "a leaf Variable that requires grad has been used in an in-place operation."
                    )
                check_writable(out)
                out._shared_writes().bump()
                history = wrap(data)
                history._edge = (node, nr)
                rebase(out, history)
            else:
                if any(out is a for a in args) or out._edge is not None:
                    out = alias(out)
                if not plain:
                    out._edge = (node, nr)
            finished.append(out)
        node.shape = [like[0] for like in likes]
        node.dtype = [like[1] for like in likes]
        node.__dict__["_likes"] = likes
        return tuple(finished)


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a ``backward`` that cannot itself be differentiated (PyTorch's name)."""

    @functools.wraps(backward)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        recording = modes.is_grad_enabled()
        with modes.no_grad():
            out = backward(ctx, *grads)
        if not recording or not any(isinstance(g, Tensor) and g.requires_grad for g in grads):
            return out
        alone = not isinstance(out, tuple)
        blocked = tuple(
            _Blocked.apply(o, *[g for g in grads if isinstance(g, Tensor)])
            if isinstance(o, Tensor)
            else o
            for o in ((out,) if alone else out)
        )
        return blocked[0] if alone else blocked

    return wrapper


class InplaceFunction(Function):
    """A Function that may write in place (``torch.autograd.function.InplaceFunction``)."""

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace


class _Blocked(Function):
    """Raises when a gradient is asked through it."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, *sources: Tensor) -> Tensor:
        return wrap(value._data)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise GraphError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )
