"""triangular: systems with a triangular matrix, in steps of a few rows.

NumPy solves by elimination, which is the cube of the rows in work even where one triangle is empty,
and as many small calls as there are matrices. Here the blocks on the diagonal are inverted in one
call, and the rest is products.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .common import declared

#: Matrices smaller than this, and less work in all than this, are left to elimination.
_SMALL, _WORK = 16, 2**17


def solve_triangular(a: Any, b: Any, *, upper: bool, unitriangular: bool = False) -> Any:
    """The ``x`` of ``a @ x = b``; what lies on the other side of the diagonal is not looked at."""
    out = _by_blocks(a, b, upper, unitriangular) if _suits(a, b) else None
    if out is None:
        return declared("linalg_solve_triangular")(a, b, upper=upper, unitriangular=unitriangular)
    return out


def cholesky_solve(b: Any, lower: Any) -> Any:
    """The ``x`` of ``lower @ lower.mH @ x = b``."""
    half = _by_blocks(lower, b, False, False) if _suits(lower, b) else None
    out = None if half is None else _by_blocks(lower.conj().mT, half, True, False)
    return declared("cholesky_solve")(b, lower) if out is None else out


def _suits(a: Any, b: Any) -> bool:
    if a.dtype.char not in "fdFD" or a.dtype != b.dtype or min(a.ndim, b.ndim) < 2:
        return False
    n = a.shape[-1]
    return n == a.shape[-2] == b.shape[-2] and n > _SMALL and a.size * n >= _WORK and b.size > 0


def _by_blocks(a: Any, b: Any, upper: bool, unitriangular: bool) -> Any:
    """None where a pivot is zero or something is not finite: row by row that reaches less."""
    n = a.shape[-1]
    step = min(max(n // 32, 8), 32)
    with np.errstate(all="ignore"):
        inverses = _inverses(a, step, upper, unitriangular)
        if inverses is None:
            return None
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        out = np.empty((*batch, *b.shape[-2:]), b.dtype)
        starts = range(0, n, step)
        for start in reversed(starts) if upper else starts:
            rows = slice(start, min(start + step, n))
            known = slice(rows.stop, n) if upper else slice(0, start)
            rest = b[..., rows, :]
            if known.start < known.stop:
                rest = rest - np.matmul(a[..., rows, known], out[..., known, :])
            size = rows.stop - start
            inverse = inverses[..., start // step, :size, :size]
            out[..., rows, :] = np.matmul(inverse, rest)
    return out if np.isfinite(out).all() else None


def _inverses(a: Any, step: int, upper: bool, unitriangular: bool) -> Any:
    """Of the blocks on the diagonal, (..., n / step, step, step); the last may be partly empty."""
    n = a.shape[-1]
    count = math.ceil(n / step)
    blocks = np.zeros((*a.shape[:-2], count, step, step), a.dtype)
    for i in range(count):
        rows = slice(i * step, min((i + 1) * step, n))
        size = rows.stop - rows.start
        blocks[..., i, :size, :size] = a[..., rows, rows]
    line = np.arange(step)
    blocks[..., -1, line[size:], line[size:]] = 1
    if unitriangular:
        blocks[..., line, line] = 1
    # An upper triangle needs no elimination, and so no exchange of rows.
    blocks = np.triu(blocks if upper else blocks.mT)
    try:
        out = np.linalg.inv(blocks)
    except np.linalg.LinAlgError:
        return None
    return out if upper else out.mT


KERNELS: dict[str, Callable[..., Any]] = {
    "linalg_solve_triangular": solve_triangular,
    "cholesky_solve": cholesky_solve,
}
