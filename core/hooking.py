"""hooking: how the engine calls the hooks of tensors and of nodes.

In PyTorch's order: the hooks of a Tensor; then it keeps its gradient, if it was asked to; then the
hooks before the node that made it, if that is played; then those after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .align import as_array
from .dtypes import from_native
from .errors import ArgumentError, GraphError
from .graph import Edge, Node
from .tensor import Tensor, unwrap, wrap


def of_tensors(node: Node, g: Any, create_graph: bool) -> Any:
    """Hooks of the Tensors that a node made; those that retain their gradient get it."""
    assert node.hooks is not None
    slots = list(g) if node.multi else [g]
    for nr, hooks in node.hooks.of_outputs.items():
        if slots[nr] is not None:
            slots[nr] = through(hooks, slots[nr], create_graph)
    for nr, holder in node.hooks.retaining:
        tensor = holder()
        # One that was written in place since has another place in the graph.
        if tensor is not None and slots[nr] is not None and tensor._edge == (node, nr):
            (grad,) = _as_tensors(slots[nr : nr + 1])
            tensor._grad = grad.clone() if tensor._grad is None else tensor._grad + grad
    return slots if node.multi else slots[0]


def through(hooks: dict[int, Any], g: Any, create_graph: bool) -> Any:
    """The hooks of one Tensor, each of which may return another gradient."""
    (seen,) = _as_tensors([g])
    for hook in list(hooks.values()):
        out = hook(seen)
        if out is not None:
            _check(hook, seen, out)
            seen = out
    return seen if create_graph else unwrap(seen)


def before(node: Node, g: Any, create_graph: bool) -> Any:
    """Hooks before a node see, and may replace, the gradients of its outputs."""
    assert node.hooks is not None
    slots = _as_tensors(_outputs(node, g))
    for hook in list(node.hooks.before.values()):
        slots = _replaced(hook, slots, hook(slots))
    out = list(slots) if create_graph else [unwrap(s) for s in slots]
    return out + g[len(out) :] if node.multi else out[0]


def after(node: Node, g: Any, grads: Sequence[Any], create_graph: bool) -> list[Any]:
    """Hooks after a node see the gradients of its inputs and outputs, and may replace the former.

    They are those of ``next_functions``, each as it arrives there; None where none does.
    """
    assert node.hooks is not None
    every = [*grads, *[None] * (len(node.edges) - len(grads))]
    if node.hooks.after:
        places = node.shown()
        seen = _as_tensors([_arriving(every[place], node.edges[place]) for place in places])
        outputs = _as_tensors(_outputs(node, g))
        for hook in list(node.hooks.after.values()):
            seen = _replaced(hook, seen, hook(seen, outputs))
        for place, value in zip(places, seen):
            every[place] = value if create_graph else unwrap(value)
    return every


def _outputs(node: Any, g: Any) -> Sequence[Any]:
    """The gradients of a node's outputs; of an op's, of those that have one."""
    if not node.multi:
        return [g]
    op = getattr(node, "op", None)
    return g if op is None else g[: op.differentiable]


def _arriving(gradient: Any, edge: Edge | None) -> Any:
    """What a rule returned, as it will be where the edge leads."""
    if gradient is None or edge is None:
        return None
    from .engine import fit

    node, nr = edge
    shape, dtype = (node.shape[nr], node.dtype[nr]) if node.multi else (node.shape, node.dtype)
    return fit(gradient, shape, dtype)


def _replaced(hook: Any, given: tuple[Any, ...], out: Any) -> tuple[Any, ...]:
    """What is handed on after a hook of a node returned ``out``."""
    if out is None:
        return given
    out = tuple(out) if isinstance(out, (tuple, list)) else (out,)
    if len(out) != len(given):
        raise GraphError(
            f"hook {_name(hook)!r} has returned an incorrect number of values (got {len(out)}, but "
            f"expected {len(given)}); return one for each, with None where there is none"
        )
    for old, new in zip(given, out):
        if new is not None:
            _check(hook, old, new)
    return out


def _check(hook: Any, old: Tensor | None, new: Any) -> None:
    """Raise unless ``new`` may stand for the gradient ``old``."""
    if old is None:
        raise GraphError(
            "can't replace a None gradient with a non-None value: return None in its place from "
            f"hook {_name(hook)!r}"
        )
    if not isinstance(new, Tensor):
        raise ArgumentError(
            f"expected Variable, but hook {_name(hook)!r} returned {type(new).__name__!r}; return "
            f"a Tensor of shape {tuple(old.shape)}, or None to change nothing"
        )
    if new._data.shape != old._data.shape:
        raise GraphError(
            f"hook {_name(hook)!r} has changed the size of value (was {tuple(old.shape)}, got "
            f"{tuple(new.shape)})"
        )
    if new._data.dtype != old._data.dtype:
        raise GraphError(
            f"hook {_name(hook)!r} has changed the type of value (was "
            f"{from_native[old._data.dtype]!r}, got {from_native[new._data.dtype]!r}); return "
            "`.to(grad.dtype)` of it"
        )


def _name(hook: Any) -> str:
    return getattr(hook, "__name__", type(hook).__name__)


def _as_tensors(values: Sequence[Any]) -> tuple[Any, ...]:
    """Gradients as hooks see them; the piece that a slice sends is made whole."""
    out: list[Tensor | None] = []
    for v in values:
        if v is not None and not isinstance(v, Tensor):
            v = wrap(as_array(v.dense() if hasattr(v, "dense") else v))
        out.append(v)
    return tuple(out)
