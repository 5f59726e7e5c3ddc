"""context: ``ctx``, which a Function's ``forward`` and ``backward`` share: the node of the call."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import graph, modes, sites
from ..backend import by_type
from ..dtypes import from_native
from ..errors import GraphError
from ..graph import Node
from ..recording import packable
from ..tensor import Tensor, wrap

if TYPE_CHECKING:
    from .function import Function

#: Names of a node's own that programs give to what they keep on ``ctx``.
NAMES_OF_BOTH = ("shape", "dtype", "edges")


def not_written(ctx: Any, *grad_outputs: Any) -> Any:
    """The gradients of forward's arguments, None where there is none."""
    raise NotImplementedError(
        "You must implement the backward function to use your custom Function with autograd."
    )


def _check_tensors(method: str, values: tuple[Any, ...]) -> None:
    for t in values:
        if t is not None and not isinstance(t, Tensor):
            raise TypeError(
                f"{method} can only save Tensors, but argument is of type "
                f"{type(t).__name__}; keep other values as attributes of ctx"
            )


class FunctionCtx(Node):
    """What ``forward`` and ``backward`` share; it is also the node of the call."""

    multi = True
    _materialize = True
    _dirty: tuple[Tensor, ...] = ()
    _non_differentiable: tuple[Tensor, ...] = ()
    needs_input_grad: tuple[bool, ...] = ()
    function: type[Function]

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep inputs or outputs for ``backward``; checked there for later writes in place."""
        _check_tensors("save_for_backward", tensors)
        self.__dict__["_to_save"] = tensors

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep inputs or outputs for ``jvp``: it is asked only where there is no ``backward``."""
        _check_tensors("save_for_forward", tensors)
        if not self._has_backward():
            self.__dict__["_to_save_for_jvp"] = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What ``save_for_backward`` kept."""
        self.check_alive()
        if isinstance(self.saved, graph.Owed):
            return self._from_twin(self.saved)
        return tuple(self._restored(entry) for entry in self.saved)

    def _from_twin(self, owed: graph.Owed) -> tuple[Tensor | None, ...]:
        """What the same call in another run saved, with its place in this graph."""
        restored: list[Tensor | None] = []
        for value, edge in zip(owed.source.twin(owed, self).saved_tensors, owed.edges):
            if value is not None:
                value = wrap(value._data)
                value._edge = (self, edge) if isinstance(edge, int) else edge
            restored.append(value)
        return tuple(restored)

    def _restored(self, entry: Any) -> Tensor | None:
        if entry is None:
            return None
        if isinstance(entry, graph.Packed):
            out = wrap(entry.restored(self))
            out._edge = (self, entry.edge) if isinstance(entry.edge, int) else entry.edge
            return out
        value, stamp, nr = entry
        writes = value._writes
        if writes is not None and writes.stamp > stamp:
            raise graph.stale(self, writes, value)
        if nr is None:
            return value
        out = wrap(value._data)
        out._edge = (self, nr)
        return out

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Name inputs that ``forward`` changed in place; they must be returned."""
        self.__dict__["_dirty"] = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Name outputs that have no gradient."""
        self.__dict__["_non_differentiable"] = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether ``backward`` sees zeros (default) or None for outputs nobody used."""
        self.__dict__["_materialize"] = value

    @contextlib.contextmanager
    def _as_left(self) -> Iterator[None]:
        """What ``forward`` kept under names that a node has too (``ctx.shape``) is back."""
        own = self.__dict__.get("_own", {})
        ours = {name: getattr(self, name) for name in own}
        for name, value in own.items():
            setattr(self, name, value)
        try:
            yield
        finally:
            for name, value in ours.items():
                setattr(self, name, value)

    def apply(self, grad: Any, create_graph: bool) -> Any:
        self.check_alive()
        slots = [self._arrived(g, like) for g, like in zip(grad, self.__dict__["_likes"])]
        function: Any = self.function
        with self._as_left():
            if function.jvp is not None and not self._has_backward():
                out = self._transposed(slots)
            else:
                out = function.backward(self, *slots)
        out = self._checked(out if isinstance(out, tuple) else (out,))
        if create_graph:
            return out
        return [g._data if isinstance(g, Tensor) else None for g in out]

    def _has_backward(self) -> bool:
        """Whether the function has a ``backward`` of its own."""
        return self.function.backward is not not_written

    def _arrived(self, g: Any, like: tuple[Any, ...]) -> Any:
        """The gradient of an output as ``backward`` is given it."""
        shape, dtype, cls = like
        if g is None and self._materialize and cls is not None:  # not of what is no Tensor
            g = by_type[cls].xp.zeros(shape, dtype=dtype)
        return g if g is None or isinstance(g, Tensor) else wrap(g)

    def _checked(self, out: tuple[Any, ...]) -> tuple[Any, ...]:
        """What ``backward`` returned: as many as there are arguments, of what they are."""
        count = len(self.edges)
        if len(out) > count and all(x is None for x in out[count:]):
            out = out[:count]
        if len(out) != count:
            raise GraphError(
                f"function {self.name()} returned an incorrect number of gradients (expected "
                f"{count}, got {len(out)}): one for each argument of forward, None where it has "
                "none"
            )
        for i, (g, edge) in enumerate(zip(out, self.edges)):
            if g is None or edge is None:
                continue
            if not isinstance(g, Tensor):
                raise TypeError(
                    f"{self.name()} returned a {type(g).__name__} as gradient; expected a Tensor "
                    "or None"
                )
            wanted, dtype = _output_at(edge)
            if g._data.shape != wanted and not _sums_to(g._data.shape, wanted):
                raise GraphError(
                    f"Function {self.name()} returned an invalid gradient at index {i} - got "
                    f"{list(g._data.shape)} but expected shape compatible with {list(wanted)}: "
                    f"the shape of argument {i} of forward, in the call at "
                    f"{sites.describe(self.site)}"
                )
            kind = from_native[dtype]
            if g.dtype.is_complex and not kind.is_complex:
                raise GraphError(
                    f"Function {self.name()} returned a complex gradient at index {i}, of an "
                    f"argument of forward that is {kind.name}; return `grad.real`, if that is meant"
                )
        return out

    def _transposed(self, cotangents: list[Any]) -> tuple[Any, ...]:
        """The gradients that follow from ``jvp``, which is linear in the tangents."""
        from .entry import grad

        array = next(like[2] for like in self.__dict__["_likes"] if like[2] is not None)
        tangents: list[Any] = []
        for edge in self.edges:
            tangent = None
            if edge is not None:
                shape, dtype = _output_at(edge)
                tangent = wrap(by_type[array].xp.zeros(shape, dtype=dtype)).requires_grad_()
            tangents.append(tangent)
        recording = modes.current().grad
        with modes.enable_grad():
            out = self.function.jvp(self, *tangents)
        outs = out if isinstance(out, tuple) else (out,)
        pairs = [
            (o, c)
            for o, c in zip(outs, cotangents)
            if isinstance(o, Tensor) and o.requires_grad and c is not None
        ]
        wanted = [t for t in tangents if t is not None]
        if not pairs or not wanted:
            return (None,) * len(tangents)
        found = iter(
            grad(
                [o for o, _ in pairs], wanted, [c for _, c in pairs],
                create_graph=recording, allow_unused=True,
            )
        )  # fmt: skip
        return tuple([None if t is None else next(found) for t in tangents])


def _output_at(edge: graph.Edge) -> tuple[Any, Any]:
    """Shape and (native) dtype of what an edge leads to."""
    node, nr = edge
    return (node.shape[nr], node.dtype[nr]) if node.multi else (node.shape, node.dtype)


def _sums_to(shape: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether ``wanted`` is broadcast to ``shape``; then the gradient is summed to it."""
    inner = shape[len(shape) - len(wanted) :]
    return len(wanted) <= len(shape) and all(w in (1, n) for w, n in zip(wanted, inner))


def keep(node: Any, finished: tuple[Any, ...], state: modes.State) -> None:
    """Turn what was saved into entries that know about writes, outputs and hooks."""
    entries: list[Any] = []
    data_of = {id(f._data): nr for nr, f in enumerate(finished) if isinstance(f, Tensor)}
    for_backward = node.__dict__.pop("_to_save", ())
    for t in node.__dict__.pop("_to_save_for_jvp", for_backward):
        if t is None:
            entries.append(None)
            continue
        own = t._edge is None or t._edge[0] is node
        nr = data_of.get(id(t._data)) if own else None
        kept = wrap(t._data) if nr is not None else t
        kept._writes = t._shared_writes()
        entries.append((kept, node.sequence, nr))
    node.saved = tuple(entries)
    node.frees = bool(entries)
    if state.saved_hooks:
        _pack(node, finished, state.saved_hooks[-1])


def _pack(node: Any, finished: tuple[Any, ...], hooks: modes.saved_tensors_hooks) -> None:
    """Hand what a node saves to ``saved_tensors_hooks``."""
    entries = node.saved
    edges = [
        None if e is None else e[0]._gradient_edge() if e[2] is None else e[2] for e in entries
    ]
    if hooks.take(node, tuple(f._data for f in finished if isinstance(f, Tensor))):
        if isinstance(node.saved, graph.Owed):
            node.saved.edges = edges
        return
    node.saved = tuple(
        None if e is None else graph.Packed(hooks, packable(e[0]), edge)
        for e, edge in zip(entries, edges)
    )
