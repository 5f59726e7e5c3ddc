"""joint: a hook for several gradients (``torch.autograd.graph.register_multi_grad_hook``).

A hook that waits for all of its gradients has to know which of them will come. So when a backward
starts, and there are such hooks, the graph is walked once: a gradient comes to what can be reached
from where it starts, and from which what is asked for can be reached.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..errors import GraphError
from ..graph import Node
from ..tensor import Tensor
from . import entry

#: The hooks that are there. While there are none, a backward pays one test.
_hooks: list[_Joint] = []


class _Joint:
    """One such hook: hung on every tensor, called when the last gradient has come."""

    def __init__(self, tensors: Sequence[Tensor], function: Any, mode: str) -> None:
        if not callable(function):
            raise TypeError(f"a hook is a function, not {type(function).__name__}")
        self.function = function
        self.mode = mode
        wrong = [t for t in tensors if not isinstance(t, Tensor)]
        if wrong:
            raise TypeError(f"a hook for several gradients takes Tensors, not {wrong[0]!r:.60}")
        edges = [t._gradient_edge() for t in tensors]
        if None in edges:
            raise GraphError("a hook for several gradients takes Tensors that require one")
        self.nodes = [edge[0] for edge in edges if edge is not None]
        self.run = threading.local()
        self.handles = [t.register_hook(self._arrived(i)) for i, t in enumerate(tensors)]

    def starts(self, played: set[Node]) -> None:
        """A backward begins that plays these nodes."""
        self.run.found = [None] * len(self.nodes)
        self.run.missing = sum(node in played for node in self.nodes)
        self.run.called = False

    def _arrived(self, i: int) -> Callable[[Tensor], None]:
        def hook(gradient: Tensor) -> None:
            run = self.run
            if self.mode == "any":
                if not run.called:
                    run.called = True
                    self.function(gradient)
                return
            run.found[i] = gradient
            run.missing -= 1
            if run.missing == 0:
                self.function(run.found)

        return hook

    def remove(self) -> None:
        """Take the hook away."""
        for handle in self.handles:
            handle.remove()
        if self in _hooks:
            _hooks.remove(self)
        if not _hooks:
            entry.starting = None

    def __enter__(self) -> _Joint:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., Any], *, mode: str = "all"
) -> Any:
    """Call ``fn`` when the gradients of ``tensors`` have been computed (PyTorch's name).

    With "all" it is called once a backward, as ``fn(gradients)``, when the last one has come; the
    list has None for a Tensor that the backward does not reach. With "any" it is called as
    ``fn(gradient)`` with the first one. ``fn`` must not change them. Returns a handle with
    ``remove()``. Raises RuntimeError for a Tensor that requires no gradient.

    >>> import anadrome as ad
    >>> a, b = (ad.tensor(v, requires_grad=True) for v in (2.0, 3.0))
    >>> handle = ad.autograd.graph.register_multi_grad_hook((a, b), print)
    >>> (a * b).backward()
    [tensor(3.), tensor(2.)]
    >>> handle.remove()
    """
    if not isinstance(tensors, Iterable):
        raise TypeError(f"a hook of several Tensors takes a list, not {type(tensors).__name__}")
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    hook = _Joint(list(tensors), fn, mode)
    _hooks.append(hook)
    entry.starting = _starts
    return hook


def _starts(roots: Sequence[Any], wanted: Any) -> None:
    """Tell the hooks of a backward from these edges, to the wanted ones only if there are any."""
    reached: dict[Node, None] = {}
    waiting = [edge[0] for edge in roots]
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached[node] = None
            waiting += [edge[0] for edge in node.edges if edge is not None]
    played: set[Node] = set(reached)
    if wanted is not None:
        targets = {node for node, _ in wanted}
        played = set()
        for node in sorted(reached, key=lambda n: n.sequence):  # what it depends on comes first
            if node in targets or any(e is not None and e[0] in played for e in node.edges):
                played.add(node)
    for hook in _hooks:
        hook.starts(played)
