"""dtypes: the element types, and PyTorch's rules for mixing them.

A ``dtype`` here is a name with facts. Each backend maps the name to its own object, so nothing in
core depends on an array library's dtype classes.
"""

from __future__ import annotations

import reprlib
from typing import Any

from .errors import ArgumentError, DtypeError

#: The library's name in what is printed: "torch" while ``anadrome run`` plays a PyTorch script.
shown_as = "anadrome"

#: Order of the categories: mixing two of them gives the higher one.
_BOOL, _INT, _FLOAT, _COMPLEX = range(4)
#: What ops ask beyond the categories: floats of 8 bits are kept and cast, hardly computed with.
FLOAT8 = 4


class dtype:
    """An element type such as ``anadrome.float32`` (PyTorch: ``torch.dtype``).

    Attributes: ``name``, ``itemsize`` in bytes, ``is_floating_point``, ``is_complex``,
    ``is_signed``.
    """

    __slots__ = (
        "category", "is_complex", "is_floating_point", "is_signed", "itemsize", "kind", "name",
    )  # fmt: skip

    def __init__(self, name: str, itemsize: int, category: int, signed: bool = True) -> None:
        self.name = name
        self.itemsize = itemsize
        self.category = category
        self.kind = FLOAT8 if name.startswith("float8") else category
        self.is_floating_point = category == _FLOAT
        self.is_complex = category == _COMPLEX
        self.is_signed = signed

    def __repr__(self) -> str:
        return f"{shown_as}.{self.name}"

    def to_real(self) -> dtype:
        """The floating type of a complex one's parts; a real type itself."""
        return BY_NAME[_REAL.get(self.name, self.name)]

    def to_complex(self) -> dtype:
        """The complex type with parts of this floating type; RuntimeError for an integer type."""
        if self.is_complex:
            return self
        if not self.is_floating_point:
            raise DtypeError(f"there is no complex type of {self.name}; write e.g. complex64")
        return {"float16": complex32, "float64": complex128}.get(self.name, complex64)

    def __reduce__(self) -> str:
        return self.name if self.name != "bool" else "bool_"


bool_ = dtype("bool", 1, _BOOL, signed=False)
uint8 = dtype("uint8", 1, _INT, signed=False)
int8 = dtype("int8", 1, _INT)
int16 = dtype("int16", 2, _INT)
int32 = dtype("int32", 4, _INT)
int64 = dtype("int64", 8, _INT)
float16 = dtype("float16", 2, _FLOAT)
bfloat16 = dtype("bfloat16", 2, _FLOAT)
float32 = dtype("float32", 4, _FLOAT)
float64 = dtype("float64", 8, _FLOAT)
complex64 = dtype("complex64", 8, _COMPLEX)
complex128 = dtype("complex128", 16, _COMPLEX)

ALL = (
    bool_, uint8, int8, int16, int32, int64,
    float16, bfloat16, float32, float64, complex64, complex128,
)  # fmt: skip

# These PyTorch promotes to nothing: a program casts them first.
uint16 = dtype("uint16", 2, _INT, signed=False)
uint32 = dtype("uint32", 4, _INT, signed=False)
uint64 = dtype("uint64", 8, _INT, signed=False)
float8_e4m3fn = dtype("float8_e4m3fn", 1, _FLOAT)
float8_e4m3fnuz = dtype("float8_e4m3fnuz", 1, _FLOAT)
float8_e5m2 = dtype("float8_e5m2", 1, _FLOAT)
float8_e5m2fnuz = dtype("float8_e5m2fnuz", 1, _FLOAT)
BARE = (
    uint16, uint32, uint64, float8_e4m3fn, float8_e4m3fnuz, float8_e5m2, float8_e5m2fnuz,
)  # fmt: skip
BY_NAME = {d.name: d for d in ALL + BARE}

# Types that PyTorch's programs compare with and look up; no Tensor here is of one.
float8_e8m0fnu = dtype("float8_e8m0fnu", 1, _FLOAT)
complex32 = dtype("complex32", 4, _COMPLEX)
qint8 = dtype("qint8", 1, _INT)
quint8 = dtype("quint8", 1, _INT, signed=False)
qint32 = dtype("qint32", 4, _INT)
quint4x2 = dtype("quint4x2", 1, _INT, signed=False)
quint2x4 = dtype("quint2x4", 1, _INT, signed=False)

#: By name, too.
NAMED_ONLY = {
    d.name: d
    for d in (float8_e8m0fnu, complex32, qint8, quint8, qint32, quint4x2, quint2x4)
}  # fmt: skip

#: As PyTorch's messages and its older classes name them.
LEGACY = {
    "float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16",
    "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
    "bool": "Bool", "complex64": "ComplexFloat", "complex128": "ComplexDouble",
    "complex32": "ComplexHalf", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64",
    **{d.name: d.name.capitalize() for d in (*BARE[3:], float8_e8m0fnu)},
    **{name: name.replace("q", "Q").replace("u", "U").replace("i", "I")
       for name in NAMED_ONLY if name[0] == "q"},
}  # fmt: skip

_REAL = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}

# PyTorch's other names.
half, double, long, short = float16, float64, int64, int16
chalf = complex32
cfloat, cdouble = complex64, complex128
int_, float_ = int32, float32

#: Mantissa bits, exponent of the smallest normal number, exponent beyond the largest one.
_FLOATS = {
    "float16": (10, -14, 16),
    "bfloat16": (7, -126, 128),
    "float32": (23, -126, 128),
    "float64": (52, -1022, 1024),
    "float8_e4m3fn": (3, -6, 9),
    "float8_e4m3fnuz": (3, -7, 8),
    "float8_e5m2": (2, -14, 16),
    "float8_e5m2fnuz": (3, -15, 16),
    "float8_e8m0fnu": (0, -127, 128),
}

#: Where another value than the exponent's last is the largest.
_LARGEST = {"float8_e4m3fn": 448.0, "float8_e5m2fnuz": 57344.0}


class finfo:
    """Limits of a floating-point dtype (PyTorch: ``torch.finfo``).

    Attributes: ``bits``, ``eps``, ``max``, ``min``, ``tiny``, ``smallest_normal``, ``dtype``.

    >>> import anadrome as ad
    >>> ad.finfo(ad.float16).max
    65504.0
    """

    def __init__(self, type: dtype | None = None) -> None:
        kind = _default if type is None else _checked("finfo", type)
        if kind.is_complex:
            kind = kind.to_real()
        if kind.name not in _FLOATS:
            raise TypeError(f"finfo() takes a floating-point dtype, not {kind!r}; use iinfo()")
        mantissa, low, high = _FLOATS[kind.name]
        self.dtype = kind.name
        self.bits = kind.itemsize * 8
        self.eps = 2.0**-mantissa
        self.tiny = self.smallest_normal = 2.0**low
        self.max = _LARGEST.get(kind.name, (2.0 - self.eps) * 2.0 ** (high - 1))
        self.min = self.tiny if kind is float8_e8m0fnu else -self.max  # that one has no sign
        #: Ten to the power of the decimal digits that are kept.
        self.resolution = float(f"1e-{int(mantissa * 0.30103)}")

    def __repr__(self) -> str:
        facts = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        told = ", ".join(f"{name}={getattr(self, name):g}" for name in facts)
        return f"finfo({told}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class iinfo:
    """Limits of an integer dtype (PyTorch: ``torch.iinfo``): ``bits``, ``max``, ``min``.

    >>> import anadrome as ad
    >>> ad.iinfo(ad.int8)
    iinfo(min=-128, max=127, dtype=int8)
    """

    def __init__(self, type: dtype) -> None:
        if _checked("iinfo", type).category != _INT:
            raise TypeError(f"iinfo() takes an integer dtype, not {type!r}; use finfo()")
        self.dtype = type.name
        self.bits = type.itemsize * 8
        self.max = 2 ** (self.bits - type.is_signed) - 1
        self.min = -(2 ** (self.bits - 1)) if type.is_signed else 0

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


_default = float32


def get_default_dtype() -> dtype:
    """The dtype of a Tensor made from Python floats; float32 unless set otherwise."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Set the dtype of Tensors made from Python floats (floating point only)."""
    global _default
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(
            f"only floating-point types are supported as the default type, not {reprlib.repr(d)}; "
            "use e.g. set_default_dtype(anadrome.float64)"
        )
    _default = d


class _FromNative(dict):
    """A backend's dtype object to ours; learnt from its printed name, once each."""

    def __missing__(self, native: Any) -> dtype:
        name = str(native).rsplit(".", 1)[-1]
        found = BY_NAME.get(name)
        if found is None:
            raise DtypeError(
                f"arrays of dtype {native} are not supported; cast to one of " + ", ".join(BY_NAME)
            )
        self[native] = found
        return found


from_native: dict[Any, dtype] = _FromNative()


def as_dtype(d: Any) -> dtype:
    """One of ours from ours, from Python's ``float``/``int``/``bool``, or from a native dtype."""
    if isinstance(d, dtype):
        return d
    if d is float:
        return float64
    if d is int:
        return int64
    if d is bool:
        return bool_
    if d is complex:
        return complex128
    try:
        return from_native[d]
    except TypeError:  # not even a key
        raise DtypeError(
            f"expected a dtype such as {shown_as}.float32, not a {type(d).__name__}"
        ) from None


def _checked(function: str, d: Any) -> Any:
    if not isinstance(d, dtype):
        raise ArgumentError(f"{function}(): argument must be a dtype, not {type(d).__name__}")
    return d


def of_python(value: Any) -> dtype:
    """The dtype that PyTorch gives a Python number."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, int):
        return int64
    if isinstance(value, float):
        return _default
    if isinstance(value, complex):
        return complex128 if _default is float64 else complex64
    if getattr(value, "size", 0) == 1 and hasattr(value, "item"):  # NumPy's
        number = value.item()  # a bool of NumPy's is a float to PyTorch
        return _default if isinstance(number, bool) else of_python(number)
    raise TypeError(f"expected a number, got {type(value).__name__}")


def is_number(value: Any) -> bool:
    """Whether it is one of Python's or NumPy's numbers, or a Tensor; the class of one is none."""
    if isinstance(value, type):
        return False
    return hasattr(value, "__float__") or hasattr(value, "__complex__")


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a value may become that type without a change of kind (``torch.can_cast``).

    >>> import anadrome as ad
    >>> ad.can_cast(ad.int64, ad.float16), ad.can_cast(ad.float32, ad.int64)
    (True, False)
    """
    from_, to = as_dtype(from_), as_dtype(to)
    return from_.category <= to.category or (from_.category == _INT and to.category == _INT)


_PROMOTED = frozenset(ALL)
_UNSIGNED = frozenset(BARE[:3])
_FLOATING = frozenset(d for d in ALL if d.category == _FLOAT)


def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest type that holds both (PyTorch: ``torch.promote_types``).

    >>> import anadrome as ad
    >>> ad.promote_types(ad.int64, ad.float16)
    anadrome.float16
    """
    if a is b and a.__class__ is dtype:
        return a
    try:
        other_kind = a.category != b.category
    except AttributeError:
        kinds = f"{type(a).__name__} and {type(b).__name__}"
        raise ArgumentError(f"promote_types() takes two dtypes, not {kinds}") from None
    low, high = (a, b) if a.category < b.category else (b, a)
    if not (a in _PROMOTED and b in _PROMOTED):
        if low in _UNSIGNED and high in _FLOATING:
            return high
        which = "Float8 Types" if FLOAT8 in (a.kind, b.kind) else "uint16, uint32, uint64 types"
        raise DtypeError(
            f"Promotion for {which} is not supported, attempted to promote {LEGACY[a.name]} and "
            f"{LEGACY[b.name]}; cast one of them"
        )
    if other_kind:
        if high is complex64 and low is float64:
            return complex128
        return high
    if a.category == _INT and a.is_signed != b.is_signed:
        signed = a if a.is_signed else b
        return int16 if signed is int8 else signed  # uint8 is the only unsigned one
    if {a, b} == {float16, bfloat16}:
        return float32
    return a if a.itemsize >= b.itemsize else b


def result_type(values: list[tuple[dtype, int]]) -> dtype:
    """PyTorch's type of an operation on several operands.

    ``values`` holds (dtype, rank) with rank 2 for arrays with dimensions, 1 for zero-dimensional
    ones, 0 for Python numbers. A lower rank takes part only if its category is higher.
    """
    best: dtype | None = None
    for rank in (2, 1, 0):
        here: dtype | None = None
        for d, r in values:
            if r == rank:
                here = d if here is None else promote_types(here, d)
        if here is None:
            continue
        if best is None:
            best = here
        elif here.category > best.category:
            best = _lifted(best, here, rank)
    assert best is not None
    return best


def _lifted(low: dtype, high: dtype, rank: int) -> dtype:
    """``low`` in the category of ``high``, which has fewer dimensions: a float keeps its width."""
    if high.category == _COMPLEX and low.category == _FLOAT:
        return complex128 if low is float64 else complex64
    if high.category == _FLOAT and rank == 0:
        return _default
    return promote_types(low, high)
