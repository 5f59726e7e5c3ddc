"""placing: PyTorch's forms of taking from, writing to and adding at places that an index names."""

from __future__ import annotations

from typing import Any

from .. import backend as backends
from ..errors import ArgumentError, DtypeError, RangeError
from ..forms import inplace_composite
from ..making import within_64_bits
from ..out import takes_out
from ..placement import at
from ..refusals import refusing
from ..tensor import Tensor
from .arithmetic import where
from .reduce import axes_of, axis_of
from .scattering import (
    gather_op,
    scatter_add_op,
    scatter_op,
    scatter_reduce_op,
    scatter_value,
)
from .shape import reshape


def _check(name: str, x: Any, dim: int, index: Any, src: Any = None) -> int:
    """PyTorch's rules for an index along ``dim``; returns the dimension."""
    if not isinstance(index, Tensor):
        raise ArgumentError(
            f"{name}(): argument 'index' must be Tensor, not {type(index).__name__}"
        )
    axis = (axes_of(dim, x.ndim) or (0,))[0]
    if index.dtype.category != 1 and index.numel():  # `tensor([])`, of no places, is float32
        raise DtypeError(f"{name}(): Expected dtype int32/int64 for index, not {index.dtype.name}")
    for other, what in ((x, "self"), (src, "src")):
        if other is None or index.numel() == 0:
            continue
        if max(other.ndim, 1) != max(index.ndim, 1):
            raise RangeError(
                "Index tensor must have the same number of dimensions as "
                f"{what} tensor, got {index.ndim} and {other.ndim}"
            )
        for i, (n, m) in enumerate(zip(tuple(index.shape) or (1,), tuple(other.shape) or (1,))):
            if n > m and (i != axis or what == "src"):
                raise RuntimeError(
                    f"Expected index {list(index.shape)} to be no larger than {what} "
                    f"{list(other.shape)} apart from dimension {dim}"
                )
    if src is not None and src.dtype is not x.dtype:
        raise DtypeError(
            f"{name}(): Expected self.dtype to be equal to src.dtype, got {x.dtype.name} and "
            f"{src.dtype.name}"
        )
    return axis


def _cropped(x: Any, index: Any) -> Any:
    """As much of ``x`` as the index has places for."""
    if x.shape == index.shape:
        return x
    return x[tuple(slice(n) for n in index.shape)]


def _nothing(x: Any, shape: Any) -> Any:
    """None of the values of ``x``, in a shape that has a zero."""
    return x.reshape(-1)[:0].reshape(tuple(shape))


def unwritten(x: Any, src: Any) -> Any:
    """A copy of ``x`` where an index has no places; ``src`` has a part in it, a gradient of zero.

    As in PyTorch, whose optimizers pass over a parameter without a gradient, and decay one of zero.
    """
    if src is None or not src.requires_grad:
        return x.clone()
    return x + _nothing(src, (0,)).sum()


@takes_out
def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """``out[i][j] = input[index[i][j]][j]`` for dim 0, and so on (PyTorch: ``torch.gather``).

    >>> import anadrome as ad
    >>> ad.gather(ad.tensor([[1, 2], [3, 4]]), 1, ad.tensor([[1], [0]]))
    tensor([[2],
            [3]])
    """
    _check("gather", input, dim, index)
    if index.numel() == 0:
        return _nothing(input, index.shape)
    if input.ndim == 0:
        return gather_op(input, index, dim=dim)
    if index.ndim == 0:
        return reshape(gather_op(input, reshape(index, shape=(1,)), dim=dim), shape=())
    return gather_op(input, index, dim=dim)


def _written(name: str, x: Any, dim: int, index: Any, src: Any, call: Any) -> Any:
    """``call(x, index, src)`` where the index is smaller than ``x`` and ``src`` too."""
    if src is None:
        _check(name, x, dim, index)
    else:
        _check(name, x, dim, index, src)
    if index.numel() == 0:
        return unwritten(x, src)
    if x.ndim == 0:
        flat = _written(name, x.reshape(1), 0, index.reshape(1),
                        None if src is None else src.reshape(1), call)  # fmt: skip
        return flat.reshape(())
    if index.ndim == 0:
        index = index.reshape(1)
    if src is not None:
        src = _cropped(src if src.ndim else src.reshape(1), index)
    return call(x, index, src)


@takes_out
def scatter(
    input: Any, dim: int, index: Any, src: Any = None, *, reduce: str | None = None,
    value: Any = None,
) -> Any:  # fmt: skip
    """``out[index[i][j]][j] = src[i][j]`` for dim 0, the rest as ``input`` (``torch.scatter``).

    ``src`` may be a number (``value=``). ``reduce``: "add" or "multiply" instead of writing.

    >>> import anadrome as ad
    >>> ad.zeros(3).scatter(0, ad.tensor([2, 0]), ad.tensor([1.0, 2.0]))
    tensor([2., 0., 1.])
    """
    if src is None:
        src = value
    if reduce is not None:
        if reduce not in ("add", "multiply"):
            raise RuntimeError("reduce argument must be either add or multiply.")
        if not isinstance(src, Tensor):
            src = input.new_full(tuple(index.shape), src)
        return scatter_reduce(input, dim, index, src, "sum" if reduce == "add" else "prod")
    if not isinstance(src, Tensor):
        if not isinstance(src, (int, float, complex)):
            raise ArgumentError(
                f"scatter(): argument 'src' must be Tensor or Number, not {type(src).__name__}"
            )
        src = within_64_bits(src, input.dtype)
        return _written("scatter", input, dim, index, None, lambda x, i, _:
                        scatter_value(x, i, dim=dim, value=src))  # fmt: skip
    return _written("scatter", input, dim, index, src, lambda x, i, s:
                    scatter_op(x, i, s, dim=dim))  # fmt: skip


@takes_out
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """``input`` with ``src`` added at the places that ``index`` names (``torch.scatter_add``)."""
    return _written("scatter_add", input, dim, index, src, lambda x, i, s:
                    scatter_add_op(x, i, s, dim=dim))  # fmt: skip


@takes_out
def scatter_reduce(
    input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True
) -> Any:
    """``src`` reduced into the places that ``index`` names (PyTorch: ``torch.scatter_reduce``).

    ``reduce``: sum, prod, mean, amax or amin. Without ``include_self`` a place that is named does
    not count what it held.
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    return _written("scatter_reduce", input, dim, index, src, lambda x, i, s: scatter_reduce_op(
        x, i, s, dim=dim, reduce=reduce, include_self=include_self))  # fmt: skip


def _flat_index(x: Any, index: Any) -> Any:
    """A flat index without negative numbers."""
    if index.dtype.name != "int64":
        raise DtypeError(
            f"take(): Expected a long tensor for index, but got {index.dtype.name}; use `.long()`"
        )
    size = x.numel()
    if size == 0 and index.numel():
        raise RangeError("take(): tried to take from an empty tensor")
    if index.numel():
        array = index._data
        with at(array):
            backends.by_type[array.__class__].require(
                (array >= -size) & (array < size),
                lambda: RangeError(
                    "out of range: tried to access index "
                    f"{int(array[(array < -size) | (array >= size)][0])} on a tensor of {size} "
                    "elements."
                ),
            )
    return where(index < 0, index + size, index)


@takes_out
def take(input: Any, index: Any) -> Any:
    """The values at places of the flattened input, in the index's shape (``torch.take``)."""
    flat = _flat_index(input, index)
    if not index.numel():
        return _nothing(input, index.shape)
    return gather_op(input.reshape(-1), flat.reshape(-1), dim=0).reshape(index.shape)


@refusing
def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """``input`` with values at places of the flattened input (PyTorch: ``torch.put``)."""
    if source.dtype is not input.dtype:
        raise DtypeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{input.dtype.name} and source.dtype = {source.dtype.name}"
        )
    if source.numel() != index.numel():
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source.numel()}, index.numel() = {index.numel()}"
        )
    if not index.numel():
        return unwritten(input, source)
    flat = _flat_index(input, index).reshape(-1)
    call = scatter_add_op if accumulate else scatter_op
    return call(input.reshape(-1), flat, source.reshape(-1), dim=0).reshape(input.shape)


@takes_out
def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """``gather`` in which the other dimensions broadcast (PyTorch: ``torch.take_along_dim``)."""
    if indices.dtype.name not in ("int64", "int32"):
        raise DtypeError(
            f"torch.take_along_dim(): dtype of indices should be Long but got {indices.dtype.name}"
        )
    if dim is None:
        return gather(input.reshape(-1), 0, indices.reshape(-1))
    if indices.ndim != input.ndim:
        raise RuntimeError(
            "torch.take_along_dim(): input and indices should have the same number of dimensions, "
            f"but got {input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    from .shape import broadcast_shapes

    axis = axis_of(dim, input.ndim)
    a, b = list(input.shape), list(indices.shape)
    n, m = a[axis], b[axis]
    a[axis] = b[axis] = 1
    common = list(broadcast_shapes(a, b))
    wide = [n if i == axis else k for i, k in enumerate(common)]
    picks = [m if i == axis else k for i, k in enumerate(common)]
    indices = where(indices < 0, indices + n, indices)
    return gather(input.expand(wide), axis, indices.expand(picks))


def _install() -> None:
    both = (
        scatter, scatter_add, scatter_reduce, put,
    )  # fmt: skip
    for function in both:
        name = function.__name__ + "_"
        setattr(Tensor, function.__name__, function)
        setattr(Tensor, name, inplace_composite(function, name))
    for function in (gather, take, take_along_dim):
        setattr(Tensor, function.__name__, function)


_install()
