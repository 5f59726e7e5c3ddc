"""shapes: other shapes of a jagged tensor, and parts of it; what is uneven stays so."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import anadrome as ad

from .base import axis, jagged
from .jagged import Jagged, even_dim, packing


def _size(self: Jagged, dim: int | None = None) -> Any:
    sizes = self.sizes()
    return sizes if dim is None else sizes[axis(dim, len(sizes))]


def _transpose(self: Jagged, dim0: int, dim1: int) -> Any:
    a, b = (even_dim(self, d, "transpose", True) for d in (dim0, dim1))
    at = {a: b, b: a}.get(self.at, self.at)
    return Jagged.of(self.plain().transpose(a, b), self.ragged, at)


def _permute(self: Jagged, *dims: Any) -> Any:
    given = dims[0] if len(dims) == 1 else dims
    places = [axis(d, self.plain().ndim + 1) for d in given]
    if places[0] != 0:
        raise RuntimeError("permute(): not supported for NestedTensor on dim=0, which stays")
    inner = [p - 1 for p in places[1:]]
    return Jagged.of(self.plain().permute(inner), self.ragged, inner.index(self.at))


def _unsqueeze(self: Jagged, dim: int) -> Any:
    dim = axis(dim, self.plain().ndim + 2)
    if dim == 0:
        raise RuntimeError("unsqueeze(): not supported for NestedTensor on dim=0")
    return Jagged.of(self.plain().unsqueeze(dim - 1), self.ragged, self.at + (dim - 1 <= self.at))


def _squeeze(self: Jagged, dim: int) -> Any:
    inner = even_dim(self, dim, "squeeze")
    if self.plain().shape[inner] != 1:
        return self
    return Jagged.of(self.plain().squeeze(inner), self.ragged, self.at - (inner < self.at))


def _reshape(self: Jagged, *shape: Any) -> Any:
    """Other sizes around the uneven one, which is given as itself or as -1."""
    wanted = list(shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape)
    given = [i for i, n in enumerate(wanted) if n is self.ragged] or [
        i for i, n in enumerate(wanted) if n == -1 and i
    ]
    batch = len(self.ragged.lengths)
    if not given or wanted[0] not in (batch, -1):
        raise RuntimeError(
            f"view(): cannot view shape {tuple(self.sizes())} as {tuple(wanted)}; the batch "
            f"({batch}) comes first, and the ragged size stays, as x.size(i) or -1"
        )
    at, packed = given[0] - 1, self.plain()
    sizes = [-1 if n is self.ragged else n for n in wanted[1:]]
    before, after = math.prod(packed.shape[: self.at]), math.prod(sizes[:at])
    if before != after:
        raise RuntimeError(
            f"view(): cannot view shape {tuple(self.sizes())} as {tuple(wanted)}: what comes "
            "before the ragged dimension has to stay; transpose first"
        )
    sizes[at] = self.ragged.total
    return Jagged.of(packed.reshape(sizes), self.ragged, at)


def _unflatten(self: Jagged, dim: int, sizes: Any) -> Any:
    inner = even_dim(self, dim, "unflatten")
    at = self.at + (len(sizes) - 1 if inner < self.at else 0)
    return Jagged.of(self.plain().unflatten(inner, sizes), self.ragged, at)


def _flatten(self: Jagged, start_dim: int = 0, end_dim: int = -1) -> Any:
    start, end = (even_dim(self, d, "flatten", True) for d in (start_dim, end_dim))
    if start <= self.at <= end:
        raise RuntimeError("flatten(): not supported for NestedTensor on ragged dim")
    at = self.at - (end - start if end < self.at else 0)
    return Jagged.of(self.plain().flatten(start, end), self.ragged, at)


def _expand(self: Jagged, *sizes: Any) -> Any:
    wanted = list(sizes[0] if len(sizes) == 1 and isinstance(sizes[0], (tuple, list)) else sizes)
    inner = [-1 if n is self.ragged else n for n in wanted[1:]]
    return self.like(self.plain().expand(inner))


def _split(name: str) -> Callable[..., Any]:
    def split(self: Jagged, size: Any, dim: int = 0) -> Any:
        if axis(dim, self.plain().ndim + 1) == 0:
            components = self.components()
            pieces = getattr(ad.arange(len(components)), name)(size)
            return tuple([packing([components[i] for i in p.tolist()], self.at) for p in pieces])
        inner = even_dim(self, dim, name)
        return tuple(self.like(p) for p in getattr(self.plain(), name)(size, inner))

    return split


def _select(self: Jagged, dim: int, index: int) -> Any:
    if axis(dim, self.plain().ndim + 1) == 0:
        return self.components()[index]
    inner = even_dim(self, dim, "select")
    return Jagged.of(self.plain().select(inner, index), self.ragged, self.at - (inner < self.at))


def _getitem(self: Jagged, index: Any) -> Any:
    parts = list(index) if isinstance(index, tuple) else [index]
    if isinstance(parts[0], int):
        found = self.components()[parts[0]]
        return found[tuple(parts[1:])] if parts[1:] else found
    ndim = self.plain().ndim + 1
    if Ellipsis in parts:
        place = parts.index(Ellipsis)
        given = sum(1 for p in parts if p is not None) - 1
        parts[place : place + 1] = [slice(None)] * (ndim - given)
    all_of_it = slice(None)
    even = all(isinstance(p, (int, slice)) for p in parts)
    if (
        not even
        or parts[0] != all_of_it
        or parts[self.at + 1 : self.at + 2] not in ([], [all_of_it])
    ):
        raise RuntimeError(
            "a nested tensor is indexed by one component (x[i]), or along its even dimensions "
            "(x[..., 0]); take unbind() for anything else"
        )
    at = self.at - sum(1 for p in parts[1 : self.at + 1] if isinstance(p, int))
    return Jagged.of(self.plain()[tuple(parts[1:])], self.ragged, at)


def _cat(tensors: Any, dim: int = 0) -> Any:
    first = next(t for t in tensors if isinstance(t, Jagged))
    if axis(dim, first.plain().ndim + 1) == 0:
        every = [c for t in tensors for c in t.components()]
        return packing(every, first.at)
    inner = even_dim(first, dim, "cat")
    return first.like(ad.cat([first.against(t) for t in tensors], inner))


TABLE: dict[str, Callable[..., Any]] = {
    "shape": Jagged.sizes,
    "size": _size,
    "dim": lambda self: self.plain().ndim + 1,
    "ndim": lambda self: self.plain().ndim + 1,
    "ndimension": lambda self: self.plain().ndim + 1,
    "layout": lambda self: jagged,
    "is_contiguous": Jagged.packed_in_order,
    "transpose": _transpose, "swapaxes": _transpose, "swapdims": _transpose, "permute": _permute,
    "mT": lambda self: _transpose(self, -1, -2),
    "unsqueeze": _unsqueeze, "squeeze": _squeeze, "view": _reshape, "reshape": _reshape,
    "unflatten": _unflatten, "flatten": _flatten, "expand": _expand,
    "chunk": _split("chunk"), "split": _split("split"), "select": _select,
    "__getitem__": _getitem, "cat": _cat, "concat": _cat, "concatenate": _cat,
}  # fmt: skip
