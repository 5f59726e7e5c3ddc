"""splitting: one array into several; all of them views."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from ..out import takes_out
from ..refusals import refusing
from ..tensor import Tensor
from .indexing import getitem
from .reduce import axis_of, whole

#: Pieces that a Tensor may be split into: each is a Tensor, of which most are empty.
MOST_PIECES = 1 << 20


def _axis(name: str, x: Tensor, dim: int) -> int:
    if x.ndim == 0:
        raise RuntimeError(f"{name} expects at least a 1-dimensional tensor")
    return axis_of(dim, x.ndim)


def _pieces(x: Tensor, bounds: Any, axis: int) -> tuple[Tensor, ...]:
    before = (slice(None),) * axis
    return tuple([getitem(x, index=(*before, slice(a, b), Ellipsis)) for a, b in bounds])


@takes_out
def split(
    input: Tensor, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None
) -> tuple[Tensor, ...]:
    """Pieces of the given size, or sizes; views (PyTorch: ``torch.split``).

    >>> import anadrome as ad
    >>> [p.tolist() for p in ad.split(ad.tensor([1, 2, 3]), 2)]
    [[1, 2], [3]]
    """
    size = split_size if split_size_or_sections is None else split_size_or_sections
    axis = _axis("split", input, dim)
    n = input.shape[axis]
    if isinstance(size, (list, tuple)):
        sizes = [whole(k, "split_sizes") for k in size]
        if any(k < 0 for k in sizes):
            raise RuntimeError(
                f"split_with_sizes expects split_sizes have only non-negative entries, but got "
                f"split_sizes={sizes}"
            )
        if sum(sizes) != n:
            raise RuntimeError(
                f"split_with_sizes expects split_sizes to sum exactly to {n} (input tensor's size "
                f"at dimension {axis}), but got split_sizes={sizes}"
            )
    else:
        size = whole(size, "split_size")
        if size < 0:
            raise RuntimeError(
                f"split expects split_size be non-negative, but got split_size={size}"
            )
        if size == 0 and n:
            raise RuntimeError(
                f"split_size can only be 0 if dimension size is 0, but got dimension size of {n}"
            )
        sizes = [size] * max(-(-n // size) if size else 1, 1)
    bounds = []
    start = 0
    for k in sizes:
        bounds.append((start, min(start + k, n)))
        start += k
    return _pieces(input, bounds, axis)


@refusing
def split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of the given sizes; views (PyTorch: ``torch.split_with_sizes``)."""
    return split(input, list(split_sizes), dim)


@takes_out
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` pieces of equal size, the last may be smaller (``torch.chunk``)."""
    axis = _axis("chunk", input, dim)
    if whole(chunks, "chunks") <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = input.shape[axis]
    if n == 0:
        return split(input, [0] * chunks, axis)
    return split(input, -(-n // chunks), axis)


@takes_out
def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """All slices along a dimension, which is removed; views (PyTorch: ``torch.unbind``)."""
    if input.ndim == 0:
        raise IndexError(
            "Dimension specified as 0 but tensor has no dimensions; unbind() needs at least one"
        )
    axis = axis_of(dim, input.ndim)
    before = (slice(None),) * axis
    return tuple([getitem(input, index=(*before, i, Ellipsis)) for i in range(input.shape[axis])])


@takes_out
def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, sections: Any = None,
    indices: Any = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """A number of pieces as equal as can be, or pieces that begin at the given indices.

    Views (PyTorch: ``torch.tensor_split``).

    >>> import anadrome as ad
    >>> [p.tolist() for p in ad.tensor_split(ad.tensor([1, 2, 3, 4]), 3)]
    [[1, 2], [3], [4]]
    """
    given = [v for v in (indices_or_sections, sections, indices) if v is not None]
    if len(given) != 1:
        raise TypeError("tensor_split() takes either a number of sections, or indices")
    if indices_or_sections is None:
        indices_or_sections = sections if indices is None else indices
    if input.ndim == 0:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    axis = axis_of(dim, input.ndim)
    n = input.shape[axis]
    if isinstance(indices_or_sections, Tensor):
        if indices_or_sections.dtype.name != "int64" or indices_or_sections.ndim > 1:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or "
                "one-dimensional tensor of dtype long"
            )
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, Integral):
        count = int(indices_or_sections)
        if count <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {count}")
        if count > MOST_PIECES:
            raise RuntimeError(f"number of sections must be at most {MOST_PIECES}, got {count}")
        ends = [n // count * (i + 1) + min(i + 1, n % count) for i in range(count)]
        return _pieces(input, list(zip([0, *ends], ends)), axis)
    cuts = [whole(i, "indices") for i in indices_or_sections]
    return _pieces(input, list(zip([0, *cuts], [*cuts, n])), axis)


def _split_along(
    name: str, x: Tensor, given: tuple[Any, ...], sections: Any, indices: Any, axis: int, least: int
) -> tuple[Tensor, ...]:
    named = [v for v in (sections, indices) if v is not None]
    if bool(given) + len(named) != 1:
        raise TypeError(f"{name}() takes a number of sections, or indices")
    what: Any = given if len(given) > 1 else given[0] if given else named[0]
    several = isinstance(what, (list, tuple)) or getattr(what, "ndim", 0) > 0
    misnamed = bool(named) and several is (sections is not None)
    if misnamed or isinstance(what, (bool, str, bytes, dict, set)):
        kind = type(what).__name__
        raise TypeError(f"{name}() takes a number of sections, or indices, not {kind}")
    if x.ndim < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension"
            f"{'s' if least > 1 else ''}, but got a tensor with {x.ndim} dimensions!"
        )
    if isinstance(what, Integral) and (int(what) <= 0 or x.shape[axis] % what):
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {axis}, but the size of the "
            f"dimension {x.shape[axis]} is not divisible by the split_size {what}!"
        )
    return tensor_split(x, what, axis)


@refusing
def hsplit(
    input: Tensor, *indices_or_sections: Any, sections: Any = None, indices: Any = None
) -> tuple[Tensor, ...]:
    """Split along the second dimension, or the only one (PyTorch: ``torch.hsplit``).

    ``indices`` may be given one by one, too.

    >>> import anadrome as ad
    >>> [p.tolist() for p in ad.arange(4).hsplit(1, 2)]
    [[0], [1], [2, 3]]
    """
    axis = 0 if input.ndim == 1 else 1
    return _split_along("hsplit", input, indices_or_sections, sections, indices, axis, 1)


@refusing
def vsplit(
    input: Tensor, *indices_or_sections: Any, sections: Any = None, indices: Any = None
) -> tuple[Tensor, ...]:
    """Split along the first dimension of two or more (PyTorch: ``torch.vsplit``)."""
    return _split_along("vsplit", input, indices_or_sections, sections, indices, 0, 2)


@refusing
def dsplit(
    input: Tensor, *indices_or_sections: Any, sections: Any = None, indices: Any = None
) -> tuple[Tensor, ...]:
    """Split along the third dimension (PyTorch: ``torch.dsplit``)."""
    return _split_along("dsplit", input, indices_or_sections, sections, indices, 2, 3)


def _install() -> None:
    for function in (
        split, split_with_sizes, chunk, unbind, tensor_split, hsplit, vsplit, dsplit,
    ):  # fmt: skip
        setattr(Tensor, function.__name__, function)
    Tensor.unsafe_split = split
    Tensor.unsafe_chunk = chunk


_install()
