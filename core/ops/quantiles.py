"""quantiles: values by their rank: the middle one, and any other part of the way up."""

from __future__ import annotations

import math
from typing import Any

from ..composite import one
from ..dtypes import from_native
from ..errors import DtypeError, RangeError
from ..op import op
from ..out import takes_out
from ..placement import at
from ..returned import returned
from ..samples import Arr, Sample
from ..tensor import Tensor
from .arithmetic import lerp, where
from .extremes import picked_rule, shared_all_rule
from .reduce import axes_of, axis_of, sum
from .reduce import whole as whole_number
from .shape import reshape

_MEDIAN_SAMPLES = [
    Sample((Arr((4, 5), distinct=True),), kw)
    for kw in ({"dim": 0}, {"dim": -1, "keepdim": True}, {"dim": 1})
]

_UNORDERED = {c: f'"median_out" not implemented for {c} values' for c in ("bool", "complex")}

# fmt: off
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
        middle = xp.where(count > 0, n - count, xp.full_like(count, (n - 1) // 2))
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
@one()
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
@one()
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
        out = high if interpolation == "higher" else lerp(low, high, weight)
    out = reshape(out.transpose(0, 1), shape=(q.numel(), *kept))
    if not keepdim:
        whole = dim is None or not shape
        rest = () if whole else tuple(n for i, n in enumerate(kept) if i != axis)
        out = reshape(out, shape=(q.numel(), *rest))
    return out if q.ndim else out[0]


def _install() -> None:
    for function in (median, nanmedian, quantile, nanquantile):
        setattr(Tensor, function.__name__, function)


_install()
