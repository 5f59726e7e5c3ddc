"""reduce: from many values to fewer, and the way back."""

from __future__ import annotations

import builtins
import math
from collections import namedtuple
from typing import Any

from .. import dtypes
from ..dtypes import from_native
from ..op import FLOAT, FULL, NONE, op
from ..samples import Arr, Sample, call, each, unary
from ..tensor import Tensor
from .arithmetic import eq, maximum, minimum, where
from .elementwise import exp
from .shape import expand, reshape

_DIMS: Any = ({}, {"dim": 0}, {"dim": -1, "keepdim": True}, {"dim": (0, 1)})


def axes_of(dim: Any, ndim: int) -> tuple[int, ...]:
    """The dimensions meant, as non-negative numbers; None means all."""
    if dim is None:
        return tuple(range(ndim))
    dims = dim if isinstance(dim, (tuple, list)) else (dim,)
    for d in dims:
        if not -builtins.max(ndim, 1) <= d < builtins.max(ndim, 1):
            raise IndexError(
                f"Dimension out of range (expected to be in range of "
                f"[{-builtins.max(ndim, 1)}, {builtins.max(ndim, 1) - 1}], but got {d})"
            )
    return tuple(d % ndim for d in dims) if ndim else ()


def _axis(dim: Any, x: Any) -> Any:
    """Array libraries want tuples, and refuse an axis of a zero-dimensional array."""
    if x.ndim == 0:
        axes_of(dim, 0)
        return None
    return tuple(dim) if isinstance(dim, list) else dim


def spread(g: Any, shape: Any, dim: Any, keepdim: bool) -> Any:
    """A reduced gradient over the shape it was reduced from (no copy where views exist)."""
    if not keepdim and dim is not None and len(shape):
        axes = axes_of(dim, len(shape))
        g = reshape(g, shape=tuple(1 if i in axes else n for i, n in enumerate(shape)))
    return expand(g, shape=tuple(shape))


def count_of(shape: Any, dim: Any) -> int:
    """How many values one result was made from."""
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
            "could not infer output dtype. Input dtype must be either a floating point or complex "
            f"dtype. Got: {from_native[x.dtype].name}; write e.g. `x.float().mean()`"
        )
    n = count_of(x.shape, dim)
    total = _sum(xp, x, dim, keepdim)
    return total / n if n else total * math.nan


# fmt: off
sum = op("sum", lambda xp, x, *, dim=None, keepdim=False: _sum(xp, x, dim, keepdim),
         x=lambda g, x_shape, dim, keepdim: spread(g, x_shape, dim, keepdim),
         amp=FULL, method=False, samples=unary() + each("2,3,4", *_DIMS))
mean = op("mean", lambda xp, x, *, dim=None, keepdim=False: _mean(xp, x, dim, keepdim),
          x=lambda g, x_shape, dim, keepdim:
              spread(g / (count_of(x_shape, dim) or math.nan), x_shape, dim, keepdim),
          method=False, samples=each("2,3,4", *_DIMS) + each("-", {}))
prod = op("prod", lambda xp, x, *, dim=None, keepdim=False:
              xp.prod(_long(xp, x), axis=_axis(dim, x), keepdims=keepdim),
          x=lambda g, x, dim, keepdim: _prod_rule(g, x, dim, keepdim),
          amp=FULL, samples=each("2,3", *_DIMS, low=0.5, high=2))
var = op("var", lambda xp, x, *, dim=None, correction=1, keepdim=False:
             _var(xp, x, dim, correction, keepdim),
         x=lambda g, x, dim, correction, keepdim: _var_rule(g, x, dim, correction, keepdim),
         method=False, samples=each("3,4", *_DIMS, {"correction": 0}))
amax = op("amax", lambda xp, x, *, dim=None, keepdim=False:
              xp.max(x, axis=_axis(dim, x), keepdims=keepdim),
          x=lambda g, x, out, dim, keepdim: _extreme_rule(g, x, out, dim, keepdim),
          samples=[Sample((Arr((2, 3, 4), distinct=True),), kw) for kw in _DIMS])
amin = op("amin", lambda xp, x, *, dim=None, keepdim=False:
              xp.min(x, axis=_axis(dim, x), keepdims=keepdim),
          x=lambda g, x, out, dim, keepdim: _extreme_rule(g, x, out, dim, keepdim),
          samples=[Sample((Arr((2, 3, 4), distinct=True),), kw) for kw in _DIMS])
argmax = op("argmax", lambda xp, x, *, dim=None, keepdim=False: _arg(xp.argmax, x, dim, keepdim),
            x=NONE, samples=[Sample((Arr((3, 4), distinct=True),), kw)
                             for kw in ({}, {"dim": 0}, {"dim": 1, "keepdim": True})])
argmin = op("argmin", lambda xp, x, *, dim=None, keepdim=False: _arg(xp.argmin, x, dim, keepdim),
            x=NONE, samples=[Sample((Arr((3, 4), distinct=True),), kw)
                             for kw in ({}, {"dim": 0}, {"dim": 1, "keepdim": True})])
all = op("all", lambda xp, x, *, dim=None, keepdim=False:
             xp.all(xp.astype(x, xp.bool), axis=_axis(dim, x), keepdims=keepdim),
         x=NONE, samples=each("3,4", {}, {"dim": 0}))
any = op("any", lambda xp, x, *, dim=None, keepdim=False:
             xp.any(xp.astype(x, xp.bool), axis=_axis(dim, x), keepdims=keepdim),
         x=NONE, samples=each("3,4", {}, {"dim": 0}))
logsumexp = op("logsumexp", lambda xp, x, *, dim, keepdim=False: _logsumexp(xp, x, dim, keepdim),
               x=lambda g, x, out, x_shape, dim, keepdim:
                   spread(g, x_shape, dim, keepdim) * exp(x - spread(out, x_shape, dim, keepdim)),
               dtype=FLOAT, amp=FULL,
               samples=each("3,4", {"dim": 0}, {"dim": (0, 1)}, {"dim": -1, "keepdim": True}))
cumsum = op("cumsum", lambda xp, x, *, dim: _cumsum(xp, _long(xp, x), dim),
            x=lambda g, dim: _reverse_cumsum(g, dim),
            amp=FULL, samples=each("3,4", {"dim": 0}, {"dim": -1}) + each("-", {"dim": 0}))
max_dim = op("max_dim", lambda xp, x, *, dim, keepdim=False:
                 _extreme(xp, xp.argmax, x, dim, keepdim),
             x=lambda g, indices, x_shape, dim, keepdim:
                 _pick_rule(g, indices, x_shape, dim, keepdim),
             outputs=("values", "indices"), differentiable=1, method=False, node="MaxBackward0",
             samples=[Sample((Arr((3, 4), distinct=True),), {"dim": d, "keepdim": k})
                      for d in (0, -1) for k in (False, True)])
min_dim = op("min_dim", lambda xp, x, *, dim, keepdim=False:
                 _extreme(xp, xp.argmin, x, dim, keepdim),
             x=lambda g, indices, x_shape, dim, keepdim:
                 _pick_rule(g, indices, x_shape, dim, keepdim),
             outputs=("values", "indices"), differentiable=1, method=False, node="MinBackward0",
             samples=[Sample((Arr((3, 4), distinct=True),), {"dim": d, "keepdim": k})
                      for d in (0, -1) for k in (False, True)])
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
    out = _sum(xp, x, dims, True) if dims else xp.asarray(x, copy=True)
    return xp.reshape(out, size) if extra else out


def _prod_rule(g: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    """Product of the others, by sweeps from both ends, so that zeros are exact."""
    shape = tuple(x.shape)
    axes = axes_of(dim, len(shape))
    g = spread(g, shape, dim, keepdim)
    if not shape or 0 in shape:
        return g
    kept = [i for i in range(len(shape)) if i not in axes]
    order = (*kept, *axes)
    from .joining import cat
    from .shape import permute

    flat = reshape(permute(x, dims=order), shape=(*(shape[i] for i in kept), -1))
    n = flat.shape[-1]
    ones = flat[..., :1] * 0.0 + 1.0
    left, right = [ones], [ones]
    for i in range(n - 1):
        left.append(left[-1] * flat[..., i : i + 1])
        right.append(right[-1] * flat[..., n - 1 - i : n - i])
    others = cat(left, -1) * cat(right[::-1], -1)
    back = [order.index(i) for i in range(len(shape))]
    return g * permute(reshape(others, shape=tuple(shape[i] for i in order)), dims=tuple(back))


def _var(xp: Any, x: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    n = count_of(x.shape, dim)
    centred = x - _mean(xp, x, dim, True)
    left = n - correction
    total = _sum(xp, centred * centred, dim, keepdim)
    return total / left if left > 0 else total * math.nan


def _var_rule(g: Any, x: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    left = count_of(x.shape, dim) - correction
    centred = x - mean(x, dim=dim, keepdim=True)
    return spread(g, x.shape, dim, keepdim) * centred * (2.0 / left if left > 0 else math.nan)


def _extreme_rule(g: Any, x: Any, out: Any, dim: Any, keepdim: bool) -> Any:
    """Shared evenly among ties, as PyTorch's amax does."""
    chosen = eq(x, spread(out, x.shape, dim, keepdim))
    ones = where(chosen, x * 0.0 + 1.0, 0.0)
    return where(chosen, spread(g, x.shape, dim, keepdim), 0.0) / sum(ones, dim=dim, keepdim=True)


def _arg(function: Any, x: Any, dim: int | None, keepdim: bool) -> Any:
    if dim is None:
        axes_of(dim, x.ndim)
        if x.size == 0:
            raise IndexError(
                "Expected reduction dim to be specified for input.numel() == 0. Specify the "
                "reduction dim with the 'dim' argument."
            )
        return function(x, keepdims=keepdim)
    return function(x, axis=_axis(dim, x), keepdims=keepdim)


def _extreme(xp: Any, function: Any, x: Any, dim: int, keepdim: bool) -> Any:
    axis = axes_of(dim, x.ndim)
    if not axis:
        return x + 0, xp.zeros((), dtype=xp.int64)
    indices = xp.expand_dims(function(x, axis=axis[0]), axis=axis[0])
    values = xp.take_along_axis(x, indices, axis=axis[0])
    if keepdim:
        return values, indices
    return xp.squeeze(values, axis=axis[0]), xp.squeeze(indices, axis=axis[0])


def _pick_rule(g: Any, indices: Any, shape: Any, dim: int, keepdim: bool) -> Any:
    from .indexing import scatter_into

    grad = g[0] if isinstance(g, list) else g
    if not shape:
        return grad
    if not keepdim:
        axis = axes_of(dim, len(shape))[0]
        kept = (*shape[:axis], 1, *shape[axis + 1 :])
        grad = reshape(grad, shape=kept)
        indices = reshape(indices, shape=kept)
    return scatter_into(grad, indices, dim=dim, shape=tuple(shape))


def _logsumexp(xp: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    axis = _axis(dim, x)
    top = xp.max(x, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0.0)
    out = xp.log(xp.sum(xp.exp(x - top), axis=axis, keepdims=True)) + top
    if keepdim or not x.ndim:
        return out
    return xp.squeeze(out, axis=axes_of(dim, x.ndim))


def _cumsum(xp: Any, x: Any, dim: int) -> Any:
    axes = axes_of(dim, x.ndim)
    return xp.cumulative_sum(x, axis=axes[0]) if axes else xp.asarray(x, copy=True)


def _reverse_cumsum(g: Any, dim: int) -> Any:
    from .shape import flip

    if len(g.shape) == 0:
        return g
    return flip(cumsum(flip(g, dims=(dim,)), dim=dim), dims=(dim,))


# -- PyTorch's forms --------------------------------------------------------------------------
Extreme = namedtuple("Extreme", ("values", "indices"))


def _summed(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Sum over all values, or over ``dim`` (PyTorch: ``torch.sum``); integers sum to int64."""
    if dtype is not None:
        x = x.to(dtype)
    return sum(x, dim=dim, keepdim=keepdim)


def _meaned(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Mean over all values, or over ``dim`` (PyTorch: ``torch.mean``); floating point only."""
    if dtype is not None:
        x = x.to(dtype)
    return mean(x, dim=dim, keepdim=keepdim)


def variance(
    x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: float = 1
) -> Any:
    """Variance (PyTorch: ``torch.var``); ``correction=0`` for the biased one."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        correction = int(unbiased)
    return var(x, dim=dim, correction=correction, keepdim=keepdim)


def std(
    x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: float = 1
) -> Any:
    """Standard deviation (PyTorch: ``torch.std``)."""
    return variance(x, dim, unbiased, keepdim, correction=correction).sqrt()


def max(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Largest value; ``(values, indices)`` along a dimension; or of two Tensors, pairwise."""
    if dim is None:
        return amax(x)
    if isinstance(dim, Tensor):
        return maximum(x, dim)
    return Extreme(*max_dim(x, dim=dim, keepdim=keepdim))


def min(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Smallest value; ``(values, indices)`` along a dimension; or of two Tensors, pairwise."""
    if dim is None:
        return amin(x)
    if isinstance(dim, Tensor):
        return minimum(x, dim)
    return Extreme(*min_dim(x, dim=dim, keepdim=keepdim))


def norm(x: Any, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    """The p-norm of the values, for any p including inf (PyTorch: ``torch.norm``)."""
    if p in ("fro", None):
        p = 2
    if p == math.inf:
        return amax(x.abs(), dim=dim, keepdim=keepdim)
    if p == -math.inf:
        return amin(x.abs(), dim=dim, keepdim=keepdim)
    if p == 0:
        return sum((x != 0).to(x.dtype), dim=dim, keepdim=keepdim)
    if p == 2:
        return norm2(x, dim=dim, keepdim=keepdim)
    return sum(x.abs() ** p, dim=dim, keepdim=keepdim) ** (1.0 / p)


#: The 2-norm has a rule of its own: its derivative at zero is zero, not NaN.
norm2 = op(
    "norm2",
    lambda xp, x, *, dim=None, keepdim=False: _norm2(xp, x, dim, keepdim),
    x=lambda g, x, out, dim, keepdim: (
        x * spread(where(out == 0.0, 0.0, g / where(out == 0.0, 1.0, out)), x.shape, dim, keepdim)
    ),
    amp=FULL,
    method=False,
    node="LinalgVectorNormBackward0",
    samples=each("3,4", *_DIMS[:3]) + call(Arr((2, 3), 0.5, 1)),
)


def _norm2(xp: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    kind = from_native[x.dtype]
    if kind.category < dtypes.float32.category:
        raise TypeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{kind.name}; write e.g. `x.float().norm()`"
        )
    return xp.sqrt(_sum(xp, x * x, dim, keepdim))


Tensor.sum = _summed
Tensor.mean = _meaned
Tensor.var = variance
Tensor.std = std
Tensor.max = max
Tensor.min = min
Tensor.norm = norm
