"""shapes: which shape and dtype the functions of NumPy give, by families.

No rule of NumPy's is written down twice where it need not be: a function is called with arrays of
no elements, and what it says of those (or raises) holds for the arrays that are not there.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .array import MetaArray, empty, no_data, without_elements


def _shape(value: Any) -> tuple[int, ...] | None:
    return value.shape if isinstance(value, (MetaArray, np.ndarray, np.generic)) else None


def _line(value: Any) -> Any:
    """No elements of an array's dtype, in one dimension; a number stays what it is."""
    return np.empty((0,), value.dtype) if _shape(value) is not None else value


def elementwise(function: Callable[..., Any], args: Any, kwargs: Any = None) -> Any:
    """One result for each element; arguments are broadcast."""
    kwargs = dict(kwargs or {})
    out = kwargs.pop("out", None)
    shapes = [s for a in (*args, *kwargs.values()) if (s := _shape(a)) is not None]
    named = {name: _line(value) for name, value in kwargs.items()}
    found = function(*[_line(a) for a in args], **named)
    shape = np.broadcast_shapes(*shapes)
    if out is not None:
        return out[0] if isinstance(out, tuple) else out
    if isinstance(found, tuple):
        return tuple([empty(shape, f.dtype) for f in found])
    return empty(shape, found.dtype)


def _axes(ndim: int, axis: Any) -> tuple[int, ...]:
    from numpy.lib.array_utils import normalize_axis_tuple

    return tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim)


def reduced(
    function: Callable[..., Any],
    x: Any,
    /,
    *,
    axis: Any = None,
    keepdims: bool = False,
    **kwargs: Any,
) -> MetaArray:
    """One result for all elements along some axes."""
    axes = _axes(x.ndim, axis)
    kind = function(np.ones((1,), x.dtype), **kwargs).dtype
    if any(x.shape[i] == 0 for i in axes):  # there may be nothing to take the largest of
        function(np.empty((0,), x.dtype), **kwargs)
    if keepdims:
        return empty([1 if i in axes else n for i, n in enumerate(x.shape)], kind)
    return empty([n for i, n in enumerate(x.shape) if i not in axes], kind)


def along(function: Callable[..., Any], x: Any, /, *, axis: Any = None, **kwargs: Any) -> MetaArray:
    """As many results as elements, along an axis."""
    (at,) = (0,) if axis is None and x.ndim < 2 else _axes(x.ndim, -1 if axis is None else axis)
    length = x.shape[at] if x.ndim else 1
    found = function(np.empty((length, 0), x.dtype), axis=0, **kwargs)
    return empty([found.shape[0] if i == at else n for i, n in enumerate(x.shape)], found.dtype)


def arranged(function: Callable[..., Any], x: Any, /, *args: Any, axis: Any, **kwargs: Any) -> Any:
    """The elements of one array or of several in another arrangement, along an axis."""
    if axis is None:
        x = x.ravel() if isinstance(x, MetaArray) else [a.ravel() for a in x]
        axis = 0
    if isinstance(axis, int):
        axis = axis - 1 if axis < 0 else axis
    else:
        axis = tuple([i - 1 if i < 0 else i for i in axis])
    given = _no_elements(x) if isinstance(x, MetaArray) else [_no_elements(a) for a in x]
    found = function(given, *args, axis=axis, **kwargs)
    return empty(found.shape[:-1], found.dtype)


def _no_elements(x: Any) -> Any:
    return without_elements(x.shape, x.dtype)


def viewed(function: Callable[..., Any], x: Any, *args: Any, **kwargs: Any) -> MetaArray:
    """A view, which NumPy makes without reading anything."""
    return x.seen(function(x.layout, *args, **kwargs))


# -- of matrices -----------------------------------------------------------------------------
def stacked(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A function of matrices in the last two dimensions, of none of them."""
    ndim = max([a.ndim for a in args if _shape(a) is not None])

    def none_of(a: Any) -> Any:
        if _shape(a) is None or a.ndim < 2:
            return a if _shape(a) is None else np.ones(a.shape, a.dtype)
        return np.empty((0, *(1,) * (ndim - a.ndim), *a.shape), a.dtype)

    return _without_first(function(*[none_of(a) for a in args], **kwargs))


def _without_first(found: Any) -> Any:
    if not isinstance(found, tuple):
        return empty(found.shape[1:], found.dtype)
    parts = [empty(f.shape[1:], f.dtype) for f in found]
    return type(found)(*parts) if hasattr(found, "_fields") else tuple(parts)


def product(a: Any, b: Any) -> MetaArray:
    """The matrix product; of vectors as NumPy has it."""
    if not (a.ndim and b.ndim):
        np.matmul(np.empty(a.shape), np.empty(b.shape))  # raises
    left = a if a.ndim > 1 else a[None, :]
    right = b if b.ndim > 1 else b[:, None]
    out = stacked(np.matmul, left, right)
    if b.ndim == 1:
        out = out[..., 0]
    return out[..., 0] if a.ndim == 1 and b.ndim == 1 else out[..., 0, :] if a.ndim == 1 else out


def transformed(function: Callable[..., Any], x: Any, *args: Any, **kwargs: Any) -> MetaArray:
    """A Fourier transform along some axes."""
    for name in ("axis", "axes"):
        given = kwargs.get(name)
        if isinstance(given, int):
            kwargs[name] = given + 1 if given >= 0 else given
        elif given is not None:
            kwargs[name] = tuple([i + 1 if i >= 0 else i for i in given])
    if function.__name__.endswith("n") and kwargs.get("axes") is None:
        kwargs["axes"] = tuple(range(1, x.ndim + 1))
    return _without_first(function(np.empty((0, *x.shape), x.dtype), *args, **kwargs))


# -- one by one --------------------------------------------------------------------------------
def take(x: Any, indices: Any, /, *, axis: int | None = None) -> MetaArray:
    """The elements at places along an axis."""
    if axis is None:
        x, axis = x.ravel(), 0
    (at,) = _axes(x.ndim, axis)
    picked = indices.shape if _shape(indices) is not None else np.shape(indices)
    return empty((*x.shape[:at], *picked, *x.shape[at + 1 :]), x.dtype)


def take_along_axis(x: Any, indices: Any, /, axis: int = -1) -> MetaArray:
    """An element for each index along an axis."""
    (at,) = _axes(x.ndim, axis)
    length = indices.shape[at]
    rest = np.broadcast_shapes(
        *[tuple(1 if i == at else n for i, n in enumerate(a.shape)) for a in (x, indices)]
    )
    return empty([length if i == at else n for i, n in enumerate(rest)], x.dtype)


def same(x: Any, /, *_: Any, **__: Any) -> MetaArray:
    """Of the same shape and dtype: ``tril`` and the like."""
    return empty(x.shape, x.dtype)


def searchsorted(x1: Any, x2: Any, /, **_: Any) -> MetaArray:
    """A place for each value."""
    return empty(x2.shape, np.dtype(np.intp))


def unravel_index(indices: Any, shape: Any) -> tuple[MetaArray, ...]:
    """Places in each dimension."""
    return tuple([empty(indices.shape, np.dtype(np.intp)) for _ in shape])


def broadcast_to(x: Any, /, shape: Any) -> MetaArray:
    """A view of a larger shape."""
    if not isinstance(x, MetaArray):
        x = empty(np.shape(x), np.asarray(x).dtype)
    return x.seen(np.broadcast_to(x.layout, shape))


def broadcast_arrays(*arrays: Any) -> tuple[MetaArray, ...]:
    """Views of the shape that all of them have in common."""
    shape = np.broadcast_shapes(*[a.shape for a in arrays])
    return tuple([broadcast_to(a, shape) for a in arrays])


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None) -> MetaArray:
    """As many numbers as there are steps."""
    start, stop = (0, start) if stop is None else (start, stop)
    if any(isinstance(v, MetaArray) for v in (start, stop, step)):
        no_data()
    kind = np.arange(start, start, step, dtype=dtype).dtype
    if all(isinstance(v, (int, np.integer)) for v in (start, stop, step)):
        return empty((max(0, -((start - stop) // step)),), kind)
    return empty((max(0, math.ceil((stop - start) / step)),), kind)


def from_parts(re: Any, im: Any, dtype: Any, /) -> MetaArray:
    """Complex values from their parts."""
    return empty(np.broadcast_shapes(re.shape, im.shape), dtype)
