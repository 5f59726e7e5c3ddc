"""scattering: values taken from, put to and added at places that an index names."""

from __future__ import annotations

import math
from typing import Any

from .. import backend as backends
from ..dtypes import float32, from_native
from ..errors import RangeError
from ..op import KEEP, NONE, op
from ..samples import Arr, call
from ..tangents import transposing
from .arithmetic import where
from .reduce import axes_of
from .shape import reshape

_INDEX = Arr((3, 2), 0, 4, "int")


# fmt: off
gather_op = op("gather", lambda xp, x, index, *, dim: _gathered(xp, x, index, dim),
               x=lambda g, index, x_shape, dim: scatter_into(
                   g, index, dim=dim, shape=tuple(x_shape)),
               index=NONE, dtype=KEEP, method=False,
               samples=call(Arr((3, 4)), _INDEX, dim=1)
               + call(Arr((3, 4)), Arr((2, 4), 0, 3, "int"), dim=0))
scatter_into = op("scatter_into", lambda xp, g, index, *, dim, shape:
                      added_at(xp, xp.zeros(shape, dtype=g.dtype), along(xp, index, dim), g),
                  g=lambda g, index, dim: gather_op(g, index, dim=dim), index=NONE,
                  dtype=KEEP, method=False,
                  samples=call(Arr((3, 2)), _INDEX, dim=1, shape=(3, 4)))
scatter_add_op = op("scatter_add", lambda xp, x, index, src, *, dim:
                        _scatter_add(xp, x, index, src, dim),
                    x=lambda g: g, index=NONE,
                    src=lambda g, index, dim: gather_op(g, index, dim=dim),
                    dtype=KEEP, method=False,
                    samples=call(Arr((3, 4)), _INDEX, Arr((3, 2)), dim=1))
scatter_op = op("scatter", lambda xp, x, index, src, *, dim: _scatter(xp, x, index, src, dim),
                x=lambda g, index, dim: scatter_value(g, index, dim=dim, value=0), index=NONE,
                src=lambda g, index, dim: _of_written(g, index, dim),
                dtype=KEEP, method=False,
                samples=call(Arr((3, 4)), Arr((3, 1), 0, 4, "int"), Arr((3, 1)), dim=1))
scatter_value = op("scatter_value", lambda xp, x, index, *, dim, value:
                       _scatter(xp, x, index, xp.full(index.shape, value, dtype=x.dtype), dim),
                   x=lambda g, index, dim: scatter_value(g, index, dim=dim, value=0),
                   index=NONE, dtype=KEEP, method=False, node="ScatterBackward1",
                   samples=call(Arr((3, 4)), _INDEX, dim=1, value=2.0))
scatter_reduce_op = op("scatter_reduce", lambda xp, x, index, src, *, dim, reduce,
                           include_self=True:
                           _reduced(xp, x, index, src, dim, reduce, include_self),
                       joint=lambda g, x, index, src, out, dim, reduce, include_self:
                           _reduce_rule(g, x, index, src, out, dim, reduce, include_self),
                       dtype=KEEP, method=False,
                       samples=[s for r in ("sum", "mean", "amax", "amin", "prod")
                                for s in call(Arr((3, 4), 0.5, 2), _INDEX,
                                              Arr((3, 2), 0.5, 2, distinct=r[0] == "a"),
                                              dim=1, reduce=r, include_self=r != "mean")])
index_add_op = op("index_add", lambda xp, x, index, source, *, dim, alpha=1:
                      _index_add(xp, x, index, source, dim, alpha),
                  x=lambda g: g, index=NONE,
                  source=lambda g, index, dim, alpha: taken(g, index, dim) * alpha,
                  dtype=KEEP, method=False,
                  samples=call(Arr((4, 3)), Arr((5,), 0, 4, "int"), Arr((5, 3)), dim=0)
                  + call(Arr((3, 4)), Arr((2,), 0, 4, "int"), Arr((3, 2)), dim=1, alpha=2.0))
index_copy_op = op("index_copy", lambda xp, x, index, source, *, dim:
                       _scatter(xp, x, _spread(xp, index, source.shape, dim), source, dim),
                   x=lambda g, index, x_shape, dim: where(
                       member_along(index, tuple(x_shape), dim), 0.0, g),
                   index=NONE, source=lambda g, index, source_shape, dim:
                       _of_copied(g, index, tuple(source_shape), dim),
                   dtype=KEEP, method=False,
                   samples=call(Arr((4, 3)), Arr((1,), 0, 4, "int"), Arr((1, 3)), dim=0))
#: A one-dimensional index along ``dim`` of an array of that shape.
spread = op("spread", lambda xp, index, *, shape, dim:
                xp.asarray(_spread(xp, index, shape, dim), copy=True), index=NONE,
            dtype=KEEP, method=False, samples=call(Arr((2,), 0, 3, "int"), shape=(4, 2), dim=1))
#: Which of the numbers from 0 to ``size`` an index holds.
member = op("member", lambda xp, index, *, size: _member(xp, index, size), index=NONE,
            dtype=KEEP, method=False, samples=call(Arr((3,), 0, 5, "int"), size=5))
#: Which of the values that ``scatter`` writes are there when it is done: the last of each place.
last_scattered = op("last_scattered", lambda xp, x, index, *, dim:
                        _last_scattered(xp, x, index, dim),
                    x=NONE, index=NONE, dtype=KEEP, method=False,
                    samples=call(Arr((3, 4)), _INDEX, dim=1))
# fmt: on


def _of_written(g: Any, index: Any, dim: int) -> Any:
    out = gather_op(g, index, dim=dim)
    if transposing():
        out = where(last_scattered(g, index, dim=dim), out, 0.0)
    return out


def _of_copied(g: Any, index: Any, shape: tuple[int, ...], dim: int) -> Any:
    if transposing():
        return _of_written(g, spread(index, shape=shape, dim=dim), dim)
    return reshape(taken(g, index, dim), shape=shape)


def _last_scattered(xp: Any, x: Any, index: Any, dim: int) -> Any:
    numbers = xp.reshape(xp.arange(1, math.prod(index.shape) + 1, dtype=xp.int64), index.shape)
    written = _scatter(xp, xp.zeros(x.shape, dtype=xp.int64), index, numbers, dim)
    return _gathered(xp, written, index, dim) == numbers


def along(xp: Any, index: Any, dim: int) -> tuple[Any, ...]:
    """The index tuple that ``take_along_axis`` stands for."""
    ndim = index.ndim
    if not ndim:
        return (index,)
    axis = dim % ndim
    out = []
    for i, n in enumerate(index.shape):
        if i == axis:
            out.append(index)
        else:
            line = xp.arange(n, dtype=xp.int64)
            out.append(xp.reshape(line, tuple(n if j == i else 1 for j in range(ndim))))
    return tuple(out)


def added_at(xp: Any, out: Any, index: tuple[Any, ...], values: Any) -> Any:
    """``out``, which is nobody else's, with the values added where the index says."""
    if out.ndim == 0:
        return out + xp.sum(values)
    backends.by_type[out.__class__].scatter_add(out, index, values)
    return out


def check_index(index: Any, size: int, dim: int, text: str | None = None) -> None:
    """Refuse an index that is not from 0 to ``size`` - 1; ``text`` replaces PyTorch's."""
    if 0 in index.shape:
        return
    backends.by_type[index.__class__].require(
        (index >= 0) & (index < size),
        lambda: RangeError(
            text
            or f"index {int(index[(index < 0) | (index >= size)][0])} is out of bounds for "
            f"dimension {dim} with size {size}"
        ),
    )


def _gathered(xp: Any, x: Any, index: Any, dim: int) -> Any:
    axes = axes_of(dim, x.ndim)
    if not axes:
        check_index(index, 1, 0)
        return xp.asarray(xp.broadcast_to(x, index.shape), copy=True)
    check_index(index, x.shape[axes[0]], axes[0])
    return xp.take_along_axis(reached(x, index, axes[0]), index, axis=axes[0])


def reached(x: Any, index: Any, axis: int) -> Any:
    """The part of ``x`` that an index along ``axis``, which may be smaller, can reach."""
    sizes = enumerate(zip(x.shape, index.shape))
    if all(n == m or i == axis for i, (n, m) in sizes):
        return x
    return x[tuple(slice(None) if i == axis else slice(n) for i, n in enumerate(index.shape))]


def _scatter_add(xp: Any, x: Any, index: Any, src: Any, dim: int) -> Any:
    out = xp.asarray(x, copy=True)
    axes = axes_of(dim, x.ndim)
    check_index(index, x.shape[axes[0]] if axes else 1, dim)
    return added_at(xp, out, along(xp, index, dim), src)


def _scatter(xp: Any, x: Any, index: Any, src: Any, dim: int) -> Any:
    """Where an index occurs twice the last value stays; composed of adding, which all can."""
    axes = axes_of(dim, x.ndim)
    check_index(index, x.shape[axes[0]] if axes else 1, dim)
    touched, values = _segments(xp, x, index, src, dim, lambda new, old: new)
    return xp.where(touched, values, x)


def _segments(xp: Any, x: Any, index: Any, src: Any, dim: int, combine: Any) -> tuple[Any, Any]:
    """All values for one place combined, by a scan over the values in the order of their places.

    Returns, for each place of ``x``, whether there are any, and the result.
    """
    if 0 in index.shape:
        return xp.zeros(x.shape, dtype=xp.bool), x
    places = flat_places(xp, x.shape, index, dim)
    order = xp.argsort(places, stable=True)
    places = xp.take(places, order, axis=0)
    values = xp.take(xp.reshape(src, (-1,)), order, axis=0)
    n = places.shape[0]
    step = 1
    while step < n:
        same = places[step:] == places[:-step]
        merged = xp.where(same, combine(values[step:], values[:-step]), values[step:])
        values = xp.concat([values[:step], merged])
        step *= 2
    ends = xp.concat([places[1:] != places[:-1], xp.ones((min(n, 1),), dtype=xp.bool)])
    size = 1
    for length in x.shape:
        size *= length
    count = added_at(xp, xp.zeros((size,), dtype=xp.int64), (places,), xp.ones_like(places))
    kept = xp.where(ends, values, xp.zeros_like(values))
    out = added_at(xp, xp.zeros((size,), dtype=x.dtype), (places,), kept)
    return xp.reshape(count, x.shape) > 0, xp.reshape(out, x.shape)


def flat_places(xp: Any, shape: Any, index: Any, dim: int) -> Any:
    """Where in the flattened array each element of the index leads."""
    total: Any = 0
    for n, part in zip(shape, along(xp, index, dim)):
        total = total * n + part
    return xp.reshape(xp.broadcast_to(total, index.shape) if shape else index, (-1,))


_COMBINE = {"prod": "multiply", "amax": "maximum", "amin": "minimum"}


def _reduced(
    xp: Any, x: Any, index: Any, src: Any, dim: int, reduce: str, include_self: bool
) -> Any:
    axes = axes_of(dim, x.ndim)
    check_index(index, x.shape[axes[0]] if axes else 1, dim)
    if reduce in ("sum", "mean"):
        places = along(xp, index, dim)
        count = added_at(xp, xp.zeros(x.shape, dtype=xp.int64), places, xp.ones_like(index))
        kept = x if include_self else xp.where(count > 0, xp.zeros_like(x), x)
        out = added_at(xp, xp.asarray(kept, copy=True), places, src)
        if reduce == "sum":
            return out
        count = count + 1 if include_self else xp.where(count > 0, count, xp.ones_like(count))
        whole = from_native[x.dtype].category < float32.category
        return out // xp.astype(count, x.dtype) if whole else out / xp.astype(count, x.dtype)
    combine = getattr(xp, _COMBINE[reduce])
    touched, values = _segments(xp, x, index, src, dim, combine)
    return xp.where(touched, combine(x, values) if include_self else values, x)


def _reduce_rule(
    g: Any, x: Any, index: Any, src: Any, out: Any, dim: int, reduce: str, include_self: bool
) -> Any:
    """PyTorch's ``scatter_reduce_backward``."""

    def take(a: Any) -> Any:
        return gather_op(a, index, dim=dim)

    def again(a: Any, b: Any) -> Any:
        return scatter_reduce_op(a, index, b, dim=dim, reduce="prod", include_self=include_self)

    if reduce == "sum":
        into_x, into_src = g, take(g)
    elif reduce == "mean":
        count = scatter_add_op(x * 0.0 + (1.0 if include_self else 0.0), index, src * 0.0 + 1.0,
                               dim=dim)  # fmt: skip
        into_x = g / where(count == 0.0, 1.0, count)
        into_src = take(into_x)
    elif reduce == "prod":
        held = where(x == 0.0, 1.0, x)
        into_x = g * again(held, src) / held
        zero = src == 0.0
        zeros = take(scatter_add_op(x * 0.0, index, where(zero, 1.0, src * 0.0), dim=dim))
        single = zero & (zeros == 1.0)
        at_single = take(g * again(x, where(single, 1.0, src)))
        into_src = where(single, at_single, take(g * out) / where(zero, 1.0, src))
    else:
        here, there = where(x == out, x * 0.0 + 1.0, 0.0), src == take(out)
        if transposing() and not include_self:  # what was there is no candidate
            here = scatter_value(here, index, dim=dim, value=0)
        there = where(there, src * 0.0 + 1.0, 0.0)
        shared = g / scatter_add_op(here, index, there, dim=dim)
        into_x, into_src = here * shared, there * take(shared)
    if not include_self:
        into_x = scatter_value(into_x, index, dim=dim, value=0)
    return into_x, None, into_src


def _spread(xp: Any, index: Any, shape: Any, dim: int) -> Any:
    """A one-dimensional index along ``dim`` of an array of that shape."""
    if not len(shape):
        return xp.reshape(index, ())
    axis = dim % len(shape)
    line = xp.reshape(index, tuple(-1 if i == axis else 1 for i in range(len(shape))))
    return xp.broadcast_to(line, shape)


def _index_add(xp: Any, x: Any, index: Any, source: Any, dim: int, alpha: float) -> Any:
    axes = axes_of(dim, x.ndim)
    check_index(index, x.shape[axes[0]] if axes else 1, axes[0] if axes else 0)
    scaled = source
    if alpha != 1:
        scaled = source * backends.by_type[source.__class__].number(alpha, source.dtype)
    out = xp.asarray(x, copy=True)
    if not axes:
        return xp.astype(out + xp.sum(scaled), x.dtype)
    before = (slice(None),) * axes[0]
    return added_at(xp, out, (*before, xp.reshape(index, (-1,))), scaled)


def taken(x: Any, index: Any, dim: int) -> Any:
    """``index_select`` in rules: of a zero-dimensional array, itself."""
    from .indexing import index_select_op

    if not len(x.shape):
        return x
    return index_select_op(x, reshape(index, shape=(-1,)), dim=dim)


def _member(xp: Any, index: Any, size: int) -> Any:
    index = xp.reshape(xp.astype(index, xp.int64), (-1,))
    index = xp.where(index < 0, index + size, index)
    check_index(index, size, 0)
    ones = xp.ones_like(index)
    return added_at(xp, xp.zeros((size,), dtype=xp.int64), (index,), ones) > 0


def member_along(index: Any, shape: tuple[int, ...], dim: int) -> Any:
    """A mask over the shape: the slices along ``dim`` that the index names."""
    if not shape:
        return reshape(member(index, size=1), shape=())
    axis = dim % len(shape)
    lengths = tuple(n if i == axis else 1 for i, n in enumerate(shape))
    return reshape(member(index, size=shape[axis]), shape=lengths)
