"""products: BLAS's product of matrices, called from compiled code.

A recurrence is a product and a pass, hundreds of times over. Called from Python, each takes the
interpreter's lock, for which the threads that share the sequences would queue.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from .mathematics import inlined

#: CBLAS's words for: rows lie one after the other; as it is, not transposed.
_ROW_MAJOR, _AS_IT_IS = 101, 111


@intrinsic
def _sgemm(context: Any, blas: Any, m: Any, n: Any, k: Any, a: Any, b: Any, out: Any) -> Any:
    """``cblas_sgemm`` at an address, of arrays at addresses, with sizes of 64 bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        blas, m, n, k, *arrays = arguments
        word, size, number = ir.IntType(32), ir.IntType(64), ir.FloatType()
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(
            ir.VoidType(),
            [word] * 3 + [size] * 3 + [number, pointer, size, pointer, size, number, pointer, size],
        )
        a, b, out = (builder.inttoptr(array, pointer) for array in arrays)
        how = [word(_ROW_MAJOR), word(_AS_IT_IS), word(_AS_IT_IS)]
        given = [*how, m, n, k, number(1), a, k, b, n, number(0), out, n]
        builder.call(builder.inttoptr(blas, kind.as_pointer()), given)
        return context.get_dummy_value()

    return types.none(*[types.intp] * 7), generate


@inlined
def product(blas, a, b, out):
    """``out = a @ b``, all of them contiguous; ``blas``: the address of ``cblas_sgemm``."""
    m, k = a.shape
    _sgemm(blas, m, b.shape[1], k, a.ctypes.data, b.ctypes.data, out.ctypes.data)
