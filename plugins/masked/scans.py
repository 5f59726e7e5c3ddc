"""scans: masked functions that keep the shape (``torch.masked``).

Values that are left out take no part; what stands in their place in the result has no meaning.
"""

from __future__ import annotations

from typing import Any

import anadrome as ad
from anadrome import Tensor

from .reductions import filled, highest, lowest, norm


def cumsum(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """The sums up to each place along ``dim`` (``torch.masked.cumsum``).

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, 100.0, 2.0])
    >>> ad.masked.cumsum(x, 0, mask=x < 50)
    tensor([1., 1., 3.])
    """
    return ad.cumsum(filled("cumsum", input, mask, 0, dtype), dim, dtype=dtype)


def cumprod(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """The products up to each place along ``dim`` (``torch.masked.cumprod``)."""
    return ad.cumprod(filled("cumprod", input, mask, 1, dtype), dim, dtype=dtype)


def softmax(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """``exp(input)`` over its sum along ``dim``; 0 for what is left out (``torch.masked.softmax``).

    A row of which nothing is there is NaN.

    >>> import anadrome as ad
    >>> x = ad.tensor([1.0, 1.0, 5.0])
    >>> ad.masked.softmax(x, 0, mask=x < 2)
    tensor([0.5000, 0.5000, 0.0000])
    """
    return ad.softmax(filled("softmax", input, mask, lowest, dtype), dim)


def log_softmax(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """The logarithm of ``softmax``; -inf for what is left out (``torch.masked.log_softmax``)."""
    return ad.log_softmax(filled("log_softmax", input, mask, lowest, dtype), dim)


def softmin(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Tensor:
    """``softmax(-input)`` (``torch.masked.softmin``)."""
    return ad.softmax(-filled("softmin", input, mask, highest, dtype), dim)


def normalize(
    input: Any, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Any = None
) -> Tensor:
    """``input`` over its norm along ``dim``, or over ``eps`` (``torch.masked.normalize``)."""
    length = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return filled("normalize", input, mask, 0, dtype) / ad.clamp(length, min=eps)


def logaddexp(
    input: Any, other: Any, *, dtype: Any = None, input_mask: Any = None, other_mask: Any = None
) -> Tensor:
    """``log(exp(input) + exp(other))``, each where its mask is true
    (``torch.masked.logaddexp``)."""
    return ad.logaddexp(
        filled("logaddexp", input, input_mask, lowest, dtype),
        filled("logaddexp", other, other_mask, lowest, dtype),
    )
