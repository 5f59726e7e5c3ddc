"""array: an array that knows its shape, dtype and strides, and holds no values.

Its ``layout`` is an array of NumPy's with the right strides over the memory of a single element.
Only what makes views of it is ever called with it (NumPy then applies its own rules, and reads
nothing); it never leaves this package, because there is no memory behind it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from anadrome.errors import NoValuesError

_BASIC = (int, np.integer, slice, type(None), type(Ellipsis))


class SizedByData(NoValuesError):
    """The shape itself depends on values."""


#: What all arrays begin at; nothing is ever read there.
_ELEMENT = np.zeros((), np.complex128)
_START = _ELEMENT.__array_interface__["data"][0]


class MetaArray:
    """Shape, dtype and strides of an array that is not there.

    ``storage`` stands for its memory: views of one array have the same.
    """

    __slots__ = ("__weakref__", "layout", "storage")
    __array_priority__ = 2500

    def __init__(self, layout: Any, storage: object) -> None:
        self.layout = layout
        self.storage = storage

    def __repr__(self) -> str:
        return f"<MetaArray {self.shape} {self.dtype}>"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.layout.shape

    @property
    def dtype(self) -> Any:
        return self.layout.dtype

    @property
    def ndim(self) -> int:
        return self.layout.ndim

    @property
    def size(self) -> int:
        return self.layout.size

    @property
    def strides(self) -> tuple[int, ...]:
        return self.layout.strides

    @property
    def flags(self) -> Any:
        return self.layout.flags

    @property
    def address(self) -> int:
        """Bytes from the beginning of the memory to the first element."""
        return self.layout.__array_interface__["data"][0] - _START  # type: ignore[no-any-return]

    # -- views --------------------------------------------------------------------------------
    def seen(self, layout: Any) -> MetaArray:
        """A view of this array's memory."""
        return MetaArray(layout, self.storage)

    @property
    def T(self) -> MetaArray:
        return self.seen(self.layout.T)

    @property
    def mT(self) -> MetaArray:
        return self.seen(self.layout.mT)

    @property
    def real(self) -> MetaArray:
        return self.seen(self.layout.real) if self.dtype.kind == "c" else self

    @property
    def imag(self) -> MetaArray:
        if self.dtype.kind == "c":
            return self.seen(self.layout.imag)
        return empty(self.shape, self.dtype)

    def transpose(self, *axes: Any) -> MetaArray:
        return self.seen(self.layout.transpose(*axes))

    def view(self, dtype: Any) -> MetaArray:
        return self.seen(self.layout.view(dtype))

    def reshape(self, *shape: Any) -> MetaArray:
        shape = shape[0] if len(shape) == 1 else shape
        try:
            return self.seen(np.reshape(self.layout, shape, copy=False))
        except ValueError:  # of another size, or not to be had without a copy
            return empty(reshaped(self.shape, shape), self.dtype)

    def ravel(self) -> MetaArray:
        return self.reshape(-1)

    def __getitem__(self, index: Any) -> MetaArray:
        parts = index if isinstance(index, tuple) else (index,)
        if all(isinstance(i, _BASIC) and not isinstance(i, bool) for i in parts):
            # With an Ellipsis NumPy makes a view also of a single element, where it would read it.
            return self.seen(self.layout[parts if Ellipsis in parts else (*parts, Ellipsis)])
        return empty(indexed(self.shape, parts), self.dtype)

    # -- copies, and writes -------------------------------------------------------------------
    def astype(self, dtype: Any, copy: bool = True) -> MetaArray:
        return self if self.dtype == dtype and not copy else empty(self.shape, dtype)

    def copy(self) -> MetaArray:
        return empty(self.shape, self.dtype)

    def __setitem__(self, index: Any, value: Any) -> None:
        parts = index if isinstance(index, tuple) else (index,)
        if not any(isinstance(i, MetaArray) and i.dtype == bool for i in parts):
            self[index].check_written(getattr(value, "shape", ()))

    def check_written(self, shape: tuple[int, ...]) -> None:
        """Raise, as NumPy does, where values of a shape cannot be written."""
        if 0 in [s for s, n in zip(self.layout.strides, self.shape) if n > 1]:
            raise ValueError("assignment destination is read-only")
        while len(shape) > self.ndim and shape[0] == 1:
            shape = shape[1:]
        if np.broadcast_shapes(self.shape, shape) != self.shape:
            raise ValueError(f"could not broadcast from shape {shape} into shape {self.shape}")

    # -- values -------------------------------------------------------------------------------
    def __len__(self) -> int:
        return len(self.layout)

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    __hash__ = object.__hash__

    def _no_value(self, *_: Any) -> Any:
        no_data()

    __bool__ = __int__ = __float__ = __complex__ = __index__ = __array__ = _no_value
    item = tolist = _no_value


def no_data() -> Any:
    """Refuse to give values, in PyTorch's words."""
    raise NoValuesError("Cannot copy out of meta tensor; no data!")


class _Place:
    """What NumPy makes an array of: a place in memory, which it does not look at."""

    def __init__(self, **interface: Any) -> None:
        self.__array_interface__ = {"version": 3, **interface}


def laid_out(shape: Any, strides: Any, dtype: Any, address: int = 0) -> Any:
    """A layout of these lengths, of strides and a place in bytes."""
    # Of ml_dtypes' there are no names in that protocol.
    name = dtype.str if dtype.isbuiltin == 1 else f"|V{dtype.itemsize}"
    place = _Place(shape=tuple(shape), strides=tuple(strides), typestr=name,
                   data=(_START + address, True))  # fmt: skip
    out = np.asarray(place)
    return out if out.dtype == dtype else out.view(dtype)


def empty(shape: Any, dtype: Any) -> MetaArray:
    """An array of its own memory, row by row."""
    dtype = np.dtype(dtype)
    strides = []
    step = dtype.itemsize
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return MetaArray(laid_out(shape, strides[::-1], dtype), object())


def strided(
    x: MetaArray, *, size: Any, stride: Any, offset: int = 0, strides: Any = None
) -> MetaArray:
    """A view by lengths and strides, in elements."""
    bytes_each = x.dtype.itemsize
    steps = [s * bytes_each for s in stride]
    return x.seen(laid_out(size, steps, x.dtype, x.address + offset * bytes_each))


def windows(x: MetaArray, *, dimension: int, size: int, step: int) -> MetaArray:
    """A view of the windows along a dimension, which come last."""
    if x.ndim == 0:
        x = x.reshape(1)[:size]
        return x[0] if step == 0 else x
    at = dimension % x.ndim
    found = np.lib.stride_tricks.sliding_window_view(x.layout, size, axis=at)
    return x.seen(found[(slice(None),) * at + (slice(None, None, step),)])


def without_elements(shape: Any, dtype: Any) -> Any:
    """NumPy's array of a shape with a dimension of no elements behind it: it has no values."""
    return np.empty((*shape, 0), dtype)


def reshaped(shape: tuple[int, ...], wanted: Any) -> tuple[int, ...]:
    """The shape that ``reshape`` gives; ValueError for another number of elements."""
    line = as_strided(np.empty((), np.bool_), shape, (0,) * len(shape), writeable=False)
    return np.reshape(line, wanted, copy=False).shape


def indexed(shape: tuple[int, ...], parts: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape of what an index with arrays in it picks."""
    found = [_index(i) for i in parts]
    if any(i is Ellipsis for i in found):
        found.append(slice(None))
    return without_elements(shape, np.bool_)[tuple(found)].shape[:-1]


def _index(part: Any) -> Any:
    """An index of NumPy's in place of one without values: the first place, that many times."""
    if not isinstance(part, MetaArray):
        return part
    if part.dtype == bool:
        raise SizedByData(
            "an index that is a mask picks as many elements as it has true values, and a meta "
            "tensor has none; write where() or masked_fill(), which keep the shape"
        )
    return as_strided(np.zeros((), np.intp), part.shape, (0,) * part.ndim, writeable=False)
