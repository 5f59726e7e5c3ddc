"""graph: what the forward leaves behind. Nodes, edges, saved values, and when they went stale.

An edge is PyTorch's pair ``(node, output_nr)``. A node holds the edges to what its inputs came from
and, for each input that needs a gradient, the arguments of that input's rule. Nothing here points
forward, so dropping the last Tensor of a graph frees the graph.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence
from types import CodeType
from typing import TYPE_CHECKING, Any

from . import sites
from .errors import AlreadyFreedError, ArgumentError, ModifiedInPlaceError
from .forking import forkable_lock
from .modes import saved_tensors_hooks as saved_tensors_hooks  # PyTorch's place for it

if TYPE_CHECKING:
    from .tensor import Tensor

Edge = tuple["Node", int]

#: One clock orders everything that happens: a node takes its number when it is recorded, a write in
#: place when it is done. A saved value is stale when it was written after its node was recorded.
tick = itertools.count(1).__next__


class Writes:
    """The writes in place to one storage, shared by a Tensor, its views and its detached aliases.

    Made when first needed: most tensors are never written and never viewed.
    """

    __slots__ = ("__weakref__", "count", "site", "stamp", "views")

    def __init__(self) -> None:
        self.count = 0
        self.stamp = 0
        self.site: sites.Site | None = None
        self.views: list[weakref.ref[Tensor]] = []

    def bump(self, site: sites.Site | None = None) -> None:
        """Note one write, now, by the user's current line (or the one given)."""
        self.count += 1
        self.stamp = tick()
        self.site = site or sites.caller(2)


class Freed:
    """Stands where a node's saved values were, and knows which backward freed them.

    ``end``: set if that backward raised, to what it raised and where.
    """

    __slots__ = ("end", "site")

    end: str

    def __init__(self, site: sites.Site) -> None:
        self.site = site


class Packed:
    """A saved value in the custody of ``saved_tensors_hooks``."""

    __slots__ = ("dtype", "edge", "handle", "shape", "unpack")

    def __init__(
        self, hooks: saved_tensors_hooks, value: Tensor, edge: Edge | int | None = None
    ) -> None:
        self.shape, self.dtype = value._data.shape, value._data.dtype
        self.handle = hooks.pack(value)
        self.unpack = hooks.unpack
        #: Of an op's value: its place in the graph. A Function notes a number of its own there.
        self.edge: Any = edge

    def restored(self, node: Node) -> Any:
        """The array that the hook gives back for a value of ``node``."""
        given = self.unpack(self.handle)
        array = getattr(given, "_data", None)
        if array is not None and array.shape == self.shape and array.dtype == self.dtype:
            return array
        got = type(given).__name__
        if array is not None:
            got = f"a Tensor of {array.dtype}, shape {tuple(array.shape)},"
        name = getattr(self.unpack, "__qualname__", type(self.unpack).__name__)
        raise ArgumentError(
            f"the unpack hook {name} of saved_tensors_hooks returned {got} for a value of "
            f"{node.where()}; it must return a Tensor of {self.dtype}, shape {tuple(self.shape)}, "
            "as the pack hook was given"
        )


class PackedRows:
    """Stands where a node's saved values were while ``saved_tensors_hooks`` hold them."""

    __slots__ = ("rows",)

    def __init__(self, rows: tuple[tuple[Any, ...], ...]) -> None:
        self.rows = rows


class Owed:
    """Stands where a node's saved values were, while their ``source`` owes them.

    ``source.twin(owed, node)`` is the same call as another run recorded it, with its saved values.
    """

    __slots__ = ("__weakref__", "edges", "index", "source")

    def __init__(self, source: Any, index: int) -> None:
        self.source = source
        self.index = index
        #: Of a Function's node: the edges of what it saved.
        self.edges: Any = None


class Node:
    """One recorded call (PyTorch: ``torch.autograd.graph.Node``).

    ``shape`` and ``dtype`` are those of the output: a gradient that arrives is fitted to them.
    For a node of several outputs (``multi``) both are lists.
    """

    __slots__ = (
        "code",
        "dtype",
        "edges",
        "hooks",
        "instruction",
        "saved",
        "sequence",
        "shape",
        "writes",
    )

    multi = False
    #: Whether it saves values that backward frees; a second backward is then an error.
    frees = False
    #: Whether its gradients are those of a complex differentiable function; see ``conjugate``.
    holomorphic = False

    hooks: Hooks | None
    #: Writes in place to its output, once there may be any.
    writes: Writes | None
    edges: tuple[Edge | None, ...]
    saved: Any
    sequence: int
    shape: Any
    dtype: Any
    code: CodeType
    instruction: int

    def seen(self) -> Node:
        """Itself, under PyTorch's name (``naming``); whoever hands a node to a user calls it."""
        return self

    @property
    def kind(self) -> Any:
        """What it is a call of: the same for any two calls of one op."""
        return self.__class__

    def name(self) -> str:
        """PyTorch's name of the node, such as ``MulBackward0``."""
        return type(self.seen()).__name__

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """Where the inputs came from; ``(None, 0)`` for one that needs no gradient."""
        return tuple(
            (None, 0) if edge is None else (edge[0].seen(), edge[1])
            for edge in (self.edges[place] for place in self.shown())
        )

    def shown(self) -> Sequence[int]:
        """The places of those of its edges that PyTorch has, in PyTorch's order."""
        return range(len(self.edges))

    @property
    def metadata(self) -> dict[str, Any]:
        """A dictionary for the user's own notes."""
        return self.hooked().notes

    @property
    def site(self) -> sites.Site:
        """The user's line that recorded this node."""
        return self.code, self.instruction

    def where(self) -> str:
        """``MulBackward0` (train.py:41, `loss = pred * w`)`` without the first backquote."""
        return f"`{self.name()}` ({sites.describe(self.site)})"

    def register_hook(self, hook: Any) -> RemovableHandle:
        """Call ``hook(grad_inputs, grad_outputs)`` after this node has run.

        It may return other gradients, one for each of ``next_functions``; see ``hooking``.
        """
        return RemovableHandle(self.hooked().after, hook)

    def register_prehook(self, hook: Any) -> RemovableHandle:
        """Call ``hook(grad_outputs)`` before this node runs; it may return others of them."""
        return RemovableHandle(self.hooked().before, hook)

    def watch(self, nr: int, writes: Writes) -> None:
        """From now on there may be writes in place to output ``nr``."""
        self.writes = writes

    def hooked(self) -> Hooks:
        """The node's hooks, made when first asked for."""
        if self.hooks is None:
            self.hooks = Hooks()
        return self.hooks

    def apply(self, grad: Any, create_graph: bool) -> Any:
        """The gradients of the inputs, in the order of ``edges``."""
        raise NotImplementedError

    def check_alive(self) -> None:
        """Raise PyTorch's error if an earlier backward has freed what this node saved."""
        if self.saved.__class__ is Freed:
            line = sites.place(self.saved.site)
            end = getattr(self.saved, "end", None)
            if end is not None:
                raise AlreadyFreedError(
                    "Trying to backward through the graph a second time: the values saved by "
                    f"{self.where()} were freed by the backward at {line}, which did not finish "
                    f"({end}). Compute the forward again; with `retain_graph=True` there the graph "
                    "would have stayed usable."
                )
            raise AlreadyFreedError(
                "Trying to backward through the graph a second time: the values saved by "
                f"{self.where()} were freed by the backward at {line}. Call "
                f"`backward(retain_graph=True)` at {line} if you need both, or compute the "
                "forward again."
            )


class Hooks:
    """What users hung on a node: hooks of its outputs, before and after it runs; notes.

    ``retaining``: pairs (output number, Tensor, held weakly) of those that keep their gradient.
    """

    __slots__ = ("after", "before", "notes", "of_outputs", "retaining")

    def __init__(self) -> None:
        self.of_outputs: dict[int, dict[int, Any]] = {}
        self.retaining: list[tuple[int, weakref.ref[Tensor]]] = []
        self.before: dict[int, Any] = {}
        self.after: dict[int, Any] = {}
        self.notes: dict[str, Any] = {}


class RemovableHandle:
    """Returned by every ``register_*hook``: ``remove()`` takes the hook away again."""

    _ids = itertools.count()

    def __init__(self, table: dict[int, Any], hook: Any) -> None:
        if not isinstance(table, dict):
            raise ArgumentError(
                f"RemovableHandle(): argument 'hooks_dict' must be dict, not {type(table).__name__}"
            )
        if not callable(hook):
            raise ArgumentError(f"a hook is a function, not {type(hook).__name__}")
        self.id = next(self._ids)
        while self.id in table:  # an unpickled table has ids of another process
            self.id = next(self._ids)
        self._table = table
        table[self.id] = hook

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self._table.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def stale(node: Node, writes: Writes, value: Any) -> ModifiedInPlaceError:
    """The error for a saved value that was written after it was saved."""
    return ModifiedInPlaceError(
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: a value of shape {tuple(value.shape)}, saved by {node.where()}, was changed "
        f"in place at {sites.describe(writes.site)} (it is at version {writes.count}). Use the "
        "out-of-place form there, or a `.clone()` before it."
    )


class AccumulateGrad(Node):
    """The end of the way: adds what arrives to a leaf's ``.grad``."""

    __slots__ = ("__weakref__", "variable")

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable
        self.hooks = self.writes = None
        self.edges = ()
        self.saved = ()
        self.sequence = tick()
        self.shape = variable._data.shape
        self.dtype = variable._data.dtype
        self.code = _NOWHERE
        self.instruction = 0


_NOWHERE = compile("", "<a leaf>", "exec")

#: Guards ``.grad`` of leaves: two threads may run backward into the same leaf.
accumulate_lock = forkable_lock()
