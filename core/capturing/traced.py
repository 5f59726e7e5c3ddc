"""traced: arrays that note down what is done with them, for ``anadrome.capture``.

A ``Traced`` wraps a real array. It computes as that array would, and has the call noted on the tape
(see ``tape``) that is recording here.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any

from .. import modes, sites
from ..backend import by_type
from ..errors import CaptureError
from ..tensor import Tensor

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


class Traced:
    """A real array (or a backend's scalar) whose fate is recorded."""

    __slots__ = ("__weakref__", "constant", "parents", "slot", "tape", "value")
    __array_priority__ = 2000

    def __init__(self, value: Any, slot: int, tape: Any, parents: Any = ()) -> None:
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
            sized_by_data("indexing with a boolean mask")
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
            if not is_array(self.value):
                return apply(otherwise, (self, other))  # scalars are immutable
            return apply(function, (self, other), writes=(self,))

        return method

    for f in (*OPERATORS, *COMPARISONS):
        name = f.__name__.strip("_")
        setattr(Traced, f"__{name}__", plain(f))
        if f in OPERATORS:
            setattr(Traced, f"__r{name}__", reflected(f))
            setattr(Traced, f"__i{name}__", in_place(getattr(operator, "i" + name), f))
    for u in (*UNARY, operator.abs):
        setattr(Traced, f"__{u.__name__.strip('_')}__", lambda self, u=u: apply(u, (self,)))


def is_array(value: Any) -> bool:
    """Whether this is a backend's array, and not one of its scalars or anything else."""
    backend = by_type.get(type(value))
    return backend is not None and type(value) is backend.array_type


_install_operators()


def _has_mask(index: Any) -> bool:
    parts = index if isinstance(index, tuple) else (index,)
    return any(str(getattr(p, "dtype", "")).endswith("bool") for p in parts)


def sized_by_data(what: str) -> None:
    """Refuse a result whose shape depends on the data."""
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
    effect: bool = False,
) -> Any:
    """Call ``function`` on the real arrays and note it; just call it when nothing records."""
    kwargs = kwargs or {}
    out = function(*lower(args), **lower(kwargs))
    tape = modes.tape.get()
    if tape is None:
        return out
    name = name or function.__name__.strip("_")
    return tape.note(function, args, kwargs, out, name, writes, effect)


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
