"""engine: plays the recorded nodes in reverse, and delivers what comes out to the leaves.

Every node took a number when it was recorded, and a node is recorded after those it depends on. So
"the newest node that something has arrived at" is always ready: nothing recorded later is left that
could still send to it. A heap of those numbers is the whole scheduler; there is no pass over the
graph to count dependencies and no recursion.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

from . import conjugate, halves, hooking, sites, unfinished
from .align import as_array
from .backend import by_type
from .dtypes import float32, from_native
from .errors import GraphError
from .graph import AccumulateGrad, Edge, Freed, Node, accumulate_lock
from .op import table
from .patch import Patch
from .placement import follow, several
from .tensor import Tensor, unwrap, wrap

_getrefcount = sys.getrefcount


def _references_of_a_local() -> int:
    """What getrefcount() says of an object that only one local variable holds, here and now."""
    only = object()
    return _getrefcount(only)


_UNSHARED = _references_of_a_local()

#: Set by the plugin manager when a plugin has such hooks; None costs one test.
grad_ready: Callable[[Tensor], None] | None = None


def run(
    roots: Sequence[tuple[Any, Any]],
    keep: bool,
    create_graph: bool,
    wanted: dict[Edge, int] | None = None,
    accumulate: bool = True,
    observe: Callable[..., None] | None = None,
) -> list[Any]:
    """Send gradients from ``roots`` upstream.

    ``roots``: pairs (edge, gradient); gradients are arrays, or Tensors if ``create_graph``.
    ``keep``: leave saved values in place. ``wanted``: edges whose gradients to return, numbered.
    ``accumulate``: whether leaves that are reached take their gradient into ``.grad``.
    ``observe``: called after each node as ``observe(node, gradient, gradients, freed)``.
    Returns the gradients of ``wanted``, None where nothing arrived. What raises takes back what
    leaves without a gradient were given (see ``unfinished``).
    """
    freed = Freed(sites.caller(2))
    needed = None if wanted is None else _leading_to(wanted, roots)
    found: list[Any] = [None] * (0 if wanted is None else len(wanted))
    pending: dict[Node, Any] = {}
    queue: list[tuple[int, Node]] = []
    #: Nodes whose pending gradient is a sum we made, so that more can be added in place.
    owned: set[Node] = set()
    #: Leaves with the gradient they were given, or None where it was added to another.
    given: list[tuple[Tensor, Tensor | None]] = []
    node: Any = None
    last: Any = None
    kind: Any = None  # the dtype of the last node, and how nodes of it are applied, if not plainly
    apply: Any = None
    try:
        for edge, gradient in roots:
            if needed is None or edge[0] in needed:
                _deliver(edge, gradient, pending, queue, owned, create_graph)

        while True:
            if node is None:
                if not queue:
                    return found
                node = heappop(queue)[1]
                g = pending.pop(node)
                if node in owned:
                    owned.discard(node)
                    if g.dtype is not node.dtype:  # a sum of halves, in float32 until now
                        g = fit(g, node.shape, node.dtype)
            if g.__class__ is Patch:
                g = g.dense()
            if node.__class__ is AccumulateGrad:
                if several:
                    follow(g)
                unshared = _getrefcount(g) <= _UNSHARED
                _at_leaf(node, g, create_graph, unshared, wanted, found, accumulate, observe, given)
                node = g = None
                continue
            hooks = node.hooks
            if wanted is not None:
                played = _passes(node, needed)
                if hooks is not None and not played:
                    g = hooking.of_tensors(node, g, create_graph)
                # As in PyTorch: before its hooks, if the node is played too.
                _collect(node, g, wanted, found)
                if not played:
                    node = g = None
                    continue
            if hooks is not None:
                g = hooking.of_tensors(node, g, create_graph)
                if hooks.before:
                    g = hooking.before(node, g, create_graph)
            if node.dtype is not kind:
                kind = node.dtype
                apply = _applied(kind)
                if several:
                    follow(g)
                    kind = None  # each node comes by here
            if apply is None:
                grads = node.apply(g, create_graph)
            else:
                grads = apply(node, g, create_graph)
            if hooks is not None:
                grads = hooking.after(node, g, grads, create_graph)
            if node.frees and not keep:
                node.saved = freed
            if observe is not None:
                observe(node, g, grads, node.frees and not keep)
            # All but the last gradient wait for their turn; with the last we may go straight on.
            last = None
            if len(grads) == 1 and needed is None:
                last = node.edges[0]
                g = grads[0]
            else:
                for edge, gradient in zip(node.edges, grads):
                    if edge is None or gradient is None:
                        continue
                    if needed is not None and edge[0] not in needed:
                        continue
                    if last is not None:
                        _deliver(last, g, pending, queue, owned, create_graph)
                    last = edge
                    g = gradient
            grads = gradient = node = None
            if last is None or g is None:
                g = None
                continue
            target = last[0]
            if create_graph or target.multi or (queue and queue[0][0] <= -target.sequence):
                _deliver(last, g, pending, queue, owned, create_graph)
                g = None
                continue
            if g.shape != target.shape or g.dtype is not target.dtype:
                g = fit(g, target.shape, target.dtype)
            node = target
    except BaseException as error:
        at = last[0] if node is None and last is not None else node
        pending.clear()
        queue.clear()
        owned.clear()
        found.clear()
        node = last = target = edge = g = grads = gradient = None
        unfinished.undo(error, at, freed, given)
        raise


_appliers: dict[Any, Any] = {}


def _applied(dtype: Any) -> Any:
    """What applies nodes of a (native) dtype, or of several; None: they do so themselves.

    An output that is no Tensor, which a Function may have, is None there.
    """
    if dtype.__class__ is not list:
        try:
            return _appliers[dtype]
        except KeyError:
            _appliers[dtype] = found = _applied([dtype])
            return found
    each = [d for d in dtype if d is not None]
    if any(from_native[d].is_complex for d in each):
        return conjugate.apply
    return halves.apply if any(map(halves.is_half, each)) else None


def fit(gradient: Any, shape: Any, dtype: Any) -> Any:
    """Undo broadcasting and promotion: the shape and (native) dtype of what it belongs to."""
    if gradient.__class__ is Patch:
        if gradient.dtype == dtype:
            return gradient
        gradient = gradient.dense()
    array = unwrap(gradient)
    if array.shape != shape:
        gradient = table["sum_to_size"].call(gradient, size=tuple(shape))
        array = unwrap(gradient)
    if array.dtype != dtype:
        if from_native[array.dtype].is_complex and not from_native[dtype].is_complex:
            gradient = gradient.real
        gradient = table["to_dtype"].call(gradient, dtype=from_native[dtype])
    return gradient


def _deliver(
    edge: Edge,
    gradient: Any,
    pending: dict[Node, Any],
    queue: list[tuple[int, Node]],
    owned: set[Node],
    create_graph: bool,
) -> None:
    """Add a gradient to what has arrived at an output of a node."""
    node, nr = edge
    if node.multi:
        slots = pending.get(node)
        if slots is None:
            slots = pending[node] = [None] * len(node.shape)
            heappush(queue, (-node.sequence, node))
        gradient = fit(gradient, node.shape[nr], node.dtype[nr])
        if gradient.__class__ is Patch:
            gradient = gradient.dense()
        if several:
            follow(gradient)
        slots[nr] = gradient if slots[nr] is None else slots[nr] + gradient
        return
    if create_graph or gradient.shape != node.shape or gradient.dtype is not node.dtype:
        gradient = fit(gradient, node.shape, node.dtype)
    so_far = pending.get(node)
    if so_far is None:
        pending[node] = gradient
        heappush(queue, (-node.sequence, node))
        return
    if several:
        follow(gradient)
    if create_graph:
        pending[node] = so_far + gradient
        return
    if so_far.__class__ is Patch:
        if gradient.__class__ is Patch and not several and so_far.takes(gradient):
            return
        so_far = so_far.dense()
        owned.add(node)
    if gradient.__class__ is Patch:
        if node not in owned:
            so_far = _copy(so_far)
            owned.add(node)
        gradient.fill(so_far, gradient.value)
    elif node in owned:
        so_far += gradient
    else:
        # NumPy makes scalars of zero-dimensional sums; those cannot be added to in place.
        so_far = as_array(_widened(so_far) + gradient)
        owned.add(node)
    pending[node] = so_far


def _widened(array: Any) -> Any:
    """Sums of half precision are kept in float32 until they are handed on."""
    if halves.is_half(array.dtype):
        backend = by_type[array.__class__]
        return backend.xp.astype(array, backend.dtype(float32))
    return array


def _copy(array: Any) -> Any:
    return by_type[array.__class__].asarray(array)


def _at_leaf(
    node: AccumulateGrad,
    g: Any,
    create_graph: bool,
    unshared: bool,
    wanted: dict[Edge, int] | None,
    found: list[Any],
    accumulate: bool,
    observe: Callable[..., None] | None,
    given: list[tuple[Tensor, Tensor | None]],
) -> None:
    """A gradient has come to its end: into ``.grad``, or into what was asked for."""
    if node.variable._hooks:
        g = hooking.through(node.variable._hooks, g, create_graph)
        unshared = False  # a hook may have kept it
    if wanted is not None and (node, 0) in wanted:
        found[wanted[node, 0]] = g
        unshared = False
    if accumulate:
        hooks = node.hooks
        if hooks is not None and hooks.before:
            g = hooking.before(node, g, create_graph)
            unshared = False
        _into_leaf(node, g, create_graph, unshared, given)
        if hooks is not None and hooks.after:
            hooking.after(node, g, (), create_graph)
        if observe is not None:
            observe(node, g, (), False)


def _into_leaf(
    node: AccumulateGrad,
    g: Any,
    create_graph: bool,
    unshared: bool,
    given: list[tuple[Tensor, Tensor | None]],
) -> None:
    """Accumulate into ``.grad``: in place where there is one, by taking the buffer where not."""
    leaf = node.variable
    if leaf._edge is None:  # requires_grad was switched off after the forward
        return
    with accumulate_lock:
        grad = leaf._grad
        if grad is None:
            # With a graph it is a copy too: what is written into it is seen nowhere else.
            grad = g.clone() if create_graph else wrap(_taken(g, leaf, node, unshared))
            given.append((leaf, grad))
            leaf._grad = grad
        elif create_graph:
            leaf._grad = grad + g
            given.append((leaf, None))
        else:
            g = fit(g, node.shape, grad._data.dtype)
            data = grad._data
            grad._added = True
            given.append((leaf, None))
            data += g
            if grad._data is not data:
                grad._data = data
            if grad._writes is not None:
                grad._writes.bump()
    if leaf._post_hooks:
        for hook in list(leaf._post_hooks.values()):
            if hook(leaf) is not None:
                raise GraphError("Tensor post accumulate grad hooks should return None.")
    ready = grad_ready  # read once: another thread may put an end to it
    if ready is not None:
        ready(leaf)


def _taken(g: Any, leaf: Tensor, node: Node, unshared: bool) -> Any:
    """The buffer of ``g`` if nobody else can see it, else a copy."""
    cls = leaf._data.__class__
    backend = by_type[cls]
    if g.__class__ is not cls:
        return backend.asarray(g)
    if g.dtype != node.dtype:
        return fit(g, node.shape, node.dtype)
    return g if unshared and backend.owns(g) else backend.asarray(g)


def _leading_to(wanted: dict[Edge, int], roots: Any) -> set[Node]:
    """The nodes from which a wanted one can be reached (an explicit stack: graphs are deep)."""
    ends = {edge[0] for edge in wanted}
    consumers: dict[Node, list[Node]] = {}
    stack = [edge[0] for edge, _ in roots]
    seen = set(stack)
    oldest = min((n.sequence for n in ends), default=0)
    while stack:
        node = stack.pop()
        if node.sequence < oldest:
            continue
        for edge in node.edges:
            if edge is not None:
                consumers.setdefault(edge[0], []).append(node)
                if edge[0] not in seen:
                    seen.add(edge[0])
                    stack.append(edge[0])
    needed = set()
    stack = [n for n in ends if n in seen]
    while stack:
        node = stack.pop()
        if node not in needed:
            needed.add(node)
            stack.extend(consumers.get(node, ()))
    return needed


def _passes(node: Node, needed: Any) -> bool:
    """Whether anything beyond this node is needed."""
    return any(e is not None and e[0] in needed for e in node.edges)


def _collect(node: Node, g: Any, wanted: dict[Edge, int], found: list[Any]) -> None:
    """Take the wanted gradients at this node."""
    for nr, value in enumerate(g if node.multi else (g,)):
        if (node, nr) in wanted and value is not None:
            found[wanted[node, nr]] = value
