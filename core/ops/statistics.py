"""statistics: spread, middle and counts of values."""

from __future__ import annotations

import math
from typing import Any

from ..dtypes import float32, float64, from_native, int64
from ..errors import DtypeError, RangeError
from ..making import number
from ..op import op
from ..out import takes_out
from ..placement import at
from ..returned import returned
from ..samples import Arr, Sample, each
from ..sites import warn
from ..tensor import Tensor
from .arithmetic import where
from .extremes import picked_rule, shared_all_rule
from .reduce import _mean, _sum, as_dim, axes_of, axis_of, count_of, mean, spread, sum
from .reduce import whole as whole_number
from .shape import reshape

_DIMS: Any = ({}, {"dim": 0}, {"dim": -1, "keepdim": True}, {"dim": (0, 1)})
_MEDIAN_SAMPLES = [
    Sample((Arr((4, 5), distinct=True),), kw)
    for kw in ({"dim": 0}, {"dim": -1, "keepdim": True}, {"dim": 1})
]

_UNORDERED = {c: f'"median_out" not implemented for {c} values' for c in ("bool", "complex")}

# fmt: off
var_op = op("var", lambda xp, x, *, dim=None, correction=1, keepdim=False:
                _var(xp, x, dim, correction, keepdim),
            x=lambda g, x, dim, correction, keepdim: _var_rule(g, x, dim, correction, keepdim),
            method=False, holomorphic=False, samples=each("3,4", *_DIMS, {"correction": 0}))
std_op = op("std", lambda xp, x, *, dim=None, correction=1, keepdim=False:
                xp.sqrt(_var(xp, x, dim, correction, keepdim)),
            x=lambda g, x, out, dim, correction, keepdim: _var_rule(
                where(out == 0.0, 0.0, g / where(out == 0.0, 1.0, out * 2.0)),
                x, dim, correction, keepdim),
            method=False, holomorphic=False, samples=each("3,4", *_DIMS, {"correction": 0}))
#: The lower of two middle values; NaN if there is one.
median_all = op("median", lambda xp, x: _median_all(xp, x, False),
                x=lambda g, x, out: shared_all_rule(g, x, out), method=False,
                refuses=("bool", "complex"),
                samples=[Sample((Arr((4, 5), distinct=True),), {})])
nanmedian_all = op("nanmedian", lambda xp, x: _median_all(xp, x, True),
                   x=lambda g, x, out: shared_all_rule(g, x, out), method=False,
                   refuses=("bool", "complex"),
                   samples=[Sample((Arr((4, 5), distinct=True),), {})])
median_dim = op("median_dim", lambda xp, x, *, dim, keepdim=False:
                    _median_dim(xp, x, dim, keepdim, False),
                x=lambda g, indices, x_shape, dim, keepdim:
                    picked_rule(g, indices, x_shape, dim, keepdim),
                outputs=("values", "indices"), differentiable=1, method=False,
                node="MedianBackward1", refuses=_UNORDERED, samples=_MEDIAN_SAMPLES)
nanmedian_dim = op("nanmedian_dim", lambda xp, x, *, dim, keepdim=False:
                       _median_dim(xp, x, dim, keepdim, True),
                   x=lambda g, indices, x_shape, dim, keepdim:
                       picked_rule(g, indices, x_shape, dim, keepdim),
                   outputs=("values", "indices"), differentiable=1, method=False,
                   node="NanmedianBackward1", refuses=_UNORDERED, samples=_MEDIAN_SAMPLES)
# fmt: on


def _var(xp: Any, x: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    kind = from_native[x.dtype]
    if kind.category < float32.category:
        raise TypeError(
            "std and var only support floating point and complex dtypes; write e.g. "
            "`x.float().var()`"
        )
    n = count_of(x.shape, dim)
    centred = x - _mean(xp, x, dim, True)
    squares = _squared(xp, centred) if kind.is_complex else centred * centred
    left = n - correction
    total = _sum(xp, squares, dim, keepdim)
    return total / left if left > 0 else total * math.inf


def _squared(xp: Any, z: Any) -> Any:
    return xp.real(z) * xp.real(z) + xp.imag(z) * xp.imag(z)


def _var_rule(g: Any, x: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    left = count_of(x.shape, dim) - correction
    centred = x - mean(x, dim=dim, keepdim=True)
    g = spread(g, x.shape, dim, keepdim)
    if left > 0:
        return g * centred * (2.0 / left)
    return g * where(centred == 0.0, centred * math.nan, centred * 0.0 + math.inf)


def _ranked(xp: Any, x: Any, axis: int, skip_nan: bool) -> tuple[Any, Any]:
    """The middle value along an axis (kept) and its index; NaN counts as largest, or not at all."""
    n = x.shape[axis]
    order = xp.argsort(x, axis=axis, stable=True)
    nan = x != x
    count = xp.sum(xp.astype(nan, xp.int64), axis=axis, keepdims=True)
    if skip_nan:
        middle = (n - 1 - count) // 2
        middle = xp.where(middle < 0, xp.zeros_like(middle), middle)
    else:
        middle = xp.where(count > 0, xp.full_like(count, n - 1), xp.full_like(count, (n - 1) // 2))
        middle = xp.where(count > 0, n - count, middle)
    indices = xp.take_along_axis(order, middle, axis=axis)
    return xp.take_along_axis(x, indices, axis=axis), indices


def _median_all(xp: Any, x: Any, skip_nan: bool) -> Any:
    if 0 in x.shape:
        if not from_native[x.dtype].is_floating_point:
            raise ValueError("the median of no integers is none; there is no NaN among them")
        return xp.sum(x) + xp.asarray(math.nan, dtype=x.dtype)
    values, _ = _ranked(xp, xp.reshape(x, (-1,)), 0, skip_nan)
    return xp.reshape(values, ())


def _median_dim(xp: Any, x: Any, dim: int, keepdim: bool, skip_nan: bool) -> Any:
    axes = axes_of(dim, x.ndim)
    if not axes:
        return xp.asarray(x, copy=True), xp.zeros((), dtype=xp.int64)
    if x.shape[axes[0]] == 0:
        raise IndexError(f"median(): Expected reduction dim {axes[0]} to have non-zero size.")
    values, indices = _ranked(xp, x, axes[0], skip_nan)
    if keepdim:
        return values, indices
    return xp.squeeze(values, axis=axes[0]), xp.squeeze(indices, axis=axes[0])


# -- PyTorch's forms --------------------------------------------------------------------------
Median = returned("median", "values", "indices")
Nanmedian = returned("nanmedian", "values", "indices")


def _correction(dim: Any, unbiased: Any, correction: Any) -> tuple[Any, float]:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if unbiased is not None:
        if correction is not None:
            raise TypeError("std() and var() take unbiased or correction, not both")
        return as_dim(dim), int(unbiased)
    return as_dim(dim), 1 if correction is None else number(correction, "correction")


def _told(name: str, x: Any, out: Any, correction: float) -> Any:
    """``out``, and PyTorch's warning where no value is left to estimate it from."""
    if (x.numel() // out.numel() if out.numel() else 0) <= correction:
        warn(
            f"{name}(): degrees of freedom is <= 0. Correction should be strictly less than the "
            "reduction factor (input numel divided by output numel)."
        )
    return out


@takes_out
def var(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> Any:  # fmt: skip
    """Variance (PyTorch: ``torch.var``); ``correction=0`` for the biased one.

    >>> import anadrome as ad
    >>> ad.var(ad.tensor([1.0, 3.0]), correction=0)
    tensor(1.)
    """
    dim, correction = _correction(dim, unbiased, correction)
    out = var_op(input, dim=dim, correction=correction, keepdim=keepdim)
    return _told("var", input, out, correction)


@takes_out
def std(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> Any:  # fmt: skip
    """Standard deviation (PyTorch: ``torch.std``)."""
    dim, correction = _correction(dim, unbiased, correction)
    out = std_op(input, dim=dim, correction=correction, keepdim=keepdim)
    return _told("std", input, out, correction)


@takes_out
def var_mean(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> tuple[Any, Any]:  # fmt: skip
    """Variance and mean (PyTorch: ``torch.var_mean``)."""
    dim, correction = _correction(dim, unbiased, correction)
    spread_out = var_op(input, dim=dim, correction=correction, keepdim=keepdim)
    _told("var_mean", input, spread_out, correction)
    return spread_out, mean(input, dim=dim, keepdim=keepdim)


@takes_out
def std_mean(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> tuple[Any, Any]:  # fmt: skip
    """Standard deviation and mean (PyTorch: ``torch.std_mean``)."""
    dim, correction = _correction(dim, unbiased, correction)
    spread_out = std_op(input, dim=dim, correction=correction, keepdim=keepdim)
    _told("std_mean", input, spread_out, correction)
    return spread_out, mean(input, dim=dim, keepdim=keepdim)


@takes_out
def median(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """Middle value, the lower of two; ``(values, indices)`` along a dimension (``torch.median``).

    NaN if there is one.

    >>> import anadrome as ad
    >>> ad.median(ad.tensor([4.0, 1.0, 3.0, 2.0]))
    tensor(2.)
    """
    if dim is None:
        if keepdim:
            raise TypeError("median() takes keepdim together with a dim")
        return median_all(input)
    return Median(*median_dim(input, dim=whole_number(dim), keepdim=keepdim))


@takes_out
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """``median`` of the values that are not NaN (PyTorch: ``torch.nanmedian``)."""
    if dim is None:
        if keepdim:
            raise TypeError("nanmedian() takes keepdim together with a dim")
        return nanmedian_all(input)
    return Nanmedian(*nanmedian_dim(input, dim=whole_number(dim), keepdim=keepdim))


_BETWEEN = ("linear", "lower", "higher", "midpoint", "nearest")


@takes_out
def quantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Any:  # fmt: skip
    """The value below which a part ``q`` of the values lies (PyTorch: ``torch.quantile``).

    ``q``: a number, or a Tensor of them that becomes the first dimension of the result.
    ``interpolation`` between two values: linear, lower, higher, midpoint or nearest.

    >>> import anadrome as ad
    >>> ad.quantile(ad.tensor([0.0, 1.0, 2.0]), 0.25)
    tensor(0.5000)
    """
    return _quantile("quantile", input, q, dim, keepdim, interpolation, False)


@takes_out
def nanquantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Any:  # fmt: skip
    """``quantile`` of the values that are not NaN (PyTorch: ``torch.nanquantile``)."""
    return _quantile("nanquantile", input, q, dim, keepdim, interpolation, True)


def _quantile(
    name: str, x: Any, q: Any, dim: Any, keepdim: bool, interpolation: str, skip_nan: bool
) -> Any:
    from ..creation import tensor
    from .placing import gather
    from .shape import movedim
    from .sorting import sort

    if x.numel() == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if x.dtype.name not in ("float32", "float64"):
        raise DtypeError(f"{name}() input tensor must be either float or double dtype")
    if interpolation not in _BETWEEN:
        raise RuntimeError(
            f"{name}() interpolation must be one of {', '.join(_BETWEEN)}, but got {interpolation}"
        )
    if not isinstance(q, Tensor):
        given = tensor(q, dtype=x.dtype, device="cpu")
        if not bool((given >= 0).all() & (given <= 1).all()):
            raise RangeError(f"{name}() q must be in the range [0, 1] but got {given.tolist()}")
        q = given.to(x.device)
    else:
        data = q._data
        with at(data):
            q._backend.require(
                (data >= 0) & (data <= 1),
                lambda: RangeError(f"{name}() q values must be in the range [0, 1]"),
            )
    if q.ndim > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if q.dtype is not x.dtype:
        raise DtypeError(f"{name}() q tensor must be same dtype as the input tensor")
    shape = tuple(x.shape)
    if dim is None:
        axis, kept = 0, (1,) * len(shape)
        rows = reshape(x, shape=(1, -1))
    else:
        axis = axis_of(dim, x.ndim or 1)
        kept = tuple(1 if i == axis else n for i, n in enumerate(shape))
        moved = movedim(x, axis, -1) if x.ndim else x
        rows = reshape(moved, shape=(-1, shape[axis] if shape else 1))
    ordered = sort(rows, -1)[0]
    last = rows.shape[-1] - 1
    if skip_nan:
        count = sum(rows == rows, dim=-1, keepdim=True).to(x.dtype)
        ranks = reshape(q, shape=(1, -1)) * where(count > 1.0, count - 1.0, 0.0)
    else:
        ranks = reshape(q, shape=(1, -1)) * last
        missing = (rows != rows).any(dim=-1, keepdim=True)
        ranks = where(missing, float(last), ranks)
    ranks = ranks.expand(rows.shape[0], q.numel())
    below = ranks.detach().floor()
    if interpolation == "lower":
        out = gather(ordered, -1, below.long())
    elif interpolation == "nearest":
        out = gather(ordered, -1, ranks.detach().round().long())
    else:
        above = ranks.detach().ceil()
        low, high = gather(ordered, -1, below.long()), gather(ordered, -1, above.long())
        weight = 0.5 if interpolation == "midpoint" else ranks - below
        weight = 1.0 if interpolation == "higher" else weight
        out = high if interpolation == "higher" else low + weight * (high - low)
    out = reshape(out.transpose(0, 1), shape=(q.numel(), *kept))
    if not keepdim:
        whole = dim is None or not shape
        rest = () if whole else tuple(n for i, n in enumerate(kept) if i != axis)
        out = reshape(out, shape=(q.numel(), *rest))
    return out if q.ndim else out[0]


@takes_out
def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each number occurs, or the sum of its weights (PyTorch: ``torch.bincount``).

    >>> import anadrome as ad
    >>> ad.bincount(ad.tensor([0, 2, 2]))
    tensor([1, 0, 2])
    """
    if input.ndim != 1 or input.dtype.category != 1:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if (size := whole_number(minlength, "minlength")) < 0:
        raise RuntimeError("minlength should be >= 0")
    if weights is not None and tuple(weights.shape) != tuple(input.shape):
        raise RuntimeError("weights should be 1-d and have the same length as input")
    if not input.numel():
        return input.new_zeros((size,), dtype=int64)  # whatever the weights, as in PyTorch
    if int(input.min().item()) < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    size = max(size, int(input.max().item()) + 1)
    if weights is None:
        added = input.new_ones(input.shape, dtype=int64)
    else:
        added = weights.detach()
        added = added if added.dtype.name == "float32" else added.to(float64)
    from .scattering import scatter_into

    return scatter_into(added, input.long(), dim=0, shape=(size,))


@takes_out
def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """How many values fall in each of ``bins`` equal parts of [min, max] (``torch.histc``).

    Values outside count nowhere. With ``min == max`` the range is that of the values.
    """
    if bins <= 0:
        raise RuntimeError(f"bins must be > 0, but got {bins}")
    if not input.dtype.is_floating_point:
        raise DtypeError(f"histc(): not implemented for {input.dtype.name}; use `x.float()`")
    x = reshape(input.detach(), shape=(-1,))
    low, high = float(min), float(max)
    if low == high and x.numel() and x._backend.holds_values:
        low, high = float(x.min().item()), float(x.max().item())
    if low == high:
        low, high = low - 1, high + 1
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError("max must be larger than min")
    inside = (x >= low) & (x <= high)
    place = where(inside, (x - low) / (high - low) * bins, 0.0).long().clamp(0, bins - 1)
    from .scattering import scatter_into

    if not x.numel():
        return x.new_zeros((bins,))
    return scatter_into(inside.to(input.dtype), place, dim=0, shape=(bins,))


def _install() -> None:
    for function in (
        var, std, median, nanmedian, quantile, nanquantile, bincount, histc,
    ):  # fmt: skip
        setattr(Tensor, function.__name__, function)


_install()
