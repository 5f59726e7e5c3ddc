"""scan: running sums, products and extremes along a dimension, and differences, their inverse."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from ..dtypes import bool_
from ..forms import inplace_composite
from ..op import FLOAT, FULL, op
from ..out import takes_out
from ..returned import returned
from ..samples import Arr, Sample, each
from ..tensor import Tensor
from .arithmetic import log_of_sum, where
from .arranging import flip
from .elementwise import exp
from .reduce import _long, axes_of, axis_of, in_dtype, scatter_back, whole
from .shape import pad_constant

_DIMS = ({"dim": 0}, {"dim": -1})


def scanned(xp: Any, x: Any, axis: int, combine: Callable[[Any, Any], Any]) -> Any:
    """``combine`` of all values up to each place, in log2(n) steps over the whole array."""
    n = x.shape[axis]
    before = (slice(None),) * axis
    step = 1
    while step < n:
        head = x[(*before, slice(None, step), Ellipsis)]
        tail = combine(x[(*before, slice(step, None), Ellipsis)],
                       x[(*before, slice(None, n - step), Ellipsis)])  # fmt: skip
        x = xp.concat([head, tail], axis=axis)
        step *= 2
    return x


# fmt: off
cumsum_op = op("cumsum", lambda xp, x, *, dim: _cumulative(xp, xp.cumulative_sum, x, dim),
               x=lambda g, dim: _reverse_cumsum(g, dim), amp=FULL, method=False,
               samples=each("3,4", *_DIMS) + each("-", {"dim": 0}))
cumprod_op = op("cumprod", lambda xp, x, *, dim: _cumulative(xp, xp.cumulative_prod, x, dim),
                x=lambda g, x, out, dim: _cumprod_rule(g, x, out, dim), amp=FULL, method=False,
                samples=each("3,4", *_DIMS) + each("-", {"dim": 0}))
#: ``h[i] = a[i] * h[i - 1] + b[i]`` from zero on: what the rules of running products are made of.
#: Unlike a division by the factors it is exact where a factor is zero.
linear_scan = op("linear_scan", lambda xp, a, b, *, dim: _linear_scan(xp, a, b, dim),
                 joint=lambda g, a, out, dim: _linear_scan_rule(g, a, out, dim), method=False,
                 samples=[Sample((Arr((3, 4)), Arr((3, 4))), kw) for kw in _DIMS])
cummax_op = op("cummax", lambda xp, x, *, dim: _running(xp, x, dim, xp.maximum),
               x=lambda g, indices, x_shape, dim: _chosen_rule(g, indices, x_shape, dim),
               outputs=("values", "indices"), differentiable=1, method=False,
               refuses=("complex",),
               samples=[Sample((Arr((3, 4), distinct=True),), kw) for kw in _DIMS])
cummin_op = op("cummin", lambda xp, x, *, dim: _running(xp, x, dim, xp.minimum),
               x=lambda g, indices, x_shape, dim: _chosen_rule(g, indices, x_shape, dim),
               outputs=("values", "indices"), differentiable=1, method=False,
               refuses=("complex",),
               samples=[Sample((Arr((3, 4), distinct=True),), kw) for kw in _DIMS])
logcumsumexp_op = op("logcumsumexp", lambda xp, x, *, dim: _logcumsumexp(xp, x, dim),
                     x=lambda g, x, out, dim: _logcumsumexp_rule(g, x, out, dim),
                     dtype=FLOAT, amp=FULL, method=False,
                     refuses=("bool", "int",),
                     samples=each("3,4", *_DIMS))
# fmt: on


def _cumulative(xp: Any, function: Any, x: Any, dim: int) -> Any:
    axes = axes_of(dim, x.ndim)
    x = _long(xp, x)
    return function(x, axis=axes[0]) if axes else xp.asarray(x, copy=True)


def _reverse_cumsum(g: Any, dim: int) -> Any:
    if len(g.shape) == 0:
        return g
    return flip(cumsum_op(flip(g, dims=(dim,)), dim=dim), dims=(dim,))


def _linear_scan(xp: Any, a: Any, b: Any, dim: int) -> Any:
    axes = axes_of(dim, b.ndim)
    if not axes:
        return b + 0
    axis = axes[0]
    before = (slice(None),) * axis
    n = b.shape[axis]
    step = 1
    while step < n:  # (a, b) are maps h -> a h + b, and each step composes neighbours
        head, tail = (*before, slice(None, step)), (*before, slice(step, None))
        early = (*before, slice(None, n - step))
        rest = (Ellipsis,)
        b = xp.concat([b[head + rest], a[tail + rest] * b[early + rest] + b[tail + rest]],
                      axis=axis)  # fmt: skip
        a = xp.concat([a[head + rest], a[tail + rest] * a[early + rest]], axis=axis)
        step *= 2
    return b + 0 if n < 2 else b


def shifted(x: Any, dim: int, by: int, value: float = 0.0) -> Any:
    """``x`` moved by one place along ``dim``, forward or (``by=-1``) back; ``value`` comes in."""
    axis = dim % len(x.shape)
    step = (1, -1) if by > 0 else (-1, 1)
    padding = tuple(step if i == axis else (0, 0) for i in range(len(x.shape)))
    return pad_constant(x, padding=padding, value=value)


def _reverse_scan(a: Any, g: Any, dim: int) -> Any:
    """``h[i] = g[i] + a[i + 1] * h[i + 1]``."""
    back = (dim,)
    return flip(
        linear_scan(flip(shifted(a, dim, -1), dims=back), flip(g, dims=back), dim=dim), dims=back
    )


def _linear_scan_rule(g: Any, a: Any, out: Any, dim: int) -> Any:
    if len(g.shape) == 0:
        return g * 0.0, g
    if 0 in g.shape:
        return g, g
    into_b = _reverse_scan(a, g, dim)
    return into_b * shifted(out, dim, 1), into_b


def _cumprod_rule(g: Any, x: Any, out: Any, dim: int) -> Any:
    if len(g.shape) == 0 or 0 in g.shape:
        return g
    return _reverse_scan(x, g, dim) * shifted(out, dim, 1, 1.0)


def _running(xp: Any, x: Any, dim: int, combine: Any) -> Any:
    """The largest or smallest value so far and its place: of equal ones the last, as PyTorch."""
    axes = axes_of(dim, x.ndim)
    if not axes:
        return xp.asarray(x, copy=True), xp.zeros((), dtype=xp.int64)
    axis = axes[0]
    values = scanned(xp, x, axis, combine)
    line = xp.arange(x.shape[axis], dtype=xp.int64)
    places = xp.reshape(line, tuple(-1 if i == axis else 1 for i in range(x.ndim)))
    here = (x == values) | (x != x)
    indices = scanned(xp, xp.where(here, places, xp.zeros_like(places)), axis, xp.maximum)
    return xp.asarray(values, copy=True) if x.shape[axis] < 2 else values, indices


def _chosen_rule(g: Any, indices: Any, shape: Any, dim: int) -> Any:
    grad = g[0] if isinstance(g, list) else g
    return scatter_back(grad, indices, shape, dim)


def _logcumsumexp(xp: Any, x: Any, dim: int) -> Any:
    axes = axes_of(dim, x.ndim)
    return scanned(xp, x, axes[0], functools.partial(log_of_sum, xp)) + 0 if axes else x + 0


def _logcumsumexp_rule(g: Any, x: Any, out: Any, dim: int) -> Any:
    if len(g.shape) == 0 or 0 in g.shape:
        return g
    # A running sum weighted by exp(out[i] - out[i + 1]), which is at most 1: nothing overflows.
    empty = out == -math.inf
    held = where(empty, 0.0, out)
    ratio = where(empty, 0.0, exp(shifted(out, dim, 1, -math.inf) - held))
    return where(empty, 0.0, exp(x - held)) * _reverse_scan(ratio, g, dim)


# -- PyTorch's forms --------------------------------------------------------------------------
Cummax = returned("cummax", "values", "indices")
Cummin = returned("cummin", "values", "indices")


@takes_out
def cumsum(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Running sum along ``dim`` (PyTorch: ``torch.cumsum``); integers sum to int64.

    >>> import anadrome as ad
    >>> ad.cumsum(ad.tensor([1, 2, 3]), 0)
    tensor([1, 3, 6])
    """
    return in_dtype(cumsum_op(in_dtype(input, dtype), dim=whole(dim)), dtype)


@takes_out
def cumprod(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Running product along ``dim`` (PyTorch: ``torch.cumprod``); integers multiply to int64."""
    return in_dtype(cumprod_op(in_dtype(input, dtype), dim=whole(dim)), dtype)


@takes_out
def cummax(input: Any, dim: int) -> Any:
    """Largest value so far along ``dim``, and its index (PyTorch: ``torch.cummax``).

    >>> import anadrome as ad
    >>> ad.cummax(ad.tensor([1, 3, 2]), 0).values
    tensor([1, 3, 3])
    """
    return Cummax(*cummax_op(input, dim=whole(dim)))


@takes_out
def cummin(input: Any, dim: int) -> Any:
    """Smallest value so far along ``dim``, and its index (PyTorch: ``torch.cummin``)."""
    return Cummin(*cummin_op(input, dim=whole(dim)))


@takes_out
def logcumsumexp(input: Any, dim: int) -> Any:
    """Logarithm of the running sum of exponentials (PyTorch: ``torch.logcumsumexp``)."""
    return logcumsumexp_op(input, dim=dim)


@takes_out
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """``n``-th difference of neighbours along ``dim`` (PyTorch: ``torch.diff``).

    ``prepend`` and ``append`` are joined to ``input`` before. Of booleans: where they differ.

    >>> import anadrome as ad
    >>> ad.diff(ad.tensor([1, 3, 2]))
    tensor([ 2, -1])
    """
    from .joining import cat

    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    n = whole(n, "n")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    axis = axis_of(dim, input.ndim)
    parts = [p for p in (prepend, input, append) if p is not None]
    for p in parts:
        if p.ndim != input.ndim:
            raise RuntimeError(
                "diff expects prepend or append to be the same dimension as input; got "
                f"{p.ndim} and {input.ndim}"
            )
    if n == 0:
        return input.clone()
    out = cat(parts, axis) if len(parts) > 1 else input
    before = (slice(None),) * axis
    for _ in range(min(n, out.shape[axis])):
        later, earlier = out[(*before, slice(1, None))], out[(*before, slice(None, -1))]
        out = later != earlier if out.dtype is bool_ else later - earlier
    return out


def _install() -> None:
    for function in (cumsum, cumprod, cummax, cummin, logcumsumexp, diff):
        setattr(Tensor, function.__name__, function)
    for function in (cumsum, cumprod):
        setattr(Tensor, function.__name__ + "_", inplace_composite(function))


_install()
