"""tape: what a captured step does, instruction by instruction, as it does it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .. import modes, sites
from ..backend import by_type
from ..tensor import Tensor
from .traced import Traced, TracedValue, is_array, value_needed
from .tracing import tracing

#: May give a view on another call, or on a backend that cannot tell.
_VIEWS = frozenset(
    ("getitem", "reshape", "permute_dims", "broadcast_to", "expand_dims", "squeeze", "moveaxis",
     "matrix_transpose", "transpose", "T", "mT", "real", "imag", "asarray", "astype", "ravel",
     "expand", "permute", "unsqueeze", "view", "t")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ref:
    """Stands for a traced value among an instruction's arguments."""

    slot: int


@dataclass(slots=True, eq=False)
class Instruction:
    """One call: ``outputs = function(*args, **kwargs)``, noted at the user's ``site``."""

    function: Callable[..., Any]
    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    outputs: tuple[int | None, ...]
    several: bool
    uses: tuple[int, ...]
    writes: tuple[int, ...]
    site: sites.Site
    #: Whether it must run at each replay whatever becomes of its result.
    effect: bool = False
    #: The result, where it is made of constants alone.
    constant: Any = None


@dataclass(slots=True, eq=False)
class Lifted:
    """A Tensor that existed before the step, and what it was then."""

    tensor: Any
    array: Any
    traced: Traced
    grad: Tensor | None
    edge: Any
    writes: int
    #: At the first replacement of ``.grad`` in the step: was it still what it had been?
    grad_reset: bool | None = None


class Tape:
    """What a step does, as it does it."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        #: A slot's real array, where it was there before the step; None for what the step makes.
        self.given: list[Any] = []
        self.lifted: dict[int, Lifted] = {}
        #: How many declared forwards are being taken apart.
        self.composing = 0
        #: Every traced array that is still referred to by somebody.
        self.alive: list[weakref.ref[Traced]] = []
        self._by_array: dict[int, Traced] = {}
        self._storage: list[int] = []

    # -- slots ----------------------------------------------------------------------------------
    def _slot(self, value: Any, given: Any, parents: Any = ()) -> Traced:
        slot = len(self.given)
        self.given.append(given)
        self._storage.append(slot)
        for parent in parents:
            self._storage[self.storage(parent.slot)] = self.storage(slot)
        backend = by_type.get(type(value))
        cls: type[Traced] = TracedValue
        if backend is not None:
            backend = tracing(backend)
            cls = backend.array_type if is_array(value) else backend.scalar_types[0]
        traced = cls(value, slot, self, parents)
        self.alive.append(weakref.ref(traced))
        return traced

    def storage(self, slot: int) -> int:
        """A number that slots which may share memory have in common."""
        parents = self._storage
        while parents[slot] != slot:
            parents[slot] = slot = parents[parents[slot]]
        return slot

    def held(self, array: Any, fresh: bool = False) -> Traced:
        """The traced form of an array that was there before the step; one for each array."""
        traced = None if fresh else self._by_array.get(id(array))
        if traced is None:
            traced = self._slot(array, array)
            self._by_array.setdefault(id(array), traced)
        return traced

    def lift(self, tensor: Tensor, fresh: bool = False) -> None:
        """Let a Tensor hold a traced array until the step is over, and its ``.grad`` too."""
        data = tensor._data
        if isinstance(data, Traced):
            if data.tape is self:
                return
            data = data.value
        traced = tensor._data = self.held(data, fresh)
        if id(tensor) in self.lifted:
            return
        writes = tensor._writes
        count = 0 if writes is None else writes.count
        grad = tensor._grad
        self.lifted[id(tensor)] = Lifted(tensor, data, traced, grad, tensor._edge, count)
        if grad is not None:
            self.lift(grad)

    def drop_temporaries(self) -> None:
        """Forget lifted Tensors that nobody else refers to, such as ``p.detach()`` in the step."""
        for key, entry in list(self.lifted.items()):
            tensor = weakref.ref(entry.tensor)
            entry.tensor = None
            entry.tensor = tensor()
            if entry.tensor is None:
                del self.lifted[key]

    def release(self) -> None:
        """Give every lifted Tensor a real array back, and forget the traced ones."""
        for entry in self.lifted.values():
            tensor = entry.tensor
            if tensor._data is entry.traced:
                tensor._data = entry.array
            elif isinstance(tensor._data, Traced):
                tensor._data = tensor._data.value
            grad = tensor._grad
            if grad is not None and isinstance(grad._data, Traced):
                grad._data = grad._data.value
        self._by_array.clear()
        self.lifted.clear()

    # -- notes ----------------------------------------------------------------------------------
    def note(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        out: Any,
        name: str,
        writes: Iterable[Any] = (),
        effect: bool = False,
    ) -> Any:
        """Append an instruction; returns the traced form of its result."""
        traced: list[Traced] = []
        refs = self._refs(args, traced)
        keyword_refs = self._refs(kwargs, traced)
        written = [self._adopted(w) for w in writes]
        known = type(out) in by_type or type(out) in (tuple, list) or out is None
        if not known:
            if not effect and not all(isinstance(t, TracedValue) for t in traced):
                value_needed()
            if not (traced or effect):
                return out  # facts about dtypes and the like
        if not (written or effect) and is_array(out):
            for t in traced:
                if out is t.value:
                    return t
        several = type(out) in (tuple, list) and not effect
        results: list[Any] = []
        made: list[int | None] = []
        for value in out if several else (out,):
            same = [w for w in written if w.value is value]
            if value is None or same:
                results.append(same[0] if same else None)
                made.append(None)
            else:
                results.append(self._slot(value, None, self._sharing(name, value, traced)))
                made.append(results[-1].slot)
        instruction = Instruction(
            function, name, refs, keyword_refs,
            tuple(made), several,
            tuple(t.slot for t in traced), tuple(w.slot for w in written), sites.caller(), effect,
        )  # fmt: skip
        constant = not (written or effect or several) and all(t.constant for t in traced)
        if constant and results[0] is not None:
            instruction.constant = out
            results[0].constant = True
        self.instructions.append(instruction)
        return tuple(results) if several else results[0]

    def _sharing(self, name: str, value: Any, traced: list[Traced]) -> tuple[Traced, ...]:
        backend = by_type.get(type(value))
        if backend is None:
            return ()
        return tuple(
            t
            for t in traced
            if type(t.value) is type(value) and (name in _VIEWS or backend.shares(value, t.value))
        )

    def _adopted(self, value: Any) -> Traced:
        if isinstance(value, Traced):
            return value if value.tape is self else self.held(value.value)
        return self.held(value)

    def _refs(self, value: Any, found: list[Traced]) -> Any:
        cls = type(value)
        if cls is tuple or cls is list:
            return cls([self._refs(v, found) for v in value])
        if cls is dict:
            return {k: self._refs(v, found) for k, v in value.items()}
        if cls is slice:
            return slice(*self._refs((value.start, value.stop, value.step), found))
        if not issubclass(cls, Traced) and not is_array(value):
            return value
        traced = self._adopted(value)
        found.append(traced)
        return Ref(traced.slot)

    def live(self, fresh: Callable[[], Any]) -> Any:
        """Ask for a value now, and at each replay again."""
        with modes.aside():
            value = fresh()
        label = getattr(fresh, "args", ())[:1]  # of a partial that asks for something by name
        name = label[0] if label and type(label[0]) is str else getattr(fresh, "__name__", "live")
        return self.note(fresh, (), {}, value, "live" if name == "<lambda>" else name, effect=True)
