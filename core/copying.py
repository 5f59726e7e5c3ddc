"""copying: a Tensor copied by ``copy`` and ``deepcopy``, and pickled; never its graph."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from . import backend as backends
from .device import device
from .dtypes import dtype
from .errors import GraphError

if TYPE_CHECKING:
    from .tensor import Tensor

_new = object.__new__


class Copying:
    """The part of ``Tensor`` that Python's ``copy`` and ``pickle`` ask."""

    __slots__ = ()

    if TYPE_CHECKING:  # what Tensor has
        _data: Any
        _edge: Any
        _grad: Any
        _writes: Any

        def __getattr__(self, name: str) -> Any: ...

    def __copy__(self) -> Any:
        """A leaf of the same memory: a copy has no part in the graph."""
        from .tensor import LEAF

        out = _new(type(self))
        out.__dict__.update(self._attributes())
        out._data, out._edge = self._data, self._edge and LEAF
        out._writes = self._shared_writes()
        return out

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if not self.is_leaf:
            raise GraphError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment; use .detach() first"
            )
        if id(self) in memo:
            return memo[id(self)]
        out = _new(type(self))
        memo[id(self)] = out
        out._data = self._backend.asarray(self._data)
        out._edge = self._edge
        _keep_together(self, out, memo)
        if self._grad is not None:
            out._grad = self._grad.__deepcopy__(memo)
        out.__dict__.update(copy.deepcopy(self._attributes(), memo))
        return out

    def _attributes(self) -> dict[str, Any]:
        """What programs have set on this Tensor; our own names are all known to the class."""
        from .tensor import Tensor

        return {k: v for k, v in self.__dict__.items() if not hasattr(Tensor, k)}

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickled as values, dtype, device and whether it requires a gradient; never its graph."""
        backend = self._backend
        host = backend.to_host(self._data) if backend.holds_values else tuple(self.shape)
        what = (type(self), host, self.dtype, str(self.device), self.requires_grad)
        return _unpickled, (*what, self._attributes())


class _Memory:
    """Memory of which a deepcopy has copied something."""

    __slots__ = ("first", "original", "whole")

    def __init__(self, original: Any) -> None:
        self.original = original
        self.first: Any = None
        self.whole: Any = None


def _keep_together(source: Any, out: Any, memo: Any) -> None:
    """Let Tensors that share memory share it in their copies, too.

    One alone is copied without the rest of the memory that it may be a view of. When there is a
    second one, the whole is copied, and the copies become parts of that.
    """
    backend = source._backend
    original = backend.memory_of(source._data)
    memory = memo.setdefault(("memory", id(original)), _Memory(original))
    if memory.first is None:
        memory.first = source, out
        return
    here = [(source, out)]
    if memory.whole is None:
        memory.whole = backend.asarray(original)
        here.append(memory.first)
    writes = memory.first[1]._shared_writes()
    for given, copied in here:
        part = backend.part_of(memory.whole, original, given._data)
        if part is not None:
            copied._data = part
            copied._writes = writes


def _unpickled(
    cls: type, host: Any, kind: dtype, place: str, requires_grad: bool, attributes: dict[str, Any]
) -> Tensor:
    from .overriding import instance
    from .tensor import LEAF

    backend = backends.for_device(place)
    out: Tensor = instance(cls)
    data = host if backend.holds_values else backend.xp.empty(host)
    out._data = backend.asarray(data, dtype=backend.dtype(kind), device=device(place))
    out._edge = LEAF if requires_grad else None
    out.__dict__.update(attributes)
    return out
