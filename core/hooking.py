"""hooking: how the engine calls the hooks of tensors and of nodes."""

from __future__ import annotations

from typing import Any

from .align import as_array
from .errors import GraphError
from .graph import AccumulateGrad, Node
from .tensor import Tensor, unwrap, wrap


def at_leaf(node: AccumulateGrad, g: Any, create_graph: bool) -> Any:
    """Hooks of a leaf, before it takes its gradient."""
    if node.hooks is not None:
        for hook in list(node.hooks.before.values()):
            out = hook((g if create_graph else wrap(as_array(g)),))
            if out is not None:
                g = out[0] if create_graph else unwrap(out[0])
    hooks = node.variable._hooks
    return _through(hooks, g, create_graph) if hooks else g


def before(node: Node, g: Any, create_graph: bool) -> Any:
    """Hooks of the tensors this node made, then those of the node itself."""
    assert node.hooks is not None
    slots = g if node.multi else [g]
    for nr, hooks in node.hooks.of_outputs.items():
        if slots[nr] is not None:
            slots[nr] = _through(hooks, slots[nr], create_graph)
    for hook in list(node.hooks.before.values()):
        out = hook(_as_tensors(slots))
        if out is not None:
            out = (out,) if isinstance(out, Tensor) else out
            slots = [s if create_graph else unwrap(s) for s in out]
    return slots if node.multi else slots[0]


def after(node: Node, g: Any, grads: Any) -> Any:
    """Hooks of the node see the gradients of its inputs and of its outputs."""
    assert node.hooks is not None
    over_tensors = any(isinstance(x, Tensor) for x in grads)
    for hook in list(node.hooks.after.values()):
        out = hook(_as_tensors(grads), _as_tensors(g if node.multi else [g]))
        if out is not None:
            out = (out,) if isinstance(out, Tensor) else out
            grads = [x if over_tensors else unwrap(x) for x in out]
    return grads


def _through(hooks: dict[int, Any], g: Any, create_graph: bool) -> Any:
    """Tensor hooks see a Tensor and may return another in its place."""
    seen = g if isinstance(g, Tensor) else wrap(as_array(g))
    for hook in list(hooks.values()):
        out = hook(seen)
        if out is not None:
            if not isinstance(out, Tensor) or out._data.shape != seen._data.shape:
                raise GraphError(
                    f"a gradient hook returned {type(out).__name__} where a Tensor of shape "
                    f"{tuple(seen.shape)} (or None) is expected"
                )
            seen = out
    return seen if create_graph else seen._data


def _as_tensors(values: Any) -> tuple[Tensor | None, ...]:
    """Gradients as hooks see them; the piece that a slice sends is made whole."""
    out: list[Tensor | None] = []
    for v in values:
        if v is not None and not isinstance(v, Tensor):
            v = wrap(as_array(v.dense() if hasattr(v, "dense") else v))
        out.append(v)
    return tuple(out)
