"""graph: nodes, edges and saved values, under the names of ``torch.autograd.graph``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from operator import index
from typing import Any, NamedTuple

from ..backend import by_type
from ..border import enclose_functions
from ..errors import GraphError
from ..graph import AccumulateGrad, Node, RemovableHandle
from ..modes import hooks_refused, saved_tensors_hooks
from ..tensor import Tensor, wrap
from .joint import register_multi_grad_hook
from .mutation import allow_mutation_on_saved_tensors

__all__ = [
    "GradientEdge", "Node", "RemovableHandle", "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks", "get_gradient_edge", "increment_version",
    "register_multi_grad_hook", "saved_tensors_hooks",
]  # fmt: skip


class GradientEdge(NamedTuple):
    """A place in the graph: a node, and which of its outputs (PyTorch's name).

    ``backward`` and ``autograd.grad`` take one in the place of a Tensor, of which nothing then need
    be kept alive.
    """

    node: Node
    output_nr: int
    #: What keeps the node alive, where PyTorch's node alone does not.
    ownership_token: Any = None

    @property
    def _edge(self) -> tuple[Node, int]:
        return self._gradient_edge()

    def _gradient_edge(self) -> tuple[Node, int]:
        if not isinstance(self.node, Node):
            raise GraphError(
                "GradientEdge's first object must be an autograd.graph.Node but got "
                f"{type(self.node).__name__}; `get_gradient_edge(tensor)` makes one"
            )
        return self.node, index(self.output_nr)

    def _root(self) -> Tensor:
        """A Tensor of the shape and type there, for a backward to start from; it has no values."""
        node, nr = edge = self._gradient_edge()
        several = node.multi
        shape = node.shape[nr] if several else node.shape
        dtype = node.dtype[nr] if several else node.dtype
        backend = by_type[_leaf_before(node)._data.__class__]
        root = wrap(backend.xp.broadcast_to(backend.xp.zeros((), dtype=dtype), shape))
        root._edge = edge
        return root


def _leaf_before(node: Node) -> Tensor:
    """A leaf that it was computed from, which lies where its gradients will."""
    seen = {node}
    stack = [node]
    while stack:
        at = stack.pop()
        if isinstance(at, AccumulateGrad):
            return at.variable
        for edge in at.edges:
            if edge is not None and edge[0] not in seen:
                seen.add(edge[0])
                stack.append(edge[0])
    raise GraphError("no leaf leads to this GradientEdge; give the Tensor itself")


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where the gradient of ``tensor`` arrives (``torch.autograd.graph.get_gradient_edge``).

    Raises RuntimeError for a Tensor that requires none.

    >>> import anadrome as ad
    >>> x = ad.tensor(3.0, requires_grad=True)
    >>> edge = ad.autograd.graph.get_gradient_edge(x)
    >>> ad.autograd.grad(x * x, edge)
    (tensor(6.),)
    """
    edge = tensor._gradient_edge()
    if edge is None:
        raise GraphError(
            "It is not possible to get the gradient edge for a Tensor that does not require "
            "gradients"
        )
    return GradientEdge(*edge)


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Count a write in place that was made outside, so that stale saved values are noticed.

    (PyTorch: ``torch.autograd.graph.increment_version``.)
    """
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        t._shared_writes().bump()


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Inside, entering ``saved_tensors_hooks`` raises RuntimeError with this text (PyTorch's name).

    For code that would not work with them.
    """
    before = hooks_refused.get()
    try:
        hooks_refused.set(error_message)
        yield
    finally:
        hooks_refused.set(before)


enclose_functions(globals())
