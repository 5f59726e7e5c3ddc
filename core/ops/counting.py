"""counting: how often numbers occur, and how many values lie in equal parts of a range."""

from __future__ import annotations

import math
from typing import Any

from ..backend import of_all_examples
from ..dtypes import float64, int64
from ..errors import DtypeError
from ..out import takes_out
from ..tensor import Tensor, wrap
from .arithmetic import where
from .reduce import whole as whole_number
from .scattering import scatter_into
from .shape import reshape


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
    numbers = wrap(of_all_examples(input._data))  # under vmap the results have one length
    if int(numbers.min().item()) < 0:
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    size = max(size, int(numbers.max().item()) + 1)
    if weights is None:
        added = input.new_ones(input.shape, dtype=int64)
    else:
        added = weights.detach()
        added = added if added.dtype.name == "float32" else added.to(float64)
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
    # In the element type and in this order, as PyTorch: rounding decides at the parts' borders.
    first, last = (x.new_full((), edge) for edge in (low, high))
    inside = (x >= first) & (x <= last)
    place = where(inside, (x - first) * bins / (last - first), 0.0).long().clamp(0, bins - 1)
    if not x.numel():
        return x.new_zeros((bins,))
    return scatter_into(inside.to(input.dtype), place, dim=0, shape=(bins,))


def _install() -> None:
    for function in (bincount, histc):
        setattr(Tensor, function.__name__, function)


_install()
