"""making: a Tensor of random values to test with (PyTorch: ``torch.testing.make_tensor``)."""

from __future__ import annotations

import math
from typing import Any

from .. import creation, sampling
from ..ops.arithmetic import where
from ..tensor import Tensor

_LOWEST, _HIGHEST = -9, 9


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any = None,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Values drawn evenly from ``[low, high)`` (``torch.testing.make_tensor``).

    The defaults are -9 and 9 for floating-point and complex types, -9 and 10 for integers, 0 and
    10 for uint8, 0 and 2 for bool. ``noncontiguous``: every second element of a larger Tensor.
    ``exclude_zero``: 1 (or the smallest positive number of the type) in the place of 0. Raises
    ValueError for an empty range.

    >>> import anadrome as ad
    >>> x = ad.testing.make_tensor(2, 3, dtype=ad.float32, low=1, high=2)
    >>> bool((x >= 1).all() and (x < 2).all())
    True
    """
    size = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    low, high = _limits(dtype, low, high)
    wide = (*size[:-1], 2 * size[-1]) if noncontiguous and size else size
    if dtype.is_complex:
        real, imag = (_even(wide, low, high, device) for _ in range(2))
        out = (real + 1j * imag).to(dtype)
    elif dtype.is_floating_point:
        out = _even(wide, low, high, device).to(dtype)
    else:
        out = sampling.randint(math.ceil(low), math.ceil(high), wide, device=device).to(dtype)
    if noncontiguous and size:
        out = out[..., ::2]
    if exclude_zero:
        out = where(out == 0, creation.ones_like(out), out)
    return out.requires_grad_() if requires_grad else out


def _limits(dtype: Any, low: float | None, high: float | None) -> tuple[float, float]:
    if dtype.name == "bool":
        least, most = 0, 2
    elif dtype.name == "uint8":
        least, most = 0, 10
    else:
        least, most = _LOWEST, _HIGHEST + (not (dtype.is_floating_point or dtype.is_complex))
    low, high = least if low is None else low, most if high is None else high
    if any(math.isnan(v) for v in (low, high)):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low >= high:
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    return low, high


def _even(size: tuple[int, ...], low: float, high: float, device: Any) -> Tensor:
    from ..dtypes import float64

    return sampling.rand(size, dtype=float64, device=device) * (high - low) + low
