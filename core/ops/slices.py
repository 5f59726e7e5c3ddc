"""slices: whole slices along a dimension, or other regions, written or added to out of place."""

from __future__ import annotations

from typing import Any

from ..composite import one
from ..errors import ArgumentError, DtypeError, RangeError
from ..forms import inplace_composite
from ..inplace import assign
from ..out import takes_out
from ..refusals import refusing
from ..subscripts import normalized
from ..tensor import Tensor
from .arithmetic import where
from .indexing import index_add_values
from .placing import scatter_reduce, unwritten
from .reduce import axis_of, in_dtype
from .scattering import index_add_op, index_copy_op, member_along


def _line(name: str, x: Any, dim: int, index: Any, source: Any = None) -> int:
    """PyTorch's rules for a one-dimensional index along ``dim``."""
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector, but got dim: {index.ndim}")
    if index.dtype.name not in ("int32", "int64"):
        raise DtypeError(f"{name}(): Expected dtype int32/int64 for index, not {index.dtype.name}")
    axis = axis_of(dim, x.ndim) if x.ndim else 0
    if source is not None:
        if source.dtype is not x.dtype:
            raise DtypeError(
                f"{name}(): self ({x.dtype.name}) and source ({source.dtype.name}) must have the "
                "same scalar type"
            )
        wanted = tuple(index.numel() if i == axis else n for i, n in enumerate(x.shape))
        fits = tuple(source.shape) == wanted if x.ndim else source.numel() == index.numel() == 1
        if not fits:
            raise RangeError(
                f"{name}(): source of shape {list(source.shape)}, but self of shape "
                f"{list(x.shape)} and an index of {index.numel()} along dimension {axis} need "
                f"{list(wanted)}"
            )
    return axis


@takes_out
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """``input`` with the slices of ``source`` added to those that ``index`` names.

    PyTorch: ``torch.index_add``.

    >>> import anadrome as ad
    >>> ad.zeros(3).index_add(0, ad.tensor([1, 1]), ad.ones(2))
    tensor([0., 2., 0.])
    """
    _line("index_add", input, dim, index, source)
    return index_add_op(input, index, source, dim=dim, alpha=alpha)


@takes_out
@one()
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """``input`` with the slices of ``source`` in place of those that ``index`` names.

    PyTorch: ``torch.index_copy``.
    """
    _line("index_copy", input, dim, index, source)
    if index.numel() == 0:
        return unwritten(input, source)
    return index_copy_op(input, index, source, dim=dim)


@takes_out
def index_reduce(
    input: Any, dim: int, index: Any, source: Any, reduce: str, *, include_self: bool = True
) -> Any:
    """The slices of ``source`` reduced into those that ``index`` names (``torch.index_reduce``).

    ``reduce``: prod, mean, amax or amin. Without ``include_self`` a slice that is named does not
    count what it held.
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got "
            f"{reduce!r}"
        )
    axis = _line("index_reduce", input, dim, index, source)
    whole = (-1,) + (1,) * (source.ndim - 1 - axis) if source.ndim else ()
    lines = index.reshape(whole).expand(source.shape)
    return scatter_reduce(input, axis, lines, source, reduce, include_self=include_self)


@refusing
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """``input`` with one value in the slices that ``index`` names (``torch.index_fill``)."""
    axis = _line("index_fill", input, dim, index)
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(
                "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.ndim} dimension(s)."
            )
        value = value.to(input.dtype)
    if index.numel() == 0:
        return input.clone()
    return where(member_along(index, tuple(input.shape), axis), value, input)


@refusing
def index_put(
    input: Any, indices: Any, values: Any, accumulate: bool = False
) -> Any:  # fmt: skip
    """``input`` with ``values`` at ``input[indices]``, or added there (``torch.index_put``).

    >>> import anadrome as ad
    >>> ad.zeros(3).index_put((ad.tensor([1, 1]),), ad.tensor(2.0), accumulate=True)
    tensor([0., 4., 0.])
    """
    if not isinstance(indices, (tuple, list)):
        raise ArgumentError(
            "index_put(): argument 'indices' (position 2) must be tuple of Tensors, not "
            f"{type(indices).__name__}"
        )
    if values.dtype is not input.dtype:
        raise DtypeError(
            "Index put requires the source and destination dtypes match, got "
            f"{input.dtype.name} for the destination and {values.dtype.name} for the source."
        )
    if not accumulate:
        out = _copied(input, values, *indices)
        out[tuple(slice(None) if i is None else i for i in indices)] = values
        return out
    whole = tuple(slice(None) if i is None else i if i.ndim else i.reshape(1) for i in indices)
    _, index = normalized(input, whole)
    while values.ndim and values.shape[0] == 1:
        values = values.squeeze(0)
    return index_add_values(input, values, index=index)


@refusing
def index_put_(self: Tensor, indices: Any, values: Any, accumulate: bool = False) -> Tensor:
    """In-place form of ``index_put``; returns self."""
    if not accumulate:
        if values.dtype is not self.dtype or not isinstance(indices, (tuple, list)):
            index_put(self, indices, values)  # raises
        self[tuple(slice(None) if i is None else i for i in indices)] = values
        return self
    return _index_put_(self, indices, values, accumulate)


_index_put_ = inplace_composite(index_put)


# -- a region replaced ------------------------------------------------------------------------
def _copied(x: Any, *others: Any) -> Any:
    """A copy to write into: within a map one for each example, if ``others`` differ for each."""
    for other in others:
        if (
            isinstance(other, Tensor)
            and other._data.__class__ is not x._data.__class__
            and other.numel()
        ):
            each = other.reshape(-1)[0]
            return where(each == each, x, x)
    return x.clone()


def _replaced(name: str, x: Any, region: Any, src: Any) -> Any:
    out = _copied(x, src)
    part = region(out)
    if part.shape != src.shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(part.shape)}"
        )
    assign(part, in_dtype(src, x.dtype), name)
    return out


@refusing
def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """``input`` with ``src`` in place of one slice (PyTorch: ``torch.select_scatter``)."""
    return _replaced("select_scatter", input, lambda out: out.select(dim, index), src)


@takes_out
def slice_scatter(
    input: Any, src: Any, dim: int = 0, start: int | None = None, end: int | None = None,
    step: int = 1,
) -> Any:  # fmt: skip
    """``input`` with ``src`` in place of a slice along ``dim`` (``torch.slice_scatter``)."""
    axis = axis_of(dim, input.ndim)
    place = (*(slice(None),) * axis, slice(start, end, step))
    return _replaced("slice_scatter", input, lambda out: out[place], src)


@refusing
def diagonal_scatter(
    input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Any:  # fmt: skip
    """``input`` with ``src`` in place of a diagonal (PyTorch: ``torch.diagonal_scatter``)."""
    return _replaced("diagonal_scatter", input, lambda o: o.diagonal(offset, dim1, dim2), src)


def _install() -> None:
    for function in (index_add, index_copy, index_fill, index_reduce):
        name = function.__name__ + "_"
        setattr(Tensor, function.__name__, function)
        setattr(Tensor, name, inplace_composite(function, name))
    for function in (index_put, index_put_, select_scatter, slice_scatter, diagonal_scatter):
        setattr(Tensor, function.__name__, function)


_install()
