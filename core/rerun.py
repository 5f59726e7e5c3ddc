"""rerun: to run a piece of code again as if for the first time, and leave no trace.

What the first run wrote in place, or bound anew, is noted with what was there before. Around the
second run the memory is put back to that, and afterwards to what it is now. So the second run reads
what the first one read, and a running statistic takes one step, not two.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any

from . import modes, sites
from .backend import by_type
from .errors import ModifiedInPlaceError
from .graph import Edge, Node, Writes, tick
from .tensor import LEAF, Tensor, wrap
from .views import refresh


def alias(x: Tensor) -> Tensor:
    """The same memory outside the graph, with the same count of writes; no mode is told."""
    out = wrap(x._data)
    out._writes = x._shared_writes()
    return out


def stand_in(x: Tensor, requires_grad: bool, is_leaf: bool, shared: bool) -> Tensor:
    """``x`` as an argument that begins a graph of its own.

    As the original, one that is no leaf may be written in place. ``shared``: the memory is that of
    a Tensor of the first run, so the writes to it are counted together.
    """
    x = alias(x) if shared else wrap(x._data)
    if not requires_grad:
        return x
    x._edge = LEAF
    if is_leaf:
        return x
    inner, x = x, alias(x)
    x._edge = (_Given(inner), 0)
    return x


def is_argument(out: Any, args: tuple[Any, ...]) -> bool:
    """Whether an op returned the very memory of an argument: writes to that are its writes too."""
    if not isinstance(out, Tensor):
        return False
    return any(isinstance(a, Tensor) and a._data is out._data for a in args)


class _Given(Node):
    """Where the graph of an argument begins that is no leaf."""

    __slots__ = ()

    def __init__(self, leaf: Tensor) -> None:
        self.hooks = self.writes = None
        self.edges = (leaf._leaf_edge(),)
        self.saved = ()
        self.sequence = tick()
        self.shape, self.dtype = leaf._data.shape, leaf._data.dtype
        self.code, self.instruction = sites.caller()

    def apply(self, grad: Any, create_graph: bool) -> Any:
        return (grad,)


def written(x: Tensor, after: int, before: int) -> sites.Site | None:
    """The line of the last write to ``x``'s memory, if that was between two ticks of the clock."""
    writes = x._writes
    if writes is None or not after < writes.stamp < before:
        return None
    return writes.site


class Unwritten:
    """A Tensor's memory as it is now: knows of later writes, and does not keep the memory."""

    __slots__ = ("when", "writes")

    def __init__(self, x: Tensor) -> None:
        self.writes = x._shared_writes()
        self.when = tick()

    def check(self, x: Tensor, kept: str) -> None:
        """Raise if it was written since. ``x``: the value that was kept; ``kept``: by what."""
        if self.writes.stamp > self.when:
            raise ModifiedInPlaceError(
                "one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: a value of shape {tuple(x.shape)}, kept by {kept}, was "
                f"changed in place at {sites.describe(self.writes.site)}. Use the out-of-place "
                "form there, or a `.clone()` before it."
            )


def is_of_leaf(x: Tensor) -> bool:
    """Whether what a pack hook is given is a leaf that requires a gradient: a weight, say."""
    return x._of_leaf


def first_written(args: tuple[Any, ...], after: int, before: int) -> Tensor | None:
    """The first Tensor among ``args`` whose memory was last written between two ticks."""
    for x in args:
        if isinstance(x, Tensor):
            writes = x._writes
            if writes is not None and after < writes.stamp < before:
                return x
    return None


class _Memory:
    """An array that was written, and what it held before."""

    __slots__ = ("array", "before", "edge", "owner", "writes")

    def __init__(self, base: Tensor) -> None:
        self.array = base._data
        self.before = _copy(base._data)
        self.edge = base._edge
        self.owner = weakref.ref(base)
        self.writes = weakref.ref(base._shared_writes())


class Overwritten:
    """What a run wrote to memory that was there before it."""

    def __init__(self) -> None:
        self.since = tick()
        self._memory: dict[int, _Memory] = {}
        self._buffers: list[tuple[Any, str, Any]] = []
        self._records: frozenset[Writes] = frozenset()
        self._prune_at = 8

    def note(self, tensor: Tensor) -> None:
        """Keep what the memory of a Tensor holds, before it is written for the first time."""
        base = tensor if tensor._base is None else tensor._base
        edge = base._edge
        if edge is not None and edge is not LEAF and edge[0].sequence > self.since:
            return  # made by the run itself
        if id(base._data) not in self._memory:
            modes.touch(base)
            self._memory[id(base._data)] = _Memory(base)
            if len(self._memory) >= self._prune_at:
                self._prune()
                self._prune_at = 2 * len(self._memory) + 8

    def note_buffer(self, module: Any, name: str) -> None:
        """Keep a module's buffer, before another takes its place."""
        self._buffers.append((module, name, module._buffers.get(name)))

    def finish(self) -> None:
        """The run is over."""
        self._prune()
        self._records = frozenset(w for m in self._memory.values() if (w := m.writes()) is not None)

    def _prune(self) -> None:
        """Forget the memory that the run made itself, without a graph, and has dropped."""
        self._memory = {k: m for k, m in self._memory.items() if m.writes() is not None}

    def __contains__(self, tensor: Tensor) -> bool:
        """Whether the run wrote to this Tensor's memory."""
        return tensor._writes in self._records

    def __bool__(self) -> bool:
        return bool(self._memory or self._buffers)

    @contextlib.contextmanager
    def undone(self) -> Iterator[None]:
        """Memory and buffers as they were before the run; afterwards as they are now.

        What is written meanwhile is not counted as written.
        """
        if not self:
            yield
            return
        memory = list(self._memory.values())
        now = [_Now(m) for m in memory]
        buffers = [(m, name, m._buffers.get(name)) for m, name, _ in self._buffers]

        done: list[bool] = []

        def put_back() -> None:
            for n in now:
                n.put_back()
            for module, name, value in buffers:
                module._buffers[name] = value
            done.append(True)

        try:
            try:
                for m, n in zip(reversed(memory), reversed(now)):
                    m.array[...] = m.before
                    n.rebind(m.edge)
                for module, name, value in reversed(self._buffers):
                    module._buffers[name] = value
                yield
            finally:
                put_back()
        finally:
            if not done:  # a Ctrl-C just there
                put_back()


class _Now:
    """What an array holds, and what is known of it, at this moment."""

    __slots__ = ("array", "edge", "held", "owner", "record", "writes")

    def __init__(self, memory: _Memory) -> None:
        self.array = memory.array
        self.held = _copy(memory.array)
        self.owner = memory.owner()
        self.edge = None if self.owner is None else self.owner._edge
        self.writes = memory.writes()
        if self.writes is not None:
            self.record = self.writes.count, self.writes.stamp, self.writes.site

    def rebind(self, edge: Edge | None) -> None:
        owner = self.owner
        if owner is not None and owner._edge is not edge:
            owner._edge = edge
            refresh(owner)

    def put_back(self) -> None:
        self.array[...] = self.held
        self.rebind(self.edge)
        if self.writes is not None:
            self.writes.count, self.writes.stamp, self.writes.site = self.record


def _copy(array: Any) -> Any:
    return by_type[array.__class__].asarray(array)


def settle(saved: Any, written: Overwritten) -> Any:
    """What a node saved, with copies of the values that stand in memory that will be put back."""
    if saved.__class__ is tuple:
        return tuple(settle(value, written) for value in saved)
    if isinstance(saved, Tensor) and saved in written:
        out = wrap(_copy(saved._data))
        out._edge = saved._edge
        return out
    return saved
