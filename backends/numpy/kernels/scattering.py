"""scattering: values taken from, put to and reduced into the places that an index names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .common import HALVES, declared


def gather(x: Any, index: Any, *, dim: int) -> Any:
    """The values that the index names along ``dim``."""
    if not (x.flags.c_contiguous and _fits(x, index, dim)):
        return declared("gather")(x, index, dim=dim)
    return x.reshape(-1).take(_places(x.shape, index, dim % x.ndim))


def scatter_into(g: Any, index: Any, *, dim: int, shape: Any) -> Any:
    """Zeros, with values added where the index says."""
    out = np.zeros(shape, g.dtype)
    if g.dtype in HALVES or not _fits(out, index, dim):
        return declared("scatter_into")(g, index, dim=dim, shape=shape)
    _add(out, g, index, dim)
    return out


def scatter_add(x: Any, index: Any, src: Any, *, dim: int) -> Any:
    """``x``, with values added where the index says."""
    if x.dtype in HALVES or not _fits(x, index, dim):
        return declared("scatter_add")(x, index, src, dim=dim)
    out = np.array(x, order="C")
    _add(out, src, index, dim)
    return out


def _add(out: Any, values: Any, index: Any, dim: int) -> None:
    places = _places(out.shape, index, dim % out.ndim)
    if values.shape != index.shape:
        values = values[tuple(slice(n) for n in index.shape)]
    np.add.at(out.reshape(-1), places.reshape(-1), values.reshape(-1))


def _places(shape: Any, index: Any, axis: int) -> Any:
    """Where in a compact array of that shape the index leads."""
    step = 1
    out: Any = None
    for i in reversed(range(len(shape))):
        if i == axis:
            part = index if step == 1 else index * step
        else:
            line = np.arange(0, index.shape[i] * step, step)
            part = line.reshape((-1,) + (1,) * (len(shape) - 1 - i))
        out = part if out is None else out + part
        step *= shape[i]
    return out


def scatter(x: Any, index: Any, src: Any, *, dim: int) -> Any:
    """``x`` with ``src`` at the places that the index names along ``dim``."""
    if not _fits(x, index, dim):
        return declared("scatter")(x, index, src, dim=dim)
    out = x.copy()
    np.put_along_axis(_reached(out, index, dim), index, _reached(src, index, dim), dim)
    return out


def scatter_value(x: Any, index: Any, *, dim: int, value: Any) -> Any:
    """``x`` with one value at the places that the index names along ``dim``."""
    if not _fits(x, index, dim):
        return declared("scatter_value")(x, index, dim=dim, value=value)
    out = x.copy()
    np.put_along_axis(_reached(out, index, dim), index, np.asarray(value, x.dtype), dim)
    return out


def _fits(x: Any, index: Any, dim: int) -> bool:
    if not x.ndim or not index.size or not -x.ndim <= dim < x.ndim:
        return False
    return index.min() >= 0 and index.max() < x.shape[dim]  # else the declaration raises


def _reached(x: Any, index: Any, dim: int) -> Any:
    """The part of ``x`` that an index, which may be smaller, can reach."""
    return x[
        tuple(slice(None) if i == dim % x.ndim else slice(n) for i, n in enumerate(index.shape))
    ]


def index_copy(x: Any, index: Any, source: Any, *, dim: int) -> Any:
    """``x`` with the slices of ``source`` where a one-dimensional index says; the last stays."""
    fits = _fits(x, index, dim) and index.ndim == 1 and source.ndim == x.ndim
    if not fits or source.dtype is not x.dtype:
        return declared("index_copy")(x, index, source, dim=dim)
    out = x.copy()
    out[(slice(None),) * (dim % x.ndim) + (index,)] = source
    return out


_UFUNCS = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}


def scatter_reduce(
    x: Any, index: Any, src: Any, *, dim: int, reduce: str, include_self: bool = True
) -> Any:
    """``src`` reduced into the places that the index names along ``dim``."""
    if reduce not in _UFUNCS or not _fits(x, index, dim) or x.dtype in HALVES:
        return declared("scatter_reduce")(
            x, index, src, dim=dim, reduce=reduce, include_self=include_self
        )
    out = np.array(x, order="C")
    if not include_self:
        np.put_along_axis(_reached(out, index, dim), index, _start(reduce, x.dtype), dim)
    places = _places(out.shape, index, dim % out.ndim)
    src = src[tuple(slice(n) for n in index.shape)]
    _UFUNCS[reduce].at(out.reshape(-1), places.reshape(-1), src.reshape(-1))
    return out


def _start(reduce: str, dtype: Any) -> Any:
    """What a reduction of nothing gives."""
    if reduce == "prod":
        return np.ones((), dtype)
    if dtype.kind == "f":
        return np.asarray(-np.inf if reduce == "amax" else np.inf, dtype)
    if dtype.kind == "b":
        return np.asarray(reduce == "amin")
    limits = np.iinfo(dtype)
    return np.asarray(limits.min if reduce == "amax" else limits.max, dtype)


KERNELS: dict[str, Callable[..., Any]] = {
    "gather": gather,
    "scatter_into": scatter_into,
    "scatter_add": scatter_add,
    "scatter": scatter,
    "scatter_value": scatter_value,
    "scatter_reduce": scatter_reduce,
    "index_copy": index_copy,
}
