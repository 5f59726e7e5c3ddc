"""align: the inputs of one op brought to one device and to PyTorch's common type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import dtypes
from .backend import by_type
from .dtypes import from_native
from .errors import ArgumentError, DeviceError, DomainError, DtypeError, UnsupportedError
from .op import EQUAL, FLOAT, KEEP, KINDS, Op

NUMBERS = (float, int, bool, complex)
FLOATING = dtypes.float32.category


def align(op: Op, values: Any) -> list[Any]:
    """One device and, unless the op says KEEP, PyTorch's common type."""
    for i, v in enumerate(values):
        number = v.__class__ in NUMBERS and op.only_tensors and op.inputs[i] in op.only_tensors
        if number or (v is None and i < op.required):
            raise ArgumentError(
                f"{op.name}(): argument '{op.label(i)}' (position {i + 1}) must be Tensor, not "
                f"{type(v).__name__}" + (f"; write anadrome.tensor({v})" if number else "")
            )
    cls: Any = class_of(values)
    values = [_moved(op, v, cls, values) for v in values]
    if op.dtype is KEEP:
        return values  # numbers too
    kinds = []
    for v in values:
        if v.__class__ is cls:
            kinds.append((from_native[v.dtype], 2 if v.ndim else 1))
        elif v is not None:
            kinds.append((dtypes.of_python(v), 0))
    target = dtypes.result_type(kinds)
    if op.dtype is EQUAL and any(
        kind is not target
        for name, (kind, rank) in zip(_given(op, values), kinds)
        if rank == 2 or (rank and name in op.only_tensors)
    ):
        found = " and ".join(dict.fromkeys(kind.name for kind, rank in kinds if rank))
        raise DtypeError(
            f"{op.name}(): expected all tensors to have the same dtype, but got {found}; cast one "
            "with `.to(...)`"
        )
    if target.kind == dtypes.FLOAT8 and "float8" in op.refuses:
        raise unsupported(op, next(v for v in values if v.__class__ is cls), target)
    if "any bool" in op.refuses and any(kind is dtypes.bool_ for kind, rank in kinds if rank):
        raise DtypeError(op.refuses["any bool"])
    if op.dtype is FLOAT and target.category < FLOATING:
        target = dtypes.get_default_dtype()
    backend = by_type[cls]
    native = backend.dtype(target)
    out: list[Any] = []
    for i, v in enumerate(values):
        if v.__class__ is cls:
            out.append(v if v.dtype == native else backend.xp.astype(v, native))
        elif v is None:
            out.append(v)
        else:
            # By `type`: in a captured step a live number only says that it is an int.
            if target.category < FLOATING and type(v) is int and not -(2**63) <= v < 2**63:
                raise DomainError(
                    f"{op.name}(): the number {v} cannot be converted to type {target.name} "
                    "without overflow; write a float, or cast the Tensor with `.double()`"
                )
            beside = [u.dtype for u in values if u.__class__ is cls]
            if op.factors and op.inputs[i] in op.factors:
                out.append(_operand(v, native, cls, beside, backend.factor, factors))
            else:
                out.append(_operand(v, native, cls, beside, backend.number, operands))
    return out


def _given(op: Op, values: Any) -> list[str]:
    return [name for name, v in zip(op.inputs, values) if v is not None]


def admitted(op: Op, array: Any) -> Any:
    """An array of an element type that needs a cast, cast; or an error if the op refuses it."""
    kind = from_native[array.dtype]
    if kind.kind == dtypes.FLOAT8 or KINDS[kind.category] in op.refuses:
        raise unsupported(op, array, kind)
    return cast(array, dtypes.get_default_dtype()) if op.dtype is FLOAT else array


def unsupported(op: Op, array: Any, kind: dtypes.dtype) -> UnsupportedError:
    """What PyTorch says of an element type that an op is not written for."""
    place = by_type[array.__class__].device_of(array).type
    name = f"\"{op.name}_{place}\" not implemented for '{dtypes.LEGACY[kind.name]}'"
    category = KINDS[kind.kind]
    return UnsupportedError(f"{op.refuses.get(category) or name}; {_INSTEAD[category]}")


#: What to write where a category of element types is refused.
_INSTEAD = {
    "bool": "write e.g. `x.long()`",
    "int": "write e.g. `x.float()`",
    "float": "write e.g. `x.long()`",
    "complex": "write e.g. `x.real` or `x.abs()`",
    "float8": "write e.g. `x.float()`",
}


#: Numbers that have been operands, as the backend likes them best, by value, class, and the dtype
#: and class of the array beside them.
operands: dict[tuple[Any, type, Any, type], Any] = {}
#: The same of those that are factors (``Op.factors``).
factors: dict[tuple[Any, type, Any, type], Any] = {}


def _operand(
    value: Any, native: Any, cls: type, beside: list[Any], made: Callable[..., Any], known: Any
) -> Any:
    backend = by_type[cls]
    out = made(value, native)
    beyond = type(value) is int and not -(2**63) <= value < 2**63  # bfloat16 compares with none
    # One known beside floats of 8 bits would spare ops that refuse them the way through `align`.
    if beyond or not backend.lasting_numbers or from_native[native].kind == dtypes.FLOAT8:
        return out
    # Only where the array keeps its type. Not 0.0, which is one key with -0.0, and not NaN, which
    # is a new key each time.
    if not all(b == native for b in beside) or value != value:
        return out
    # Nor -1 beside uint8, which has wrapped round and is no operand of a division.
    if from_native[native].category < FLOATING and out != value:
        return out
    if value or value.__class__ is int:
        if len(known) > 4096:
            known.clear()
        known[value, value.__class__, native, cls] = out
    return out


#: Whether there are batched arrays (``core/func``): those lift the arrays beside them.
lifting = False


def class_of(values: Any) -> type:
    """The class of the arrays among ``values``; one with dimensions decides."""
    if lifting:
        highest = max([v.__class__ for v in values], key=lambda c: getattr(c, "level", 0))
        if getattr(highest, "level", 0):
            return highest
    found: type | None = None
    for v in values:
        if v is None or v.__class__ in NUMBERS:
            continue
        if found is None or v.ndim:
            found = v.__class__
            if v.ndim:
                break
        elif found in by_type and v.__class__ is by_type[found].array_type:
            found = v.__class__  # not of a library's own number
    if found is None:
        raise TypeError(f"expected a Tensor or an array among {values!r}")
    return found if found in by_type else by_type[found].array_type


def _moved(op: Op, value: Any, cls: type, values: Any) -> Any:
    """An operand for arrays of ``cls``: zero-dimensional host values follow the others there."""
    if value is None or value.__class__ is cls or value.__class__ in NUMBERS:
        return value
    backend = by_type[cls]
    if lifting and getattr(cls, "level", False):
        return backend.raised(value)  # type: ignore[attr-defined]
    if value.__class__ in backend.scalar_types:  # a number, as in PyTorch
        scalar: Any = value
        number = scalar.item()
        if number.__class__ is bool:  # PyTorch's numbers know no bool of NumPy's
            return float(number)
        return number if number.__class__ in NUMBERS else float(number)
    other = by_type[value.__class__]  # raises, naming the class, if it is no array
    if value.ndim == 0:
        return backend.asarray(other.to_host(value))
    if other is backend:  # of a class derived from the library's
        return backend.xp.asarray(value)
    devices = " and ".join(
        sorted({str(by_type[v.__class__].device_of(v)) for v in values if hasattr(v, "ndim")})
    )
    raise DeviceError(
        f"{op.name}: expected all tensors to be on the same device, but found {devices}; move one "
        "with `.to(device)`"
    )


def cast(array: Any, to: dtypes.dtype) -> Any:
    """An array in another of our dtypes."""
    backend = by_type[array.__class__]
    return backend.xp.astype(array, backend.dtype(to))


class _Arraying(dict):
    """The class of what a backend's function returned to what makes an array of it."""

    def __missing__(self, cls: type) -> Callable[[Any], Any]:
        backend = by_type[cls]
        self[cls] = found = _itself if cls is backend.array_type else backend.from_scalar
        return found


def _itself(array: Any) -> Any:
    return array


#: ``arraying[value.__class__](value)`` is ``as_array(value)`` without the price of a call.
arraying: dict[type, Callable[[Any], Any]] = _Arraying()


def as_array(value: Any) -> Any:
    """A backend's scalar as its array; an array (of whatever backend) as it is."""
    return arraying[value.__class__](value)
