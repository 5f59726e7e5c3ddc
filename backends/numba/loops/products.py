"""products: BLAS's product of matrices, called from compiled code.

Called from Python each takes the interpreter's lock, for which the threads that share the work
would queue. ``blas``: the address of ``cblas_sgemm``, whose sizes have 64 bits; ``cores``: that of
the number in how many threads it may cut a product, or 0.

Between two products the cache holds matrices, not Python's objects: there a line of Python costs
ten times as much as in a loop. So how the matrices lie is looked at here.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .atomics import exchange_int
from .mathematics import compiled, compiled_for, inlined
from .team import share

#: CBLAS's words for: rows lie one after the other; as it is; transposed.
_ROW_MAJOR, AS_IT_IS, _TRANSPOSED = 101, 111, 112
#: Rows or columns that a thread is given at least: as BLAS's innermost loops take them.
_GRAIN = 16
#: An address, or a number.
_WORD = types.int64
#: What is only read: of any layout.
_BIAS, _MATRIX, _STACK = (types.Array(types.float32, n, "A", readonly=True) for n in (1, 2, 4))
_RESULT, _RESULTS = (types.Array(types.float32, n, "C") for n in (2, 4))


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
def alone(cores):
    """From here on BLAS does not cut products itself; how many threads it had."""
    return exchange_int(cores, 1) if cores else 1


@inlined
def together(cores, before):
    """From here on it does so again, if it did. (Where it did not, somebody else is at it.)"""
    if before > 1:
        exchange_int(cores, before)


@inlined
def product(blas, a, b, out):
    """``out = a @ b``, all of them contiguous."""
    m, k = a.shape
    n = b.shape[1]
    _sgemm(blas, m, n, k, a.ctypes.data, AS_IT_IS, k, b.ctypes.data, AS_IT_IS, n,
           out.ctypes.data, n)  # fmt: skip


@inlined
def _laid(x):
    """How a matrix lies: CBLAS's word, and elements from one row (or column) to the next; 0 if BLAS
    cannot take it."""
    rows, columns = x.shape[-2:]
    down, along = x.strides[-2:]
    if along == 4 and down >= 4 * columns and down % 4 == 0:
        return AS_IT_IS, down // 4
    if down == 4 and along >= 4 * rows and along % 4 == 0:
        return _TRANSPOSED, along // 4
    return 0, 0


@inlined
def _next(how, step):
    """Bytes from one row of a matrix to the next."""
    return 4 * step if how == AS_IT_IS else 4


@inlined
def _along(how, step):
    """Bytes from one column to the next."""
    return 4 if how == AS_IT_IS else 4 * step


@compiled
def _rows(result, bias, blas, m, n, k, a, how_a, step_a, b, how_b, step_b, out, first, last):
    first, last = first * _GRAIN, min(last * _GRAIN, m)
    a += first * _next(how_a, step_a)
    _sgemm(blas, last - first, n, k, a, how_a, step_a, b, how_b, step_b, out + 4 * n * first, n)
    if len(bias):
        for i in range(first, last):
            for j in range(n):
                result[i, j] += bias[j]


@compiled
def _columns(result, bias, blas, m, n, k, a, how_a, step_a, b, how_b, step_b, out, first, last):
    first, last = first * _GRAIN, min(last * _GRAIN, n)
    b += first * _along(how_b, step_b)
    _sgemm(blas, m, last - first, k, a, how_a, step_a, b, how_b, step_b, out + 4 * first, n)
    if len(bias):
        for i in range(m):
            for j in range(first, last):
                result[i, j] += bias[j]


@compiled_for(_WORD, _WORD, _WORD, _WORD, _MATRIX, _MATRIX, _BIAS, _RESULT)
def matrices(team, parts, blas, cores, a, b, bias, out):
    """``out = a @ b``, cut along the longer side of the result, with ``bias`` added to each row if
    it is not empty; whether BLAS can take them."""
    (how_a, step_a), (how_b, step_b) = _laid(a), _laid(b)
    if not how_a or not how_b:
        return False
    (m, k), n = a.shape, b.shape[1]
    given = (out, bias, blas, m, n, k, a.ctypes.data, how_a, step_a, b.ctypes.data, how_b, step_b,
             out.ctypes.data)  # fmt: skip
    before = alone(cores)
    if m >= n:
        share(team, _rows, given, (m + _GRAIN - 1) // _GRAIN, parts, 1)
    else:
        share(team, _columns, given, (n + _GRAIN - 1) // _GRAIN, parts, 1)
    together(cores, before)
    return True


@compiled
def _some(blas, inner, a1, a2, b1, b2, o1, o2, m, n, k, a, how_a, step_a, b, how_b, step_b, out,
          first, last):  # fmt: skip
    for i in range(first, last):
        o, p = i // inner, i % inner
        _sgemm(blas, m, n, k, a + o * a1 + p * a2, how_a, step_a, b + o * b1 + p * b2, how_b,
               step_b, out + o * o1 + p * o2, n)  # fmt: skip


@compiled_for(_WORD, _WORD, _WORD, _WORD, _STACK, _STACK, _RESULTS)
def stacks(team, parts, blas, cores, a, b, out):
    """The same of stacks of matrices, in two dimensions, without a bias."""
    (how_a, step_a), (how_b, step_b) = _laid(a), _laid(b)
    if not how_a or not how_b:
        return False
    outer, inner, m, k = a.shape
    n = b.shape[3]
    (a1, a2), (b1, b2), (o1, o2) = a.strides[:2], b.strides[:2], out.strides[:2]
    given = (blas, inner, a1, a2, b1, b2, o1, o2, m, n, k, a.ctypes.data, how_a, step_a,
             b.ctypes.data, how_b, step_b, out.ctypes.data)  # fmt: skip
    before = alone(cores)
    share(team, _some, given, outer * inner, parts, 2)
    together(cores, before)
    return True
