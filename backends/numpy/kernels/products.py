"""products: straight to BLAS, with the bias added where the product lies."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .common import BLAS, HALVES, declared, in_float32


def dot(a: Any, b: Any) -> Any:
    """The product of matrices and vectors; the array's method has half of np.matmul's overhead."""
    return _otherwise(dot, a, b) if a.dtype in _ODD else a.dot(b)


def matmul(a: Any, b: Any) -> Any:
    """Products of stacks of matrices."""
    return _otherwise(matmul, a, b) if a.dtype in _ODD else np.matmul(a, b)


_ODD = frozenset((*HALVES, np.dtype(bool)))


def _otherwise(function: Callable[..., Any], a: Any, b: Any) -> Any:
    if a.dtype in HALVES:
        return in_float32(function, a, b)
    return declared("mm")(a, b)  # which refuses booleans


def addmm(x: Any, a: Any, b: Any, *, beta: float = 1.0, alpha: float = 1.0) -> Any:
    """``beta * x + alpha * (a @ b)``."""
    if a.dtype not in BLAS:
        if a.dtype in HALVES:
            return in_float32(addmm, x, a, b, beta=beta, alpha=alpha)
        return declared("addmm")(x, a, b, beta=beta, alpha=alpha)
    out = a.dot(b)
    if alpha == 0:  # whatever the product holds
        out.fill(0)
    elif alpha != 1:
        out *= alpha
    if beta == 0:  # whatever x holds
        return out
    out += x if beta == 1 else x * beta
    return out


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """``x @ weight.T + bias`` for any number of leading dimensions."""
    if x.dtype not in BLAS or weight.ndim != 2 or not x.ndim:
        if x.dtype in HALVES:
            return in_float32(linear, x, weight, bias)
        return declared("linear")(x, weight, bias)
    if x.ndim <= 2:
        out = x.dot(weight.T)
    else:
        lead = x.shape[:-1]
        rows = x.reshape(math.prod(lead), x.shape[-1])
        out = rows.dot(weight.T).reshape(*lead, weight.shape[0])
    if bias is not None:
        out += bias
    return out


KERNELS: dict[str, Callable[..., Any]] = {
    "mm": dot,
    "mv": dot,
    "dot": dot,
    "bmm": matmul,
    "matmul": matmul,
    "addmm": addmm,
    "linear": linear,
}
