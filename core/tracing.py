"""tracing: arrays that note down what is done with them, on a tape; for ``anadrome.capture``.

A ``Traced`` wraps a real array. It computes as that array would, and appends an instruction to the
tape. To the rest of core it is one more array class with one more backend: ops, rules, engine and
views run over it unchanged, so a whole training step writes itself down as a flat list of calls.
"""

from __future__ import annotations

import functools
import operator
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from . import modes, sites
from .backend import Backend, adopt, by_type
from .errors import CaptureError
from .tensor import Tensor

#: Their results have as many elements as the data says.
_SIZED_BY_DATA = frozenset(
    ("nonzero", "argwhere", "flatnonzero", "unique", "unique_values", "unique_counts",
     "unique_inverse", "unique_all", "compress", "extract", "union1d", "intersect1d")
)  # fmt: skip
_METHODS = frozenset(("reshape", "astype", "copy", "ravel", "transpose"))

OPERATORS = {
    operator.add: "+", operator.sub: "-", operator.mul: "*", operator.truediv: "/",
    operator.floordiv: "//", operator.mod: "%", operator.pow: "**", operator.matmul: "@",
    operator.and_: "&", operator.or_: "|", operator.xor: "^",
}  # fmt: skip
IN_PLACE = {
    getattr(operator, "i" + f.__name__.strip("_")): f"{symbol}=" for f, symbol in OPERATORS.items()
}
COMPARISONS = {
    operator.eq: "==", operator.ne: "!=", operator.lt: "<",
    operator.le: "<=", operator.gt: ">", operator.ge: ">=",
}  # fmt: skip
UNARY = {operator.neg: "-", operator.pos: "+", operator.invert: "~"}


class ValueNeeded(CaptureError):
    """Python asked for a value that a replay will compute anew."""


def value_needed(*_: Any) -> Any:
    """Refuse to leave the arrays."""
    raise ValueNeeded(
        "a captured step cannot take a value out of a Tensor (`item()`, `float()`, `tolist()`, "
        "`numpy()`, printing) or branch on one (`if`, `while`, `bool()`, `max()` of Tensors): a "
        f"replay would repeat the value of the first run. It was asked for at {_here()}. Return "
        "the Tensor and read it outside, choose values with `where()`, or do not capture this step"
    )


def _here() -> str:
    return sites.describe(sites.caller(2))


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


class Traced:
    """A real array (or a backend's scalar) whose fate is recorded."""

    __slots__ = ("__weakref__", "constant", "parents", "slot", "tape", "value")
    __array_priority__ = 2000
    backend: TracingBackend

    def __init__(self, value: Any, slot: int, tape: Tape, parents: Any = ()) -> None:
        self.value = value
        self.slot = slot
        self.tape = tape
        #: Whose memory this may share. As with an array's base, they live as long as this does.
        self.parents = parents
        self.constant = False

    def __repr__(self) -> str:
        return f"<traced {type(self.value).__name__} {getattr(self.value, 'shape', '')}>"

    @property
    def shape(self) -> Any:
        return self.value.shape

    @property
    def dtype(self) -> Any:
        return self.value.dtype

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def size(self) -> int:
        return self.value.size

    def __getattr__(self, name: str) -> Any:
        if name in ("T", "mT", "real", "imag"):
            return apply(attribute(name), (self,), name=name)
        if name in _METHODS:
            return functools.partial(_call_method, self, name)
        raise AttributeError(f"a traced array has no {name!r}")

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self.value)))

    def __getitem__(self, index: Any) -> Any:
        if _has_mask(index):
            _sized_by_data("indexing with a boolean mask")
        return apply(operator.getitem, (self, index), name="getitem")

    def __setitem__(self, index: Any, value: Any) -> None:
        apply(operator.setitem, (self, index, value), name="setitem", writes=(self,))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out", ())
        return apply(getattr(ufunc, method), inputs, kwargs, name=ufunc.__name__, writes=out)

    __hash__ = object.__hash__
    __bool__ = __int__ = __float__ = __complex__ = __index__ = __array__ = value_needed
    __format__ = __round__ = value_needed


class TracedValue(Traced):
    """What ``live`` returned, if it is no array: a learning rate, a step count, a random key.

    It gives itself out as a value of its class, so that ops treat it as the number it stands for;
    but C code, which would take the number and forget where it is from, is refused.
    """

    __slots__ = ()
    __class__ = property(lambda self: type(self.value))  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return bool(self.value) if type(self.value) is tuple else value_needed()


def _install_operators() -> None:
    def plain(function: Any) -> Any:
        def method(self: Traced, other: Any) -> Any:
            if isinstance(other, Tensor):
                return NotImplemented
            return apply(function, (self, other))

        return method

    def reflected(function: Any) -> Any:
        return lambda self, other: apply(function, (other, self))

    def in_place(function: Any, otherwise: Any) -> Any:
        def method(self: Traced, other: Any) -> Any:
            if type(self.value) not in _array_types():
                return apply(otherwise, (self, other))  # scalars are immutable
            return apply(function, (self, other), writes=(self,))

        return method

    for f in (*OPERATORS, *COMPARISONS):
        name = f.__name__.strip("_")
        setattr(Traced, f"__{name}__", plain(f))
        if f in OPERATORS:
            setattr(Traced, f"__r{name}__", reflected(f))
            setattr(Traced, f"__i{name}__", in_place(getattr(operator, "i" + name), f))
    for f in (*UNARY, operator.abs):
        setattr(Traced, f"__{f.__name__.strip('_')}__", lambda self, f=f: apply(f, (self,)))


def _array_types() -> set[type]:
    return {backend.array_type for backend in by_type.values()}


_install_operators()


def _has_mask(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(str(getattr(p, "dtype", "")).endswith("bool") for p in parts)


def _sized_by_data(what: str) -> None:
    raise CaptureError(
        f"{what} gives as many elements as the data says, and a captured step has fixed shapes "
        f"({_here()}); use `where()` or `masked_fill()`, which keep the shape"
    )


def lower(value: Any) -> Any:
    """The real arrays in place of traced ones, also inside tuples, lists, dicts and slices."""
    cls = type(value)
    if issubclass(cls, Traced):
        return value.value
    if cls is tuple or cls is list:
        return cls([lower(v) for v in value])
    if cls is dict:
        return {k: lower(v) for k, v in value.items()}
    if cls is slice:
        return slice(lower(value.start), lower(value.stop), lower(value.step))
    return value


def apply(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any] | None = None,
    *,
    name: str | None = None,
    writes: Iterable[Any] = (),
) -> Any:
    """Call ``function`` on the real arrays and note it; just call it when nothing records."""
    kwargs = kwargs or {}
    out = function(*lower(args), **lower(kwargs))
    tape = modes.tape.get()
    if tape is None:
        return out
    return tape.note(function, args, kwargs, out, name or function.__name__.strip("_"), writes)


@functools.cache
def attribute(name: str) -> Callable[[Any], Any]:
    """``operator.attrgetter``, but one object a name."""
    return operator.attrgetter(name)


@functools.cache
def method(name: str) -> Callable[..., Any]:
    """A function that calls the method of that name; one object a name."""
    return lambda array, *args, **kwargs: getattr(array, name)(*args, **kwargs)


def _call_method(array: Traced, name: str, *args: Any, **kwargs: Any) -> Any:
    return apply(method(name), (array, *args), kwargs, name=name)


@dataclass(slots=True, eq=False)
class Lifted:
    """A Tensor that existed before the step, and what it was then."""

    tensor: Tensor
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
            is_array = type(value) is backend.real.array_type
            cls = backend.array_type if is_array else backend.scalar_types[0]
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
            del entry.tensor
            survivor = tensor()
            if survivor is None:
                del self.lifted[key]
            else:
                entry.tensor = survivor
            del survivor

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
        if not (written or effect) and type(out) in _array_types():
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
            if type(t.value) is type(value)
            and (name == "reshape" or backend.shares(value, t.value))
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
        if not issubclass(cls, Traced):
            backend = by_type.get(cls)
            if backend is None or cls is not backend.array_type:
                return value
        traced = self._adopted(value)
        found.append(traced)
        return Ref(traced.slot)

    def live(self, fresh: Callable[[], Any]) -> Any:
        """Ask for a value now, and at each replay again."""
        with modes.aside():
            value = fresh()
        name = getattr(fresh, "__name__", "live").strip("<>")
        return self.note(fresh, (), {}, value, "live" if name == "lambda" else name, effect=True)


class _Recorded:
    """A namespace or object whose functions are called through ``apply``."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name in _SIZED_BY_DATA:
            return lambda *args, **kwargs: _sized_by_data(f"{name}()")
        if callable(found) and not isinstance(found, type):
            found = functools.partial(_recorded_call, found, name)
        setattr(self, name, found)
        return found


def _recorded_call(function: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    writes = kwargs.get("out", ())
    return apply(
        function, args, kwargs, name=name, writes=writes if isinstance(writes, tuple) else (writes,)
    )


class TracingBackend(Backend):
    """A backend's double, for the traced form of its arrays."""

    lasting_numbers = False

    def __init__(self, real: Backend) -> None:
        self.real = real
        self.name = real.name
        self.device_types = real.device_types
        self.unsupported_dtypes = real.unsupported_dtypes
        self.block = real.block
        space = {"__slots__": (), "backend": self}
        self.array_type = type("TracedArray", (Traced,), space)
        self.scalar_types = (type("TracedScalar", (Traced,), space),)
        self.xp = _Recorded(real.xp)
        self.native_dtype = real.native_dtype  # type: ignore[method-assign]
        # Once each, so that all calls of one are calls of the same object.
        self._asarray, self._number = real.asarray, real.number
        self._scatter_add = real.scatter_add
        self.placed = real.placed  # type: ignore[method-assign]
        self.synchronize = real.synchronize  # type: ignore[method-assign]
        self.to_host = self.require = value_needed  # type: ignore[method-assign]

    def asarray(self, data: Any, dtype: Any = None, device: Any = None) -> Any:
        options = {"dtype": dtype, "device": device}
        given = {k: v for k, v in options.items() if v is not None}
        return apply(self._asarray, (data,), given, name="asarray")

    def device_of(self, array: Any) -> Any:
        return self.real.device_of(lower(array))

    def number(self, value: Any, dtype: Any) -> Any:
        return apply(self._number, (value, dtype), name="number")

    def settled(self, array: Any) -> Any:
        return lower(array)

    def owns(self, array: Any) -> bool:
        return self.real.owns(lower(array))

    def shares(self, a: Any, b: Any) -> bool:
        return self.real.shares(lower(a), lower(b))

    def scatter_add(self, target: Any, index: Any, source: Any) -> None:
        apply(
            self._scatter_add, (target, index, source), name="scatter_add", writes=(target,)
        )

    def generator(self, device: Any = None) -> Any:
        return _Recorded(self.real.generator(device))

    def implementation(self, op: Any) -> Callable[..., Any]:
        """The kernel is one instruction; a declared forward is those of its functions.

        An update in place is one instruction too, and so is a forward that looks at values (to
        check them).
        """
        whole = self.real.implementation(op)
        flat = op.name not in self.real.kernels and not op.mutates
        composed = self.composed(op)

        def run(*arrays: Any, **keywords: Any) -> Any:
            tape = modes.tape.get()
            if tape is not None and flat:
                mark = len(tape.instructions)
                try:
                    return composed(*arrays, **keywords)
                except ValueNeeded:
                    del tape.instructions[mark:]
            names = op.inputs * len(arrays) if op.variadic else op.inputs
            writes = [a for n, a in zip(names, arrays) if n in op.mutates and a is not None]
            return apply(whole, arrays, keywords, name=op.name, writes=writes)

        return run


@functools.cache
def tracing(real: Backend) -> TracingBackend:
    """The tracing double of a backend; made once, and known to ops from then on."""
    if isinstance(real, TracingBackend):
        return real
    double = TracingBackend(real)
    adopt(double)
    return double
