"""distinct: the different values, or slices, that there are."""

from __future__ import annotations

from typing import Any

from .. import backend as backends
from .. import modes
from ..dtypes import from_native
from ..errors import UnsupportedError
from ..placement import at
from ..refusals import refusing
from ..tensor import Tensor, wrap
from .reduce import axis_of


def _row_keys(xp: Any, rows: Any) -> Any:
    """A number a row, in the lexicographic order of the rows, equal for equal rows.

    Each column is ranked; neighbouring columns are then merged into one, until one is left.
    """
    keys = _ranks(xp, rows)
    while keys.shape[1] > 1:
        if keys.shape[1] % 2:
            keys = xp.concat([keys, xp.zeros_like(keys[:, :1])], axis=1)
        keys = _ranks(xp, keys[:, ::2] * keys.shape[0] + keys[:, 1::2])
    return keys[:, 0] if keys.shape[1] else xp.zeros((rows.shape[0],), dtype=xp.int64)


def _ranks(xp: Any, columns: Any) -> Any:
    """Each value's rank among the distinct values of its column."""
    order = xp.argsort(columns, axis=0, stable=True)
    values = xp.take_along_axis(columns, order, axis=0)
    new = xp.astype(values[1:, ...] != values[:-1, ...], xp.int64)
    ranks = xp.cumulative_sum(xp.concat([xp.zeros_like(order[:1, ...]), new], axis=0), axis=0)
    return xp.take_along_axis(ranks, xp.argsort(order, axis=0, stable=True), axis=0)


def _grouped(xp: Any, new: Any, order: Any) -> tuple[Any, Any, Any]:
    """Of sorted values: the places of the first of each kind, each value's kind, and the counts."""
    first = xp.nonzero(new)[0]
    kinds = xp.cumulative_sum(xp.astype(new, xp.int64), axis=0) - 1
    if order is not None:
        kinds = xp.take(kinds, xp.argsort(order, stable=True), axis=0)
    ends = xp.concat([first[1:], xp.asarray([new.shape[0]], dtype=first.dtype)])
    return first, kinds, ends - first if new.shape[0] else first


def _distinct(
    input: Any, dim: int | None, in_order: bool, with_inverse: bool, with_counts: bool
) -> Any:
    modes.touch(input)
    with at(input._data):
        return _found(input._data, dim, in_order, with_inverse, with_counts)


def _found(
    data: Any, dim: int | None, in_order: bool, with_inverse: bool, with_counts: bool
) -> Any:
    xp = backends.by_type[data.__class__].xp
    if dim is None:
        x = xp.reshape(data, (-1,))
    else:
        axis = axis_of(dim, data.ndim)
        x = xp.moveaxis(data, axis, 0)
    kind = from_native[x.dtype]
    keys = x  # of half precision wide ones, which array libraries know how to sort
    if kind.is_floating_point and kind.itemsize == 2:
        keys = xp.astype(x, xp.float32)
    n = x.shape[0]
    if n and 0 in x.shape:
        raise RuntimeError(
            "There are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
        )
    if x.ndim != 1:
        keys = _row_keys(xp, xp.reshape(keys, (n, -1))) if n else xp.zeros((0,), dtype=xp.int64)
    order = None if in_order else xp.argsort(keys, stable=True)
    ranked = keys if order is None else xp.take(keys, order, axis=0)
    new = xp.concat([xp.ones((min(n, 1),), dtype=xp.bool), ranked[1:] != ranked[:-1]])
    first, inverse, counts = _grouped(xp, new, order)
    out = xp.take(x, first if order is None else xp.take(order, first, axis=0), axis=0)
    if dim is None:
        inverse = xp.reshape(inverse, data.shape)
    else:
        out = xp.moveaxis(out, 0, axis)
    results = [wrap(out)]
    if with_inverse:
        results.append(wrap(xp.astype(inverse, xp.int64)))
    if with_counts:
        results.append(wrap(xp.astype(counts, xp.int64)))
    return tuple(results) if len(results) > 1 else results[0]


@refusing
def unique(
    input: Any,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct values in order, or the distinct slices along ``dim`` (``torch.unique``).

    With ``return_inverse`` also which of them each value is, with ``return_counts`` how often each
    occurs. No gradient flows back.

    >>> import anadrome as ad
    >>> ad.unique(ad.tensor([3, 1, 3]), return_counts=True)
    (tensor([1, 3]), tensor([1, 2]))
    """
    if input.dtype.is_complex:
        raise UnsupportedError(
            "\"unique\" not implemented for 'ComplexDouble'; write e.g. `view_as_real(x)`"
        )
    return _distinct(input, dim, False, return_inverse, return_counts)


@refusing
def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The first of each run of equal values or slices (PyTorch: ``torch.unique_consecutive``)."""
    return _distinct(input, dim, True, return_inverse, return_counts)


def _install() -> None:
    Tensor.unique = unique
    Tensor.unique_consecutive = unique_consecutive


_install()
