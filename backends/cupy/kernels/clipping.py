"""clipping: the norm of all gradients, and what makes them smaller, in one launch each.

Nothing is read back: where the norm is small enough, the threads see it and write nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cupy
import numpy as np

from .common import NAMES, Maker
from .many import THREADS, Walk, column, count_of, in_one_order, launch, types

_SQUARE = "W value = (W)g[i]; sum += value * value;"
_PART = f"""
  __shared__ W parts[{THREADS}];
  parts[threadIdx.x] = sum;
  for (int half = {THREADS // 2}; half > 0; half >>= 1) {{
    __syncthreads();
    if (threadIdx.x < half) parts[threadIdx.x] += parts[threadIdx.x + half];
  }}
  if (threadIdx.x == 0) out[blockIdx.x] = (double)parts[0];
"""
_root = cupy.ReductionKernel(
    "float64 part", "T norm", "part", "a + b", "norm = (T)sqrt(a)", "0", "anadrome_norm", "double"
)
_SHRINK = """
  const W size = (W)*norm + (W)1e-6;
  const W factor = (W)most / size;
  if (factor >= 1) return;
"""
_CLIP = """
    W value = (W)g[i];
    if (value > (W)limit) g[i] = (G)(W)limit;
    if (value < (W)-limit) g[i] = (G)(W)-limit;
"""

squares = Walk("squares", "double* out", _SQUARE, column("const G", "g", 0) + " W sum = 0;", _PART)
shrink = Walk(
    "shrink", "const N* norm, double most", "g[i] = (G)((W)g[i] * factor);",
    column("G", "g", 0) + _SHRINK,
)  # fmt: skip
clip = Walk("clip", "double limit", _CLIP, column("G", "g", 0))
zero = Walk("zero", "int nothing", "g[i] = (G)0.0f;", column("G", "g", 0))


def _groups(tensors: Any) -> dict[Any, list[Any]] | None:
    """By element type; None where the kernels cannot serve one."""
    groups: dict[Any, list[Any]] = {}
    for t in tensors:
        if t.dtype not in NAMES or in_one_order((t,)) is None:
            return None
        groups.setdefault(t.dtype, []).append(t)
    return groups


def _total_norm(before: Callable[..., Any]) -> Callable[..., Any]:
    """Sums of pieces, then their sum in double precision."""

    def total_norm(*tensors: Any, norm_type: float) -> Any:
        groups = _groups(tensors) if norm_type == 2 else None
        if not groups:
            return before(*tensors, norm_type=norm_type)
        parts = cupy.empty(count_of(tensors), dtype=np.float64)
        begin = 0
        for kind, members in groups.items():
            end = begin + count_of(members)
            launch(squares.made(types(kind)), (members,), parts[begin:end])
            begin = end
        kind = next(iter(groups)) if len(groups) == 1 else cupy.result_type(*groups)
        return _root(parts, out=cupy.empty((), dtype=kind))

    return total_norm


def _shrink_to_norm(before: Callable[..., Any]) -> Callable[..., Any]:
    """Times ``max_norm / (norm + 1e-6)`` where that is below one."""

    def shrink_to_norm(*tensors: Any, max_norm: float) -> None:
        *grads, norm = tensors
        groups = _groups(grads)
        if groups is None or norm.dtype not in NAMES:
            before(*tensors, max_norm=max_norm)
            return
        for kind, members in groups.items():
            kernel = shrink.made(types(kind, N=norm.dtype))
            launch(kernel, (members,), norm, np.float64(max_norm))

    return shrink_to_norm


def _clip_values(before: Callable[..., Any]) -> Callable[..., Any]:
    """Values beyond the limit become the limit; NaN stays."""

    def clip_values(*tensors: Any, limit: float) -> None:
        groups = _groups(tensors)
        if groups is None:
            before(*tensors, limit=limit)
            return
        for kind, members in groups.items():
            launch(clip.made(types(kind)), (members,), np.float64(limit))

    return clip_values


def _zero_together(before: Callable[..., Any]) -> Callable[..., Any]:
    """Zero in all of them."""

    def zero_together(*tensors: Any) -> None:
        groups = _groups(tensors)
        if groups is None:
            before(*tensors)
            return
        for kind, members in groups.items():
            launch(zero.made(types(kind)), (members,), np.int32(0))

    return zero_together


MAKERS: dict[str, Maker] = {
    "total_norm": _total_norm,
    "shrink_to_norm": _shrink_to_norm,
    "clip_values": _clip_values,
    "zero_together": _zero_together,
}
