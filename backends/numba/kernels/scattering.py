"""scattering: values added where an index says, which may name a place more than once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .common import F32, Maker, enough, large, suits


def _within(index: Any, length: int) -> bool:
    """Whether it is an index of integers, from 0 on; what is not has an error to be raised."""
    known = index.size and index.dtype.kind == "i"
    return bool(known and index.min() >= 0 and index.max() < length)


def _split(shape: Any, dim: int) -> tuple[int, int, int]:
    """How many there are outside of a dimension, along it, and within."""
    axis = dim % len(shape)
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


def _add_rows(team: Any, out: Any, rows: Any, source: Any, dim: int, factor: float = 1.0) -> None:
    from ..loops import tables

    outer, length, width = _split(out.shape, dim)
    to, given, scale = out.reshape(-1), source.reshape(-1), F32.type(factor)
    tables.add_rows(*team(source.size), given, rows, to, length, width, scale, outer)


def _add_values(team: Any, out: Any, index: Any, source: Any, dim: int) -> None:
    from ..loops import tables

    outer, length, width = _split(out.shape, dim)
    count = index.shape[dim]
    to, given = out.reshape(-1), source.reshape(-1)
    places = np.ascontiguousarray(index).reshape(-1)
    tables.add_values(*team(source.size), given, places, to, count, length, width, outer)


def _embedding_backward(before: Any, team: Any) -> Any:
    def embedding_backward(
        g: Any, indices: Any, *, shape: Any, padding_idx: int | None = None
    ) -> Any:
        known = len(shape) == 2 and g.dtype is F32 and enough(g.size)
        if not known or not _within(indices, shape[0]):
            return before(g, indices, shape=shape, padding_idx=padding_idx)
        out = np.zeros(shape, F32)
        rows = np.ascontiguousarray(indices).reshape(-1)
        # It often lies otherwise: batch first, where the rows are time first.
        _add_rows(team, out, rows, np.ascontiguousarray(g), 0)
        if padding_idx is not None:
            out[padding_idx] = 0
        return out

    return embedding_backward


def _index_add(before: Any, team: Any) -> Any:
    def index_add(x: Any, index: Any, source: Any, *, dim: int, alpha: float = 1) -> Any:
        fits = x.ndim and -x.ndim <= dim < x.ndim and index.ndim == 1 and enough(source.size)
        if not fits or not suits(x, source) or not _within(index, x.shape[dim]):
            return before(x, index, source, dim=dim, alpha=alpha)
        axis = dim % x.ndim
        if source.shape != (*x.shape[:axis], index.size, *x.shape[axis + 1 :]):
            return before(x, index, source, dim=dim, alpha=alpha)
        out = x.copy()
        _add_rows(team, out, np.ascontiguousarray(index), source, dim, alpha)
        return out

    return index_add


def _alike(shape: Any, index: Any, source: Any, dim: int) -> bool:
    """Whether index and source are of one shape, and of the result's but for ``dim``."""
    if not len(shape) or index.ndim != len(shape) or not -len(shape) <= dim < len(shape):
        return False
    others = [n == m or i == dim % len(shape) for i, (n, m) in enumerate(zip(shape, index.shape))]
    return index.shape == source.shape and all(others) and _within(index, shape[dim])


def _scatter_add(before: Any, team: Any) -> Any:
    def scatter_add(x: Any, index: Any, src: Any, *, dim: int) -> Any:
        if not enough(src.size) or not suits(x, src) or not _alike(x.shape, index, src, dim):
            return before(x, index, src, dim=dim)
        out = x.copy()
        _add_values(team, out, index, src, dim)
        return out

    return scatter_add


def _scatter_into(before: Any, team: Any) -> Any:
    def scatter_into(g: Any, index: Any, *, dim: int, shape: Any) -> Any:
        if not large(g) or not _alike(shape, index, g, dim):
            return before(g, index, dim=dim, shape=shape)
        out = np.zeros(shape, F32)
        _add_values(team, out, index, g, dim)
        return out

    return scatter_into


MAKERS: dict[str, Maker] = {
    "embedding_backward": _embedding_backward,
    "index_add": _index_add,
    "scatter_add": _scatter_add,
    "scatter_into": _scatter_into,
}
