"""products: BLAS's product of matrices, called from compiled code.

Called from Python each takes the interpreter's lock, for which the threads that share the work
would queue. ``blas``: the address of ``cblas_sgemm``, whose sizes have 64 bits.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .mathematics import compiled, inlined
from .team import share

#: CBLAS's words for: rows lie one after the other; as it is, not transposed.
_ROW_MAJOR, AS_IT_IS = 101, 111
#: Rows or columns that a thread is given at least: as BLAS's innermost loops take them.
_GRAIN = 16


@intrinsic
def _sgemm(
    typing: Any, blas: Any, m: Any, n: Any, k: Any,
    a: Any, how_a: Any, step_a: Any, b: Any, how_b: Any, step_b: Any, out: Any, step: Any,
) -> Any:  # fmt: skip
    """``cblas_sgemm`` at an address, of arrays at addresses."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        blas, m, n, k, a, how_a, step_a, b, how_b, step_b, out, step = arguments
        word, size, number = ir.IntType(32), ir.IntType(64), ir.FloatType()
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(
            ir.VoidType(),
            [word] * 3 + [size] * 3 + [number, pointer, size, pointer, size, number, pointer, size],
        )
        a, b, out = (builder.inttoptr(array, pointer) for array in (a, b, out))
        how = [word(_ROW_MAJOR), *(builder.trunc(h, word) for h in (how_a, how_b))]
        given = [*how, m, n, k, number(1), a, step_a, b, step_b, number(0), out, step]
        builder.call(builder.inttoptr(blas, kind.as_pointer()), given)
        return context.get_dummy_value()

    return types.none(*[types.int64] * 12), generate


@inlined
def product(blas, a, b, out):
    """``out = a @ b``, all of them contiguous."""
    m, k = a.shape
    n = b.shape[1]
    _sgemm(blas, m, n, k, a.ctypes.data, AS_IT_IS, k, b.ctypes.data, AS_IT_IS, n,
           out.ctypes.data, n)  # fmt: skip


@inlined
def _next(how, step):
    """Bytes from one row of a matrix to the next."""
    return 4 * step if how == AS_IT_IS else 4


@inlined
def _along(how, step):
    """Bytes from one column to the next."""
    return 4 if how == AS_IT_IS else 4 * step


@compiled
def _rows(blas, m, n, k, a, how_a, step_a, b, how_b, step_b, out, first, last):
    first *= _GRAIN
    count = min(last * _GRAIN, m) - first
    a += first * _next(how_a, step_a)
    _sgemm(blas, count, n, k, a, how_a, step_a, b, how_b, step_b, out + 4 * n * first, n)


@compiled
def _columns(blas, m, n, k, a, how_a, step_a, b, how_b, step_b, out, first, last):
    first *= _GRAIN
    count = min(last * _GRAIN, n) - first
    b += first * _along(how_b, step_b)
    _sgemm(blas, m, count, k, a, how_a, step_a, b, how_b, step_b, out + 4 * first, n)


@compiled
def matrices(team, parts, blas, m, n, k, a, how_a, step_a, b, how_b, step_b, out):
    """A product, cut along the longer side of its result. ``how``: as it is or transposed;
    ``step``: elements from one row, or column, to the next."""
    given = (blas, m, n, k, a, how_a, step_a, b, how_b, step_b, out)
    if m >= n:
        share(team, _rows, given, (m + _GRAIN - 1) // _GRAIN, parts, 1)
    else:
        share(team, _columns, given, (n + _GRAIN - 1) // _GRAIN, parts, 1)


@compiled
def _biased_rows(result, bias, blas, m, n, k, a, how_a, step_a, b, how_b, step_b, out, first, last):
    _rows(blas, m, n, k, a, how_a, step_a, b, how_b, step_b, out, first, last)
    for i in range(first * _GRAIN, min(last * _GRAIN, m)):
        for j in range(n):
            result[i, j] += bias[j]


@compiled
def _biased_columns(
    result, bias, blas, m, n, k, a, how_a, step_a, b, how_b, step_b, out, first, last
):
    _columns(blas, m, n, k, a, how_a, step_a, b, how_b, step_b, out, first, last)
    for i in range(m):
        for j in range(first * _GRAIN, min(last * _GRAIN, n)):
            result[i, j] += bias[j]


@compiled
def biased(team, parts, blas, result, bias, m, n, k, a, how_a, step_a, b, how_b, step_b, out):
    """The same, and ``bias`` is added to each row. ``result``: what lies at ``out``."""
    given = (result, bias, blas, m, n, k, a, how_a, step_a, b, how_b, step_b, out)
    if m >= n:
        share(team, _biased_rows, given, (m + _GRAIN - 1) // _GRAIN, parts, 1)
    else:
        share(team, _biased_columns, given, (n + _GRAIN - 1) // _GRAIN, parts, 1)


@compiled
def _some(blas, inner, a1, a2, b1, b2, o1, o2, m, n, k, a, how_a, step_a, b, how_b, step_b, out,
          first, last):  # fmt: skip
    for i in range(first, last):
        o, p = i // inner, i % inner
        _sgemm(blas, m, n, k, a + o * a1 + p * a2, how_a, step_a, b + o * b1 + p * b2, how_b,
               step_b, out + o * o1 + p * o2, n)  # fmt: skip


@compiled
def stacks(team, parts, blas, count, inner, a1, a2, b1, b2, o1, o2,
           m, n, k, a, how_a, step_a, b, how_b, step_b, out):  # fmt: skip
    """As many products, ``inner`` of them side by side; ``a1``, ``a2``: bytes from one of a stack's
    matrices to the next, in its two dimensions."""
    given = (blas, inner, a1, a2, b1, b2, o1, o2, m, n, k, a, how_a, step_a, b, how_b, step_b, out)
    share(team, _some, given, count, parts, 2)
