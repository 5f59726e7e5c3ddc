"""direct: ops for which CuPy has a function, or that are a product by cuBLAS and little else."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cupy
import ml_dtypes
import numpy as np

from anadrome.align import NUMBERS

from . import epilogues

_FUNCTIONS = {
    "abs": "absolute", "neg": "negative", "exp": "exp", "expm1": "expm1", "log": "log",
    "log1p": "log1p", "log2": "log2", "log10": "log10", "sqrt": "sqrt", "square": "square",
    "sin": "sin", "cos": "cos", "tan": "tan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal",
    # cuBLAS accumulates half precision in float32.
    "mm": "matmul", "bmm": "matmul", "matmul": "matmul", "mv": "matmul", "dot": "matmul",
}  # fmt: skip

_OF_TWO = {
    "add": "add", "sub": "subtract", "mul": "multiply", "div": "true_divide",
    "maximum": "maximum", "minimum": "minimum",
}  # fmt: skip
_HALVES = (np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16))


def _beside_numbers(function: Any) -> Callable[..., Any]:
    """A function of two, which on half precision beside a number computes in float32, as PyTorch
    does, and rounds once; by itself a library rounds the number, or returns float32."""

    def kernel(a: Any, b: Any) -> Any:
        if b.__class__ in NUMBERS:
            if a.dtype in _HALVES:
                return function(a.astype(np.float32), b).astype(a.dtype)
        elif a.__class__ in NUMBERS and b.dtype in _HALVES:
            return function(a, b.astype(np.float32)).astype(b.dtype)
        return function(a, b)

    return kernel


def addmm(x: Any, a: Any, b: Any, *, beta: float = 1.0, alpha: float = 1.0) -> Any:
    """``beta * x + alpha * (a @ b)``, with the bias added where the product lies."""
    if alpha == beta == 1 and x.ndim == 1:
        done = epilogues.product_and_bias(a, b, x)
        if done is not None:
            return done
    out = cupy.matmul(a, b)
    if alpha == 0:  # whatever the product holds
        out.fill(0)
    elif alpha != 1:
        out *= alpha
    if beta != 0:  # else whatever x holds
        out += x if beta == 1 else x * beta
    return out


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """``x @ weight.T + bias``: one product of all rows, and the bias added where it lies."""
    rows = x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])
    out = None if bias is None else epilogues.product_and_bias(rows, weight.T, bias)
    if out is None:
        out = cupy.matmul(rows, weight.T)
        if bias is not None:
            out += bias
    return out if x.ndim == 2 else out.reshape(*x.shape[:-1], weight.shape[0])


KERNELS: dict[str, Callable[..., Any]] = {
    **{name: getattr(cupy, function) for name, function in _FUNCTIONS.items()},
    **{name: _beside_numbers(getattr(cupy, function)) for name, function in _OF_TWO.items()},
    "addmm": addmm,
    "linear": linear,
}
#: Those that may write into their first operand, for in-place forms without a graph.
OUT_KERNELS: dict[str, Callable[..., Any]] = {
    name: getattr(cupy, {**_FUNCTIONS, **_OF_TWO}[name])
    for name in ("add", "sub", "mul", "div", "neg", "exp", "sqrt")
}
