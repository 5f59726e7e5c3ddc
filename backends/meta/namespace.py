"""namespace: NumPy's functions, over arrays of no values, as the forwards see them."""

from __future__ import annotations

import functools
from typing import Any, NoReturn

import numpy as np

from . import shapes
from .array import MetaArray, SizedByData, no_data
from .array import empty as made
from .shapes import (
    arange as arange,
)
from .shapes import (
    broadcast_arrays as broadcast_arrays,
)
from .shapes import (
    broadcast_to as broadcast_to,
)
from .shapes import (
    from_parts as from_parts,
)
from .shapes import (
    product as matmul,
)
from .shapes import (
    searchsorted as searchsorted,
)
from .shapes import (
    take as take,
)
from .shapes import (
    take_along_axis as take_along_axis,
)
from .shapes import (
    unravel_index as unravel_index,
)

#: The functions of each family that are no ufuncs.
_ELEMENTWISE = ("where", "clip", "round", "nan_to_num", "isclose", "angle", "sinc", "i0")
_REDUCED = ("sum", "prod", "mean", "var", "std", "max", "min", "any", "all", "argmax", "argmin",
            "count_nonzero", "amax", "amin", "median")  # fmt: skip
_ALONG = ("sort", "argsort", "cumulative_sum", "cumulative_prod", "cumsum", "cumprod", "diff")
_ARRANGED = ("concat", "concatenate", "stack", "roll", "repeat")
_VIEWED = ("expand_dims", "squeeze", "permute_dims", "transpose", "moveaxis", "swapaxes", "flip",
           "diagonal", "matrix_transpose", "rot90")  # fmt: skip
_SIZED_BY_DATA = ("nonzero", "argwhere", "flatnonzero", "unique", "unique_values", "unique_counts",
                  "unique_inverse", "unique_all", "compress", "extract", "bincount")  # fmt: skip
#: What these take is no array, or only its dtype.
_PLAIN = ("isdtype", "iinfo", "finfo", "dtype", "errstate", "broadcast_shapes", "can_cast")


def _sized_by_data(name: str, *_: Any, **__: Any) -> NoReturn:
    raise SizedByData(
        f"{name}() gives as many elements as the data says, and a meta tensor has no data; write "
        "where() or masked_fill(), which keep the shape, or compute this on another device"
    )


def asarray(data: Any, /, *, dtype: Any = None, copy: bool | None = None) -> MetaArray:
    """The array itself where nothing changes; of anything else its shape."""
    if isinstance(data, MetaArray):
        return data.astype(data.dtype if dtype is None else dtype, copy=bool(copy))
    host = np.asarray(data, dtype=dtype)
    return made(host.shape, host.dtype)


def astype(x: Any, dtype: Any, /, *, copy: bool = True) -> MetaArray:
    """``x`` with another element type."""
    return x.astype(dtype, copy=copy)


def reshape(x: Any, /, shape: Any, *, copy: bool | None = None) -> MetaArray:
    """A view of another shape, or a copy."""
    out = x.reshape(shape)
    return out.copy() if copy else out


def empty(shape: Any, *, dtype: Any = None) -> MetaArray:
    """As it happens to be."""
    whole = (int(shape),) if np.ndim(shape) == 0 else tuple([int(n) for n in shape])
    return made(whole, np.dtype(np.float64 if dtype is None else dtype))


zeros = ones = empty


def full(shape: Any, fill_value: Any, *, dtype: Any = None) -> MetaArray:
    """One value everywhere."""
    if dtype is None:
        dtype = getattr(fill_value, "dtype", None) or np.asarray(fill_value).dtype
    return empty(shape, dtype=dtype)


def empty_like(x: Any, /, *_: Any, dtype: Any = None, **__: Any) -> MetaArray:
    """Of the shape of another."""
    return made(x.shape, x.dtype if dtype is None else np.dtype(dtype))


zeros_like = ones_like = full_like = empty_like


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None) -> MetaArray:
    """Ones on a diagonal."""
    return empty((n_rows, n_rows if n_cols is None else n_cols), dtype=dtype)


def linspace(start: Any, stop: Any, /, num: int, *, dtype: Any = None, **_: Any) -> MetaArray:
    """``num`` values between two."""
    return empty((num,), dtype=dtype)


def tile(x: Any, repetitions: Any, /) -> MetaArray:
    """The array several times in each dimension."""
    found = np.tile(np.empty((*x.shape, 0), np.bool_), (*repetitions, 1))
    return made(found.shape[:-1], x.dtype)


def real(x: Any, /) -> Any:
    """The real part."""
    return x.real


def imag(x: Any, /) -> Any:
    """The imaginary part."""
    return x.imag


def result_type(*values: Any) -> Any:
    """The dtype that values have in common."""
    return np.result_type(*[getattr(v, "dtype", v) for v in values])


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> MetaArray:
    """Products summed along an axis, which both have."""
    return shapes.reduced(np.sum, shapes.elementwise(np.multiply, (x1, x2)), axis=axis)


class _Part:
    """A part of NumPy, ``linalg`` or ``fft``, whose functions follow one rule."""

    def __init__(self, real: Any, rule: Any) -> None:
        self._real = real
        self._rule = rule

    def __getattr__(self, name: str) -> Any:
        if name == "matmul":
            return matmul
        found = getattr(self._real, name)
        if isinstance(found, type):
            return found
        rule = self._rule
        if name in _VIEWED:
            rule = shapes.viewed
        elif name in ("norm", "vector_norm"):
            rule = shapes.reduced
        return functools.partial(rule, found)


linalg = _Part(np.linalg, shapes.stacked)
fft = _Part(np.fft, shapes.transformed)


def _arranged(function: Any, default: Any, x: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Whether it was written ``f(x, axis=axis)``, ``f(x, n, axis=axis)`` or ``f(x)``."""
    kwargs.setdefault("axis", default)
    return shapes.arranged(function, x, *args, **kwargs)


def __getattr__(name: str) -> Any:
    found = getattr(np, name)
    if isinstance(found, np.ufunc) and found.signature is None:
        return lambda *args, **kwargs: shapes.elementwise(found, args, kwargs)
    if isinstance(found, type) or not callable(found) or name in _PLAIN:
        return found
    if name in _ELEMENTWISE:
        return lambda *args, **kwargs: shapes.elementwise(found, args, kwargs)
    for names, rule in (
        (_REDUCED, shapes.reduced), (_ALONG, shapes.along), (_VIEWED, shapes.viewed),
    ):  # fmt: skip
        if name in names:
            return functools.partial(rule, found)
    if name in _ARRANGED:
        default = None if name in ("roll", "repeat") else 0
        return functools.partial(_arranged, found, default)
    if name in _SIZED_BY_DATA:
        return functools.partial(_sized_by_data, name)
    return lambda *args, **kwargs: no_data()
