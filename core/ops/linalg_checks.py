"""linalg_checks: what a matrix must be, and which one of a batch is to blame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backend import by_type
from ..dtypes import bfloat16, float16, float32
from ..errors import LinAlgError
from ..tensor import Tensor


def floating(name: str, *tensors: Tensor, half: bool = False) -> None:
    """Raise unless all are of one floating or complex type that factorisations exist for.

    ``half``: half precision too.
    """
    for x in tensors:
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}(): expected a Tensor, not {type(x).__name__}")
        if x.dtype.category < float32.category:
            raise RuntimeError(
                f"{name}: Expected a floating point or complex tensor as input. Got "
                f"{x.dtype.name}; write e.g. `x.float()`"
            )
        if x.dtype in (float16, bfloat16) and not half:
            raise RuntimeError(
                f"{name}: Low precision dtypes not supported. Got {x.dtype.name}; "
                "write e.g. `x.float()`"
            )
    if any(x.dtype is not tensors[0].dtype for x in tensors):
        kinds = " and ".join(x.dtype.name for x in tensors)
        raise RuntimeError(f"{name}: Expected all inputs to have the same dtype, but got {kinds}")


def matrices(name: str, *tensors: Tensor, label: str = "A", half: bool = False) -> None:
    """Raise unless all have at least two dimensions, and a type as in ``floating``."""
    floating(name, *tensors, half=half)
    for x in tensors:
        if x.ndim < 2:
            raise RuntimeError(
                f"{name}: The input tensor {label} must have at least 2 dimensions, "
                f"not the shape {tuple(x.shape)}"
            )


def square(name: str, x: Tensor, label: str = "A", half: bool = False) -> None:
    """Raise unless ``x`` is a square matrix, or a batch of them."""
    matrices(name, x, label=label, half=half)
    m, n = x._data.shape[-2:]
    if m != n:
        raise RuntimeError(
            f"{name}: {label} must be batches of square matrices, but they are {m} by {n} matrices"
        )


def attempted(
    function: Callable[..., Any], x: Any, *rest: Any, name: str, blame: Any, text: str, **kw: Any
) -> Any:
    """``function(x, *rest)``; where the library gives up, the error says in which matrix.

    ``blame(matrix)``: the number of the row (from 1) at which a host matrix fails, 0 if it does
    not. ``text``: the error, with ``{row}`` for that number.
    """
    try:
        return function(x, *rest, **kw)
    except Exception as error:
        if type(error).__name__ != "LinAlgError":
            raise
    failed = [(i, row) for i, row in enumerate(blamed(x, blame)) if row]
    i, row = failed[0] if failed else (0, x.shape[-1])
    place = f"(Batch element {i}): " if x.ndim > 2 else ""
    raise LinAlgError(f"{name}: {place}{text.format(row=row)}")


def is_finite(xp: Any, x: Any) -> bool:
    """Whether no value is infinite or NaN: of such, LAPACK may never come back."""
    return not by_type[x.__class__].holds_values or bool(xp.all(xp.isfinite(x)))


def converged(function: Any, xp: Any, x: Any, name: str, **keywords: Any) -> Any:
    """The library's iteration, with PyTorch's error where there is nothing to converge to."""
    try:
        if is_finite(xp, x):
            return function(x, **keywords)
    except Exception as error:
        if type(error).__name__ != "LinAlgError":
            raise
    raise LinAlgError(
        f"{name}: The algorithm failed to converge because the input matrix contained non-finite "
        "values."
    )


def blamed(x: Any, blame: Any) -> list[int]:
    """``blame`` of each matrix of a batch, on the host."""
    host = by_type[x.__class__].to_host(x)
    return [blame(m) for m in host.reshape(-1, *host.shape[-2:])] if host.size else []


def zero_pivot(matrix: Any) -> int:
    """The row at which elimination with pivoting finds nothing but zeros; 0 if it does not."""
    a = matrix.copy()
    for k in range(a.shape[0]):
        p = k + int(abs(a[k:, k]).argmax())
        if a[p, k] == 0:
            return k + 1
        a[[k, p]] = a[[p, k]]
        a[k + 1 :] -= a[k + 1 :, k : k + 1] / a[k, k] * a[k]
    return 0


def indefinite_minor(matrix: Any) -> int:
    """The order of the first leading minor that is not positive; 0 if there is none."""
    a = matrix.copy()
    for k in range(a.shape[0]):
        if not a[k, k].real > 0:
            return k + 1
        column = a[k + 1 :, k]
        a[k + 1 :, k + 1 :] -= column[:, None] * column.conj()[None, :] / a[k, k].real
    return 0
