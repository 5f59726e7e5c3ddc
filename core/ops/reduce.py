"""reduce: from many values to fewer, and the way back."""

from __future__ import annotations

import builtins
import math
from typing import Any

from .. import dtypes
from ..dtypes import as_dtype, from_native
from ..errors import ArgumentError, GraphError
from ..modes import is_grad_enabled
from ..op import FLOAT, FULL, NONE, op
from ..out import takes_out
from ..samples import each, unary
from ..tensor import Tensor
from .arithmetic import where
from .elementwise import exp
from .shape import expand, reshape

_DIMS: Any = ({}, {"dim": 0}, {"dim": -1, "keepdim": True}, {"dim": (0, 1)})


def axes_of(dim: Any, ndim: int) -> tuple[int, ...]:
    """The dimensions meant, as non-negative numbers; None and () mean all."""
    if dim.__class__ is int and -ndim <= dim < ndim:
        return (dim if dim >= 0 else dim + ndim,)
    if dim is None or (dim.__class__ is tuple and not dim):
        return tuple(range(ndim))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    dims = [d if d.__class__ is int else whole(d) for d in dims]
    for d in dims:
        if not -builtins.max(ndim, 1) <= d < builtins.max(ndim, 1):
            raise IndexError(
                f"Dimension out of range (expected to be in range of "
                f"[{-builtins.max(ndim, 1)}, {builtins.max(ndim, 1) - 1}], but got {d})"
            )
    out = tuple(d % builtins.max(ndim, 1) for d in dims)
    if len(set(out)) < len(out):
        twice = next(d for d in out if out.count(d) > 1)
        raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    return out if ndim else ()


def whole(number: Any, name: str = "dim") -> int:
    """A whole number (a dimension, if nothing else), given as such or as a Tensor of one."""
    if isinstance(number, bool) or not hasattr(number, "__index__"):
        raise ArgumentError(f"argument '{name}' must be int, not {type(number).__name__}")
    return number.__index__()


def axis_of(dim: Any, ndim: int) -> int:
    """The one dimension meant, as a non-negative number."""
    return axes_of(whole(dim), ndim)[0]


def as_dim(dim: Any) -> Any:
    """``dim`` as ops take it, and save it: an int, a tuple, or None where it is empty."""
    if dim.__class__ is int or dim is None:
        return dim
    if dim.__class__ is list or dim.__class__ is tuple:
        return tuple(dim) or None
    if getattr(dim, "ndim", 0):  # dimensions in a Tensor
        return tuple(whole(d) for d in dim) or None
    if isinstance(dim, (str, bytes, dict, set)):
        raise ArgumentError(f"argument 'dim' must be tuple of ints, not {type(dim).__name__}")
    return whole(dim) if hasattr(dim, "__index__") else dim


def _axis(dim: Any, x: Any) -> Any:
    """Array libraries want tuples, and refuse an axis of a zero-dimensional array."""
    if dim is None:
        return None
    if dim.__class__ is not int or not -x.ndim <= dim < x.ndim:
        dim = axes_of(dim, x.ndim)
    return dim if x.ndim else None


def spread(g: Any, shape: Any, dim: Any, keepdim: bool) -> Any:
    """A reduced gradient over the shape it was reduced from (no copy where views exist)."""
    if not keepdim and dim is not None and len(shape):
        axes = axes_of(dim, len(shape))
        g = reshape(g, shape=tuple(1 if i in axes else n for i, n in enumerate(shape)))
    return expand(g, shape=tuple(shape))


def count_of(shape: Any, dim: Any) -> int:
    """How many values one result was made from."""
    if dim is None:
        return math.prod(shape)
    n = 1
    for axis in axes_of(dim, len(shape)):
        n *= shape[axis]
    return n


def _long(xp: Any, x: Any) -> Any:
    """Integers and booleans are summed and multiplied as int64."""
    whole = from_native[x.dtype].category < dtypes.float32.category
    return xp.astype(x, xp.int64) if whole else x


def _sum(xp: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    return xp.sum(_long(xp, x), axis=_axis(dim, x), keepdims=keepdim)


def _mean(xp: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    if from_native[x.dtype].category < dtypes.float32.category:
        raise TypeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {from_native[x.dtype].name}; write e.g. `x.float().mean()`"
        )
    n = count_of(x.shape, dim)
    total = _sum(xp, x, dim, keepdim)
    return total / n if n else total * math.nan


# fmt: off
sum = op("sum", lambda xp, x, *, dim=None, keepdim=False: _sum(xp, x, dim, keepdim),
         x=lambda g, x_shape, dim, keepdim: spread(g, x_shape, dim, keepdim),
         named=lambda dim: f"SumBackward{int(dim is not None)}",
         amp=FULL, method=False, samples=unary() + each("2,3,4", *_DIMS))
mean = op("mean", lambda xp, x, *, dim=None, keepdim=False: _mean(xp, x, dim, keepdim),
          x=lambda g, x_shape, dim, keepdim:
              spread(g / (count_of(x_shape, dim) or math.nan), x_shape, dim, keepdim),
          named=lambda dim: f"MeanBackward{int(dim is not None)}",
          method=False, samples=each("2,3,4", *_DIMS) + each("-", {}))
prod_op = op("prod", lambda xp, x, *, dim=None, keepdim=False:
                 xp.prod(_long(xp, x), axis=_axis(dim, x), keepdims=keepdim),
             x=lambda g, x, dim, keepdim: _prod_rule(g, x, dim, keepdim),
             named=lambda dim: f"ProdBackward{int(dim is not None)}",
             amp=FULL, method=False, samples=each("2,3", *_DIMS, low=0.5, high=2))
all_op = op("all", lambda xp, x, *, dim=None, keepdim=False: _truth(xp, xp.all, x, dim, keepdim),
            x=NONE, method=False, float8=True, samples=each("3,4", {}, {"dim": 0}))
any_op = op("any", lambda xp, x, *, dim=None, keepdim=False: _truth(xp, xp.any, x, dim, keepdim),
            x=NONE, method=False, float8=True, samples=each("3,4", {}, {"dim": 0}))
logsumexp_op = op("logsumexp", lambda xp, x, *, dim, keepdim=False: _logsumexp(xp, x, dim, keepdim),
                  x=lambda g, x, out, x_shape, dim, keepdim: _logsumexp_rule(
                      g, x, out, x_shape, dim, keepdim),
                  dtype=FLOAT, amp=FULL, method=False,
                  samples=each("3,4", {"dim": 0}, {"dim": (0, 1)}, {"dim": -1, "keepdim": True}))
#: Undoes broadcasting: sums what was repeated. The engine's own tool.
sum_to_size = op("sum_to_size", lambda xp, x, *, size: _sum_to_size(xp, x, size),
                 x=lambda g, x_shape: expand(g, shape=tuple(x_shape)), spread="size",
                 samples=each("2,3,4", {"size": (3, 1)}, {"size": (1, 3, 4)}, {"size": ()}))
# fmt: on


def _sum_to_size(xp: Any, x: Any, size: tuple[int, ...]) -> Any:
    extra = x.ndim - len(size)
    if extra < 0 or builtins.any(n != 1 and n != m for n, m in zip(size, x.shape[extra:])):
        raise ValueError(f"size {{{list(size)}}} is not expandable to size {{{list(x.shape)}}}.")
    dims = tuple(range(extra)) + tuple(
        i + extra for i, n in enumerate(size) if n == 1 and x.shape[i + extra] != 1
    )
    if not size:  # a sum of all, of integers and booleans in int64
        return _sum(xp, x, None, False)
    out = _sum(xp, x, dims, True) if dims else xp.asarray(x, copy=True)
    return xp.reshape(out, size) if extra else out


def _prod_rule(g: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    """Product of the others, from running products from both ends, so that zeros are exact."""
    shape = tuple(x.shape)
    axes = axes_of(dim, len(shape))
    g = spread(g, shape, dim, keepdim)
    if not shape or 0 in shape:
        return g
    from .arranging import flip
    from .scan import cumprod_op
    from .shape import pad_constant, permute

    kept = [i for i in range(len(shape)) if i not in axes]
    order = (*kept, *axes)
    flat = reshape(permute(x, dims=order), shape=(*(shape[i] for i in kept), -1))
    ends = ((0, 0),) * len(kept)
    before = pad_constant(cumprod_op(flat, dim=-1), padding=(*ends, (1, -1)), value=1.0)
    after = cumprod_op(flip(flat, dims=(-1,)), dim=-1)
    after = flip(pad_constant(after, padding=(*ends, (1, -1)), value=1.0), dims=(-1,))
    back = [order.index(i) for i in range(len(shape))]
    others = reshape(before * after, shape=tuple(shape[i] for i in order))
    return g * permute(others, dims=tuple(back))


def _truth(xp: Any, function: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    """Of uint8, PyTorch's type for masks before it had bool, the answer is uint8."""
    out = function(xp.astype(x, xp.bool), axis=_axis(dim, x), keepdims=keepdim)
    return xp.astype(out, x.dtype) if x.dtype == xp.uint8 else out


def _logsumexp(xp: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    axis = _axis(dim, x)
    if 0 in x.shape:
        return xp.log(xp.sum(x, axis=axis, keepdims=keepdim))
    sizes = xp.real(x) if from_native[x.dtype].is_complex else x
    top = xp.max(sizes, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0.0)
    out = xp.log(xp.sum(xp.exp(x - top), axis=axis, keepdims=True)) + top
    if keepdim or not x.ndim:
        return out
    return xp.squeeze(out, axis=axes_of(dim, x.ndim))


def _logsumexp_rule(g: Any, x: Any, out: Any, shape: Any, dim: Any, keepdim: bool) -> Any:
    out = spread(out, shape, dim, keepdim)
    return spread(g, shape, dim, keepdim) * exp(x - out)


def scatter_back(g: Any, indices: Any, shape: Any, dim: int, keepdim: bool = True) -> Any:
    """The gradient of values picked along ``dim``, at the places they were picked from."""
    from .scattering import scatter_into

    if not len(shape):
        return reshape(g, shape=())
    if not keepdim:
        axis = axes_of(dim, len(shape))[0]
        kept = (*shape[:axis], 1, *shape[axis + 1 :])
        g = reshape(g, shape=kept)
        indices = reshape(indices, shape=kept)
    return scatter_into(g, indices, dim=dim, shape=tuple(shape))


def in_dtype(x: Any, dtype: Any) -> Any:
    """``x`` in the type that ``dtype=`` asks for; not one that would lose its gradient."""
    if dtype is None:
        return x
    kind = as_dtype(dtype)
    if getattr(x, "requires_grad", False) and is_grad_enabled():
        if not (kind.is_floating_point or kind.is_complex):
            raise GraphError(
                f"Autograd not support dtype: {kind.name}: the gradient would be lost; write "
                "`x.detach()` if that is meant"
            )
    return x.to(kind)


# -- PyTorch's forms --------------------------------------------------------------------------
@takes_out
def _summed(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Sum over all values, or over ``dim`` (PyTorch: ``torch.sum``); integers sum to int64.

    >>> import anadrome as ad
    >>> ad.sum(ad.ones(2, 3), dim=0)
    tensor([2., 2., 2.])
    """
    if dtype is not None:
        input = in_dtype(input, dtype)
    out = sum(input, dim=as_dim(dim), keepdim=keepdim)
    return out if dtype is None or out.dtype is as_dtype(dtype) else out.to(dtype)


@takes_out
def _meaned(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Mean over all values, or over ``dim`` (PyTorch: ``torch.mean``); floating point only."""
    if dtype is not None:
        input = in_dtype(input, dtype)
    return mean(input, dim=as_dim(dim), keepdim=keepdim)


@takes_out
def prod(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Product of all values, or over ``dim`` (PyTorch: ``torch.prod``); integers to int64."""
    if dtype is not None:
        input = in_dtype(input, dtype)
    out = prod_op(input, dim=as_dim(dim), keepdim=keepdim)
    return out if dtype is None or out.dtype is as_dtype(dtype) else out.to(dtype)


@takes_out
def all(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether all values are true (not zero), over all or over ``dim`` (``torch.all``)."""
    dim = as_dim(dim) if dim.__class__ not in (tuple, list) else dim
    if dim is not None and dim.__class__ is not int and not len(dim):
        return _truth_of_each(input)
    return all_op(input, dim=as_dim(dim), keepdim=keepdim)


@takes_out
def any(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Whether any value is true (not zero), over all or over ``dim`` (``torch.any``)."""
    dim = as_dim(dim) if dim.__class__ not in (tuple, list) else dim
    if dim is not None and dim.__class__ is not int and not len(dim):
        return _truth_of_each(input)
    return any_op(input, dim=as_dim(dim), keepdim=keepdim)


def _truth_of_each(x: Any) -> Any:
    """Over no dimension: as in PyTorch, of each value by itself."""
    out = x.detach() != 0
    return out.to(x.dtype) if x.dtype.name == "uint8" else out


@takes_out
def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """Logarithm of the sum of exponentials over ``dim`` (PyTorch: ``torch.logsumexp``)."""
    return logsumexp_op(input, dim=whole(dim) if dim is None else as_dim(dim), keepdim=keepdim)


@takes_out
def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Sum in which NaN counts as zero (PyTorch: ``torch.nansum``).

    >>> import anadrome as ad
    >>> ad.nansum(ad.tensor([1.0, float("nan")]))
    tensor(1.)
    """
    if input.dtype.is_complex:
        raise RuntimeError("nansum does not support complex inputs")
    held = where(input != input, 0.0, input) if input.dtype.is_floating_point else input
    return _summed(held, dim, keepdim, dtype=dtype)


@takes_out
def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Mean of the values that are not NaN (PyTorch: ``torch.nanmean``)."""
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        raise RuntimeError(
            f"nanmean(): expected input to have floating point or complex dtype but got "
            f"{input.dtype.name}"
        )
    kind = input.dtype if dtype is None else as_dtype(dtype)
    if not (kind.is_floating_point or kind.is_complex):
        raise RuntimeError(
            f"nanmean(): could not infer output dtype. Optional dtype must be either a floating "
            f"point or complex dtype. Got: {kind.name}"
        )
    count = sum(input == input, dim=as_dim(dim), keepdim=keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / count


@takes_out
def count_nonzero(input: Any, dim: Any = None) -> Any:
    """How many values are not zero (PyTorch: ``torch.count_nonzero``)."""
    return sum(input != 0, dim=as_dim(dim))


def _install() -> None:
    Tensor.sum = _summed
    Tensor.mean = _meaned
    for function in (prod, all, any, logsumexp, nansum, nanmean, count_nonzero):
        setattr(Tensor, function.__name__, function)


_install()
