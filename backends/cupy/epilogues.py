"""epilogues: a product and the bias that is added to it as one call of cuBLASLt.

By nvmath-python's bindings (`nvmath.bindings.cublasLt`), where it is installed. cuBLASLt counts by
columns: the memory of a matrix that lies in rows is that of its transpose in columns. So for
``out = a @ b`` it computes ``out.T = b.T @ a.T``, and the bias, one value a column of ``out``, is
one value a row there, as its epilogue BIAS wants it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import cupy
import ml_dtypes  # before nvmath, which would register bfloat16 otherwise
import numpy as np

from . import precision
from .libraries import Library, Plans

F32, F64 = np.dtype(np.float32), np.dtype(np.float64)
#: cudaDataType.
_TYPES = {F32: 0, F64: 1, np.dtype(np.float16): 2, np.dtype(ml_dtypes.bfloat16): 14}
#: Bytes; NVIDIA's advice for its larger GPUs.
WORKSPACE = 32 * 2**20
#: What all addresses must be multiples of, in bytes.
ALIGNED = 16


def _bindings() -> Any:
    from nvmath.bindings import cublas, cublasLt

    cublasLt.get_version()  # raises where the library itself is not there
    return cublasLt, cublas.ComputeType


LIBRARY = Library("nvmath-python", (1, 0), _bindings)
PLANS = Plans()
_mine = threading.local()


class _Plan(NamedTuple):
    """A product of matrices of one size and element type: descriptors and the chosen algorithm."""

    desc: int
    b: int
    a: int
    out: int
    found: Any
    one: Any
    zero: Any


def _handle(lt: Any, device: int) -> int:
    """cuBLASLt's handle, of this thread and device."""
    handles = _mine.__dict__.setdefault("handles", {})
    if device not in handles:
        handles[device] = lt.create()
    return int(handles[device])


def _set(setter: Callable[..., Any], what: int, attribute: Any, value: Any) -> None:
    """An attribute of a descriptor, from a NumPy scalar of its type."""
    held = np.array([value])
    setter(what, int(attribute), held.ctypes.data, held.nbytes)


def _made(lt: Any, compute: Any, handle: int, kind: Any, m: int, n: int, k: int, how: Any) -> _Plan:
    """The plan of ``(m, k) @ (k, n)``; ``how``: whether b lies in columns, and TF32."""
    by_columns, tf32 = how
    double = kind == F64
    names = "COMPUTE_64F" if double else "COMPUTE_32F_FAST_TF32" if tf32 else "COMPUTE_32F"
    scale = F64 if double else F32
    desc = lt.matmul_desc_create(int(compute[names]), _TYPES[scale])
    attribute = lt.MatmulDescAttribute
    set_desc = lt.matmul_desc_set_attribute
    _set(set_desc, desc, attribute.TRANSA, np.int32(by_columns))
    _set(set_desc, desc, attribute.TRANSB, np.int32(0))
    _set(set_desc, desc, attribute.EPILOGUE, np.uint32(lt.Epilogue.BIAS))
    number = _TYPES[kind]
    b = lt.matrix_layout_create(number, k, n, k) if by_columns else (
        lt.matrix_layout_create(number, n, k, n))  # fmt: skip
    a = lt.matrix_layout_create(number, k, m, k)
    out = lt.matrix_layout_create(number, n, m, n)
    preference = lt.matmul_preference_create()
    wanted = lt.MatmulPreferenceAttribute
    set_wanted = lt.matmul_preference_set_attribute
    _set(set_wanted, preference, wanted.MAX_WORKSPACE_BYTES, np.uint64(WORKSPACE))
    for letter in "ABCD":
        which = getattr(wanted, f"MIN_ALIGNMENT_{letter}_BYTES")
        _set(set_wanted, preference, which, np.uint32(ALIGNED))
    found, count = lt.MatmulHeuristicResult(1), np.zeros(1, np.int32)
    try:
        lt.matmul_algo_get_heuristic(
            handle, desc, b, a, out, out, preference, 1, found.ptr, count.ctypes.data
        )
    finally:
        lt.matmul_preference_destroy(preference)
    if not count[0] or found.state:
        raise RuntimeError(f"cuBLASLt has no algorithm for {kind} ({m}, {k}) @ ({k}, {n}) + bias")
    return _Plan(desc, b, a, out, found, np.ones(1, scale), np.zeros(1, scale))


def product_and_bias(a: Any, b: Any, bias: Any) -> Any:
    """``a @ b + bias`` for ``a`` (m, k), ``b`` (k, n) and ``bias`` (n,); None if it does not go."""
    opened = LIBRARY.opened()
    if opened is None:
        return None
    lt, compute = opened
    kind = a.dtype
    m, k = a.shape
    n = b.shape[-1]
    if kind not in _TYPES or b.dtype != kind or bias.dtype != kind:
        return None
    if b.shape != (k, n) or bias.shape != (n,) or not (m and n and k):
        return None
    a, bias = cupy.ascontiguousarray(a), cupy.ascontiguousarray(bias)
    by_columns = bool(b.flags.f_contiguous)
    if not by_columns:
        b = cupy.ascontiguousarray(b)
    out = cupy.empty((m, n), kind)
    if any(x.data.ptr % ALIGNED for x in (a, b, bias, out)):
        return None
    device = int(cupy.cuda.Device().id)
    handle = _handle(lt, device)
    how = by_columns, kind == F32 and precision.allowed()
    key = device, threading.get_ident(), kind, m, n, k, how
    plan = PLANS.plan(key, lambda: _made(lt, compute, handle, kind, m, n, k, how))
    if plan is None:
        return None
    _set(lt.matmul_desc_set_attribute, plan.desc, lt.MatmulDescAttribute.BIAS_POINTER,
         np.int64(bias.data.ptr))  # fmt: skip
    size = int(plan.found.workspace_size)
    workspace = cupy.empty(size, np.uint8) if size else None  # the stream's, until it is done
    lt.matmul(
        handle, plan.desc, plan.one.ctypes.data, b.data.ptr, plan.b, a.data.ptr, plan.a,
        plan.zero.ctypes.data, out.data.ptr, plan.out, out.data.ptr, plan.out, plan.found.ptr,
        0 if workspace is None else workspace.data.ptr, size, cupy.cuda.get_current_stream().ptr,
    )  # fmt: skip
    return out


def described() -> str:
    """For ``anadrome info``."""
    if LIBRARY.opened() is None:
        return f"a kernel behind the product ({LIBRARY.why})"
    return f"in the product, by cuBLASLt's epilogue{PLANS.told()}"
