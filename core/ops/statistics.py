"""statistics: the spread of values, variance and standard deviation."""

from __future__ import annotations

import math
from typing import Any

from ..dtypes import float32, from_native
from ..making import number
from ..op import op
from ..out import takes_out
from ..samples import each
from ..sites import warn
from ..tensor import Tensor
from .arithmetic import where
from .reduce import _mean, _sum, as_dim, count_of, mean, spread

_DIMS: Any = ({}, {"dim": 0}, {"dim": -1, "keepdim": True}, {"dim": (0, 1)})

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
    if not n:
        return total * math.nan
    return total / left if left > 0 else total * math.inf


def _squared(xp: Any, z: Any) -> Any:
    return xp.real(z) * xp.real(z) + xp.imag(z) * xp.imag(z)


def _var_rule(g: Any, x: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    left = count_of(x.shape, dim) - correction
    centred = x - mean(x, dim=dim, keepdim=True)
    g = spread(g, x.shape, dim, keepdim)
    if left > 0:
        return g * (2.0 / left) * centred
    return g * where(centred == 0.0, centred * math.nan, centred * 0.0 + math.inf)


# -- PyTorch's forms --------------------------------------------------------------------------
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


def _install() -> None:
    for function in (var, std):
        setattr(Tensor, function.__name__, function)


_install()
